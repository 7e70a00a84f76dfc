"""Why a build's Pod failed: one ordered table from evidence to reason, message and hint.

Adding a cause means adding one row: here what the Pod itself says, which comes first, since it is certain; in `causes`
what the init container and the executor say, by what failed. The facts are from the executor's sources
(cmd/executor/cmd/root.go) and from real failing builds, whose logs are in `tests/corpus`.
"""

from collections.abc import Callable
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core import killed
from imagebuild_operator.core.causes import dockerfile, executor, prepare, registry, steps
from imagebuild_operator.core.causes.cause import Cause, Doc, Evidence, Explanation, Found

__all__ = ["CAUSES", "Cause", "Evidence", "Explanation", "explain", "find"]


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
    return not (evidence.exit_code == 1 and evidence.said.startswith("error pushing "))


def _explain_memory(evidence: Evidence) -> Explanation:
    if evidence.preparing:
        return Explanation(
            "The init container was killed at its memory limit while it fetched the source.",
            "Raise spec.sourceResources.limits.memory.",
        )
    return Explanation(*killed.at_the_limit(evidence.exit_code, evidence.said, evidence.pod.memory_limit))


_NODE_RAN_SHORT: Final = "The node ran short and evicted the Pod"


def _explain_eviction(evidence: Evidence) -> Explanation:
    said = evidence.pod.message
    return _pod_message(_NODE_RAN_SHORT, killed.by_the_node(said))(evidence)


def _pod_message(what: str, hint: str) -> Callable[[Evidence], Explanation]:
    def explain(evidence: Evidence) -> Explanation:
        said = evidence.pod.message or evidence.pod.reason
        return Explanation(f"{what}: {said}" if said else f"{what}.", hint)

    return explain


# 128 and SIGKILL; the executor itself ends with it only where a step did, which has a row of its own.
_KILLED: Final = 137
_EXECUTOR_KILLED: Final = "The executor was killed (exit code 137), and its node does not say what for."
_WHO_KILLED: Final = "If the node was short of memory, raise spec.resources; its kernel's log names who was killed."


def _explain_build(evidence: Evidence) -> Explanation:
    said = evidence.said
    if evidence.exit_code == _KILLED:
        # What its log ends with is about something else.
        return Explanation(_EXECUTOR_KILLED, _WHO_KILLED)
    return Explanation(f"The build failed with exit code {evidence.exit_code}" + (f": {said}" if said else "."))


# The kubelet's own refusals (pkg/kubelet/lifecycle/predicate.go): the room that the scheduler saw was taken meanwhile,
# or the node cannot run such a Pod at all.
_NO_ROOM_LEFT: Final = ("OutOfcpu", "OutOfmemory", "OutOfpods", "OutOfephemeral-storage", "NodeAffinity")
_NEVER_HERE: Final = ("UnexpectedAdmissionError", "PodFeatureUnsupported", "PodOSNotSupported")
_BUILD_AGAIN: Final = "Set the annotation imagebuild.dev/requestedAt to build again."


def _pod(name: str, sign: str, says: str, hint: str) -> Doc:
    return Doc(name, Found.POD, sign, says, hint)


def _of_pod(name: str, reason: Reason, applies: Callable[[Evidence], bool], sign: str, what: str, hint: str) -> Cause:
    """A row that repeats the Pod's own message."""
    return Cause(reason, applies, _pod_message(what, hint), _pod(name, sign, what, hint))


CAUSES: Final[tuple[Cause, ...]] = (
    Cause(
        Reason.DISRUPTED,
        _disrupted,
        lambda evidence: Explanation(f"The cluster took the Pod away: {evidence.pod.disruption}", _BUILD_AGAIN),
        _pod("pod-disrupted", "the condition DisruptionTarget", "The cluster took the Pod away", _BUILD_AGAIN),
    ),
    Cause(
        Reason.POD_LOST,
        _deleted,
        lambda _: Explanation("The Pod was deleted before the build ended.", _BUILD_AGAIN),
        _pod("pod-deleted", "a deletion before its end", "The Pod was deleted before the build ended", _BUILD_AGAIN),
    ),
    Cause(
        Reason.TIMEOUT,
        _pod_reason("DeadlineExceeded"),
        _explain_timeout,
        _pod(
            "timeout",
            "the reason DeadlineExceeded",
            "The build did not end within spec.timeout, or the source was still being fetched",
            "Raise spec.timeout, or fetch less; after a long silence at its end, raise spec.resources.limits.memory.",
        ),
    ),
    Cause(
        Reason.EVICTED,
        _short_of_room,
        _explain_eviction,
        _pod(
            "node-pressure",
            "the reason Evicted with the condition DisruptionTarget",
            _NODE_RAN_SHORT,
            "Raise spec.resources.requests of what the node was short of, or give the nodes more room.",
        ),
    ),
    _of_pod(
        "storage-limit",
        Reason.OUT_OF_STORAGE,
        _pod_reason("Evicted"),
        "the reason Evicted alone",
        "The Pod was evicted",
        "Raise spec.resources.limits.ephemeral-storage.",
    ),
    _of_pod(
        "pod-preempted",
        Reason.DISRUPTED,
        _pod_reason("Preempting"),
        "the reason Preempting",
        "The node made room for another Pod",
        _BUILD_AGAIN,
    ),
    _of_pod(
        "node-gone",
        Reason.POD_LOST,
        _pod_reason("NodeLost", "NodeShutdown", "Terminated", "Shutdown"),
        "the reasons NodeLost, NodeShutdown, Terminated, Shutdown",
        "The Pod's node went away",
        _BUILD_AGAIN,
    ),
    _of_pod(
        "node-full",
        Reason.DISRUPTED,
        _pod_reason(*_NO_ROOM_LEFT),
        f"the reasons {', '.join(_NO_ROOM_LEFT)}",
        "The node had no room left for the Pod",
        _BUILD_AGAIN,
    ),
    _of_pod(
        "node-refused",
        Reason.POD_REJECTED,
        _pod_reason(*_NEVER_HERE),
        f"the reasons {', '.join(_NEVER_HERE)}",
        "The node refused the Pod",
        "Check spec.resources and spec.podTemplate.",
    ),
    Cause(
        Reason.OUT_OF_MEMORY,
        _out_of_memory,
        _explain_memory,
        _pod(
            "memory-limit",
            "a container's reason OOMKilled, or the init container's report",
            "The build, or the init container that fetches the source, was killed at its memory limit",
            "Raise spec.resources.limits.memory, or spec.sourceResources.limits.memory; that alone builds again.",
        ),
    ),
    *prepare.PREPARE,
    *registry.ANSWERS,
    *registry.PUSHES,
    *registry.IMAGES,
    *dockerfile.INSTRUCTIONS,
    *dockerfile.FILES,
    *steps.STEPS,
    *executor.EXECUTOR,
    Cause(
        Reason.BUILD_FAILED,
        lambda evidence: evidence.exit_code is None,
        _pod_message("The Pod failed without a result of its containers", ""),
        _pod(
            "pod-without-result",
            "the phase Failed, and no container that ended",
            "The Pod failed without a result of its containers",
            "Look at the Events of the Pod and its node's kubelet.",
        ),
    ),
    Cause(
        Reason.BUILD_FAILED,
        lambda _: True,
        _explain_build,
        Doc(
            "unknown",
            Found.EXIT,
            "none of the others",
            "The build failed with exit code {code}, and words that this table does not know yet",
            "Read status.failure.logTail; tell the project, so that the table grows.",
        ),
    ),
)


def find(evidence: Evidence) -> Cause:
    """The first cause of the table that applies; the last row always does."""
    return next(cause for cause in CAUSES if cause.applies(evidence))


def explain(evidence: Evidence) -> tuple[Reason, Explanation]:
    """Its reason, and what is said."""
    cause = find(evidence)
    return cause.reason, cause.explain(evidence)
