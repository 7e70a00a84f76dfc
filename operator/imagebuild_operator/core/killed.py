"""What is said of a build in which something was killed, or which was evicted for its node's sake."""

import re
from typing import Final

from imagebuild_operator.core.executor_errors import ENDED
from imagebuild_operator.pod.quantities import quantity

# How the executor tells of a RUN step whose shell was killed, or a process that the shell waited for; it ends with the
# step's own exit code, 255 for a signal (kaniko, pkg/commands/run.go and cmd/executor/cmd/root.go).
_SHELL_KILLED: Final = f"{ENDED}signal: killed"
_CHILD_KILLED: Final = f"{ENDED}exit status 137"

# What the node was short of, in the kubelet's words (kubernetes, pkg/kubelet/eviction/helpers.go): of a Pod that it
# evicted, and of one that came too late. Of several conditions none is the one to blame.
_NODE_SHORT_OF: Final = re.compile(
    r"low on resource: (memory|ephemeral-storage)\b|node had condition: \[MemoryPressure\]"
)


def at_the_limit(exit_code: int | None, said: str, limit: int | None) -> tuple[str, str]:
    """Message and hint where the node says that the kernel killed for want of memory.

    Args:
        exit_code: of the container.
        said: the executor's own last words; it has none where it was killed itself. The kernel takes it along with the
            step where the container's cgroup says so (memory.oom.group; Kubernetes sets that with cgroup v2).
        limit: of the container, in bytes.
    """
    who = "A process of the build was killed"
    if said.endswith((_SHELL_KILLED, _CHILD_KILLED)):
        who = "A process of a RUN step was killed"
    elif exit_code == 137:
        who = "The executor was killed"
    amount, above = _named(limit)
    message = f"{who} at the build's memory limit{amount} (exit code {exit_code})."
    return message, f"Raise spec.resources.limits.memory{above}; that alone builds again."


def survived(limit: int | None) -> str:
    """What is said of a success in which something was killed, with its limit in bytes.

    A success is not built again by another limit alone, so it says what does.
    """
    amount, above = _named(limit)
    return (
        f"But a process of the build was killed at the memory limit{amount} and the build went on without it: "
        f"the image may lack something. Raise spec.resources.limits.memory{above}, then set the annotation "
        "imagebuild.dev/requestedAt to build again."
    )


def _named(limit: int | None) -> tuple[str, str]:
    return (f" of {quantity(limit)}", f" above {quantity(limit)}") if limit else ("", "")


def by_the_node(said: str) -> str:
    """The hint where the kubelet evicted the Pod because its node ran short of something.

    The limit was kept and is no matter here: the scheduler counts on requests alone, and the kubelet evicts first what
    uses most above its request (kubernetes, pkg/kubelet/eviction/helpers.go, rankMemoryPressure).

    Args:
        said: the Pod's message.
    """
    found = _NODE_SHORT_OF.search(said)
    if found is None:
        return "Raise spec.resources.requests, or give the nodes more room."
    resource = found[1] or "memory"
    return (
        f"Raise spec.resources.requests.{resource} to what the build uses, so that the scheduler finds it a node with "
        f"room; or give the nodes more. The node was short of {resource}, whatever the build's limit is."
    )
