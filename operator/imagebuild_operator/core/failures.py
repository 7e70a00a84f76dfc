"""Why a build's Pod failed: one ordered table from evidence to reason, message and hint.

Adding a cause means adding one row in `causes`, by who says it: the Pod itself, which comes first, since it is certain;
then the init container and the executor, by what failed. The facts are from the executor's sources
(cmd/executor/cmd/root.go) and from real failing builds, whose logs are in `tests/corpus`.
"""

from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core import killed
from imagebuild_operator.core.causes import dockerfile, executor, pods, prepare, registry, steps
from imagebuild_operator.core.causes.cause import Cause, Doc, Evidence, Explanation, Found
from imagebuild_operator.core.executor_errors import PUSHING

__all__ = ["CAUSES", "Cause", "Evidence", "Explanation", "explain", "find"]


def _out_of_memory(evidence: Evidence) -> bool:
    """The kernel may kill git alone, which only the init container itself can tell."""
    told = evidence.prepare_failure
    if told is not None and told.reason == Reason.OUT_OF_MEMORY:
        return True
    if evidence.container is None or evidence.container.reason != "OOMKilled":
        return False
    # A step may have gone on without the process that was killed, and only the push failed.
    return not (evidence.exit_code == 1 and evidence.said.startswith(PUSHING))


def _explain_memory(evidence: Evidence) -> Explanation:
    if evidence.preparing:
        return Explanation(
            "The init container was killed at its memory limit while it fetched the source.",
            "Raise spec.sourceResources.limits.memory; that alone builds again.",
        )
    return Explanation(*killed.at_the_limit(evidence.exit_code, evidence.said, evidence.pod.memory_limit))


_READ_THE_LOG: Final = "Read the end of its log in status.failure.logTail: the operator does not know these words yet."


def _explain_build(evidence: Evidence) -> Explanation:
    said = evidence.said
    message = f"The build failed with exit code {evidence.exit_code}" + (f": {said}" if said else ".")
    return Explanation(message, _READ_THE_LOG)


CAUSES: Final[tuple[Cause, ...]] = (
    *pods.PODS,
    Cause(
        Reason.OUT_OF_MEMORY,
        _out_of_memory,
        _explain_memory,
        Doc(
            "memory-limit",
            Found.POD,
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
    pods.WITHOUT_RESULT,
    Cause(
        Reason.BUILD_FAILED,
        lambda _: True,
        _explain_build,
        Doc(
            "unknown",
            Found.EXIT,
            "none of the others",
            "The build failed with exit code {code}",
            _READ_THE_LOG,
        ),
    ),
)


def find(evidence: Evidence) -> Cause:
    """The first cause of the table that applies; the last row always does."""
    return next(cause for cause in CAUSES if cause.applies(evidence))


def explain(evidence: Evidence) -> tuple[Cause, Explanation]:
    """That cause, and what is said."""
    cause = find(evidence)
    return cause, cause.explain(evidence)
