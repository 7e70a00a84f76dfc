"""What is said of a build in which something was killed."""

from typing import Final

from imagebuild_operator.pod.quantities import quantity

# How the executor tells of a RUN step whose shell was killed, or a process that the shell waited for; it ends with the
# step's own exit code, 255 for a signal (kaniko, pkg/commands/run.go and cmd/executor/cmd/root.go).
_SHELL_KILLED: Final = "waiting for process to exit: signal: killed"
_CHILD_KILLED: Final = "waiting for process to exit: exit status 137"


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
    amount = f" of {quantity(limit)}" if limit else ""
    above = f" above {quantity(limit)}" if limit else ""
    message = f"{who} at the build's memory limit{amount} (exit code {exit_code})."
    return message, f"Raise spec.resources.limits.memory{above}; that alone builds again."
