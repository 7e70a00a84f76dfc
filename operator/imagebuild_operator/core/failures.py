"""Why a build's Pod failed: one ordered table from evidence to reason, message and hint.

Adding a cause means adding one row. The Pod's own status comes first, since it is certain; what the log says comes
after. The facts are from the executor's sources (cmd/executor/cmd/root.go) and from real failing builds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core import killed, registry_advice, registry_errors
from imagebuild_operator.core.executor_log import error_line
from imagebuild_operator.core.pods import ContainerView, PodView
from imagebuild_operator.pod.prepared import REASONS, PrepareFailure, parse_result


@dataclass(frozen=True)
class Evidence:
    """What is known about a Pod that ended without success."""

    pod: PodView
    log: str = ""

    @property
    def container(self) -> ContainerView | None:
        """The container that failed: the init container if it did, else the build."""
        prepare = self.pod.prepare
        if prepare is not None and prepare.exit_code not in (None, 0):
            return prepare
        return self.pod.build if self.pod.build is not None and self.pod.build.exit_code is not None else None

    @property
    def preparing(self) -> bool:
        """Whether it failed before the executor ran."""
        return self.container is not None and self.container is self.pod.prepare

    @property
    def exit_code(self) -> int | None:
        """Exit code of the container that failed."""
        return self.container.exit_code if self.container else None

    @property
    def said(self) -> str:
        """The line of the log that says what went wrong; empty if there is none."""
        return error_line(self.log, self.exit_code)

    @property
    def prepare_failure(self) -> PrepareFailure | None:
        """What the init container said of its own failure."""
        if not self.preparing or self.container is None:
            return None
        result = parse_result(self.container.message)
        return result if isinstance(result, PrepareFailure) else None


@dataclass(frozen=True)
class Explanation:
    """What the user reads: what happened, and what to do."""

    message: str
    hint: str = ""


@dataclass(frozen=True)
class Cause:
    """One row: when it applies, and what is said."""

    reason: Reason
    applies: Callable[[Evidence], bool]
    explain: Callable[[Evidence], Explanation]


def _deleted(evidence: Evidence) -> bool:
    asked = evidence.pod.asked_to_go
    if evidence.pod.gone and not evidence.pod.terminal:
        return True
    if asked is None:
        return False
    finished = evidence.container.finished if evidence.container else None
    return finished is None or finished >= asked


def _disrupted(evidence: Evidence) -> bool:
    return bool(evidence.pod.disruption) and _deleted(evidence)


def _short_of_room(evidence: Evidence) -> bool:
    """The kubelet evicts for its node's sake with a DisruptionTarget condition, and for a limit without one.

    A Pod that came too late for a node under pressure has not even a container's status (kubernetes,
    pkg/kubelet/eviction/eviction_manager.go); one over its limit may still say that its container runs.
    """
    never_taken = evidence.pod.build is None and evidence.pod.prepare is None
    return evidence.pod.reason == "Evicted" and (bool(evidence.pod.disruption) or never_taken)


def _pod_reason(*reasons: str) -> Callable[[Evidence], bool]:
    return lambda evidence: evidence.pod.reason in reasons


def _explain_timeout(evidence: Evidence) -> Explanation:
    """Which part took the time. The kubelet may end the Pod before it tells how a container of it ended."""
    prepare, build = evidence.pod.prepare, evidence.pod.build
    if prepare is not None and prepare.started and prepare.exit_code != 0 and not (build and build.started):
        return Explanation(
            "The source was still being fetched when spec.timeout was over.",
            "Raise spec.timeout, or fetch less: a smaller archive or image, no submodules or LFS files that the build "
            "can do without.",
        )
    return Explanation("The build did not end within spec.timeout.", "Raise spec.timeout.")


def _out_of_memory(evidence: Evidence) -> bool:
    """The kernel may kill git alone, which only the init container itself can tell."""
    told = evidence.prepare_failure
    if told is not None and told.reason == Reason.OUT_OF_MEMORY:
        return True
    if evidence.container is None or evidence.container.reason != "OOMKilled":
        return False
    # A step may have gone on without the process that was killed, and only the push failed.
    return not (evidence.exit_code == 1 and error_line(evidence.log).startswith("error pushing "))


def _explain_memory(evidence: Evidence) -> Explanation:
    if evidence.preparing:
        return Explanation(
            "The init container was killed at its memory limit while it fetched the source.",
            "Raise spec.sourceResources.limits.memory.",
        )
    return Explanation(*killed.at_the_limit(evidence.exit_code, evidence.said, evidence.pod.memory_limit))


def _said(*matches: Callable[[str], bool]) -> Callable[[Evidence], bool]:
    """Whether the executor's own last words match one of these; its own errors end with exit code 1."""
    return lambda evidence: evidence.exit_code == 1 and any(match(evidence.said) for match in matches)


def _explain_registry(what: str, hint: str) -> Callable[[Evidence], Explanation]:
    return lambda evidence: Explanation(f"{what}: {evidence.said}", hint)


def _advised(advice: Callable[[str, PodView], registry_advice.Advice]) -> Callable[[Evidence], Explanation]:
    return lambda evidence: Explanation(*advice(evidence.said, evidence.pod))


def _pod_message(what: str, hint: str) -> Callable[[Evidence], Explanation]:
    def explain(evidence: Evidence) -> Explanation:
        said = evidence.pod.message or evidence.pod.reason
        return Explanation(f"{what}: {said}" if said else f"{what}.", hint)

    return explain


def _explain_prepare(evidence: Evidence) -> Explanation:
    failure = evidence.prepare_failure
    if failure is not None:
        return Explanation(failure.message, failure.hint)
    said = evidence.said
    return Explanation(
        f"Fetching the source failed with exit code {evidence.exit_code}" + (f": {said}" if said else ".")
    )


def _prepare_said(reason: Reason) -> Callable[[Evidence], bool]:
    def applies(evidence: Evidence) -> bool:
        failure = evidence.prepare_failure
        return failure is not None and failure.reason == reason

    return applies


def _explain_build(evidence: Evidence) -> Explanation:
    said = evidence.said
    message = f"The build failed with exit code {evidence.exit_code}" + (f": {said}" if said else ".")
    return Explanation(message, killed.hint(said))


# The kubelet's own refusals (pkg/kubelet/lifecycle/predicate.go): the room that the scheduler saw was taken meanwhile,
# or the node cannot run such a Pod at all.
_NO_ROOM_LEFT: Final = ("OutOfcpu", "OutOfmemory", "OutOfpods", "OutOfephemeral-storage", "NodeAffinity")
_NEVER_HERE: Final = ("UnexpectedAdmissionError", "PodFeatureUnsupported", "PodOSNotSupported")
_BUILD_AGAIN: Final = "Set the annotation imagebuild.dev/requestedAt to build again."

# Where it ran out of memory, the kubelet mostly says so as well: both have one row.
TOLD_BY_PREPARE: Final = tuple(sorted(REASONS - {Reason.OUT_OF_MEMORY}))

CAUSES: Final[tuple[Cause, ...]] = (
    Cause(
        Reason.DISRUPTED,
        _disrupted,
        lambda evidence: Explanation(f"The cluster took the Pod away: {evidence.pod.disruption}", _BUILD_AGAIN),
    ),
    Cause(
        Reason.POD_LOST,
        _deleted,
        lambda _: Explanation("The Pod was deleted before the build ended.", _BUILD_AGAIN),
    ),
    Cause(
        Reason.TIMEOUT,
        _pod_reason("DeadlineExceeded"),
        _explain_timeout,
    ),
    Cause(
        Reason.EVICTED,
        _short_of_room,
        _pod_message("The node ran short and evicted the Pod", "Give the nodes more room, or raise spec.resources."),
    ),
    Cause(
        Reason.OUT_OF_STORAGE,
        _pod_reason("Evicted"),
        _pod_message("The Pod was evicted", "Raise spec.resources.limits.ephemeral-storage."),
    ),
    Cause(
        Reason.DISRUPTED, _pod_reason("Preempting"), _pod_message("The node made room for another Pod", _BUILD_AGAIN)
    ),
    Cause(
        Reason.POD_LOST,
        _pod_reason("NodeLost", "NodeShutdown", "Terminated", "Shutdown"),
        _pod_message("The Pod's node went away", _BUILD_AGAIN),
    ),
    Cause(
        Reason.DISRUPTED,
        _pod_reason(*_NO_ROOM_LEFT),
        _pod_message("The node had no room left for the Pod", _BUILD_AGAIN),
    ),
    Cause(
        Reason.POD_REJECTED,
        _pod_reason(*_NEVER_HERE),
        _pod_message("The node refused the Pod", "Check spec.resources and spec.podTemplate."),
    ),
    Cause(Reason.OUT_OF_MEMORY, _out_of_memory, _explain_memory),
    *(Cause(reason, _prepare_said(reason), _explain_prepare) for reason in TOLD_BY_PREPARE),
    Cause(Reason.SOURCE_FAILED, lambda evidence: evidence.preparing, _explain_prepare),
    Cause(
        Reason.RATE_LIMITED,
        _said(registry_errors.rate_limited),
        _explain_registry("The registry allows no further requests for now", "Log in, or pull through a mirror."),
    ),
    # Before those that are looked for in the whole answer: a try by plain http, which failed as well, may follow.
    Cause(Reason.CERTIFICATE_UNKNOWN, _said(registry_errors.untrusted), _advised(registry_advice.untrusted)),
    Cause(Reason.CERTIFICATE_UNKNOWN, _said(registry_errors.without_tls), _advised(registry_advice.without_tls)),
    Cause(
        Reason.REGISTRY_NOT_FOUND,
        _said(registry_errors.no_such_host, registry_errors.no_registry, registry_errors.no_repository),
        _advised(registry_advice.missing_registry),
    ),
    Cause(Reason.IMAGE_NOT_FOUND, _said(registry_errors.no_image), _advised(registry_advice.missing_image)),
    Cause(
        Reason.REGISTRY_UNAVAILABLE,
        _said(registry_errors.unavailable),
        _explain_registry("The registry failed or cannot be reached", "Check the registry's health and its address."),
    ),
    Cause(Reason.REGISTRY_AUTH_FAILED, _said(registry_errors.refused), _advised(registry_advice.refusal)),
    Cause(
        Reason.BUILD_FAILED,
        lambda evidence: evidence.exit_code == 0,
        lambda _: Explanation(
            "The executor ended with exit code 0 but left no digest in its termination message.",
            "Check that spec.executor.image is a kaniko executor.",
        ),
    ),
    Cause(
        Reason.BUILD_FAILED,
        lambda evidence: evidence.exit_code is None,
        _pod_message("The Pod failed without a result of its containers", ""),
    ),
    Cause(Reason.BUILD_FAILED, lambda _: True, _explain_build),
)


def explain(evidence: Evidence) -> tuple[Reason, Explanation]:
    """The first cause of the table that applies; the last row always does."""
    cause = next(cause for cause in CAUSES if cause.applies(evidence))
    return cause.reason, cause.explain(evidence)
