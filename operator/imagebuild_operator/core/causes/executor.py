"""What went wrong with the executor itself."""

import re
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.causes.cause import Cause, Doc, Evidence, Explanation, Found, said
from imagebuild_operator.core.executor_errors import BUILDING, PUSHING

# Go's own words (runtime/panic.go). A step that prints them has its own row, before this one.
_PANIC: Final = "panic: "
_STACK: Final = re.compile(r"goroutine [0-9]+ \[")
_PANIC_EXIT: Final = 2


def _panic(evidence: Evidence) -> str | None:
    """What it panicked over, if a stack follows and nothing that it says when it ends by itself."""
    what = found = None
    for line in evidence.log.splitlines() if evidence.exit_code == _PANIC_EXIT else ():
        if line.startswith("error "):
            what = found = None
        elif what is None and line.startswith(_PANIC):
            what = line.removeprefix(_PANIC)
        elif _STACK.match(line):
            found = what
    return found


def _explain_panic(evidence: Evidence) -> Explanation:
    return Explanation(f"The executor crashed over an error of its own: {_panic(evidence) or ''}", _CRASHED)


def _never_ran(evidence: Evidence) -> bool:
    """The runtime could not even start it (kubernetes, pkg/kubelet/kuberuntime; containerd says StartError)."""
    return evidence.container is not None and evidence.container.reason in _NOT_STARTED and not evidence.preparing


def _explain_never_ran(evidence: Evidence) -> Explanation:
    said = evidence.container.message if evidence.container else ""
    return Explanation(f"The executor could not be started: {said}", _NAME_STARTABLE)


_NOT_STARTED: Final = ("StartError", "ContainerCannotRun")
_NAME_STARTABLE: Final = "Check that spec.executor.image is a kaniko executor, for the architecture of the nodes."
_CRASHED: Final = "Name another version of the executor in spec.executor.image; simplify the instruction it stopped at."
_NOT_KANIKO: Final = "The executor ended with exit code 0 but left no digest in its termination message."
_NAME_KANIKO: Final = "Check that spec.executor.image is a kaniko executor."
# 128 and SIGKILL; a step that ends so has its own row, before this one.
_KILLED_EXIT: Final = 137
_KILLED: Final = "The executor was killed (exit code 137), and its node does not say what for."
_WHO_KILLED: Final = (
    "Look in the log of the node's kernel for who was killed: raise spec.resources if the node was short of memory, "
    "else set the annotation imagebuild.dev/requestedAt."
)

EXECUTOR: Final[tuple[Cause, ...]] = (
    Cause(
        Reason.EXECUTOR_FAILED,
        _never_ran,
        _explain_never_ran,
        Doc(
            "executor-not-started",
            Found.POD,
            f"a container's reasons {', '.join(_NOT_STARTED)}",
            "The executor could not be started: {what}",
            _NAME_STARTABLE,
        ),
    ),
    said(
        "disk-full",
        Reason.OUT_OF_STORAGE,
        rf"(?:{BUILDING}|{PUSHING}).*no space left on device",
        "A disk was full while the executor wrote to it:",
        "Raise spec.resources.requests.ephemeral-storage, so that a node with room is found, or give the nodes more; "
        "or put less into the image.",
    ),
    said(
        "flag-unknown",
        Reason.EXECUTOR_UNSUPPORTED,
        r"Error: unknown flag: (?P<flag>\S+)",
        "The executor does not know the flag {flag}.",
        "Correct spec.executor.variant and spec.executor.version, or name an executor that has it.",
    ),
    Cause(
        Reason.EXECUTOR_FAILED,
        lambda evidence: _panic(evidence) is not None,
        _explain_panic,
        Doc(
            "executor-crash",
            Found.LOG,
            "exit code 2, and `panic: ...` with `goroutine ...` after everything else",
            "The executor crashed over an error of its own: {what}",
            _CRASHED,
        ),
        by_files=True,
    ),
    Cause(
        Reason.EXECUTOR_FAILED,
        lambda evidence: evidence.exit_code == 0,
        lambda _: Explanation(_NOT_KANIKO, _NAME_KANIKO),
        Doc(
            "executor-without-digest",
            Found.EXIT,
            "exit code 0 without a digest as termination message",
            _NOT_KANIKO,
            _NAME_KANIKO,
        ),
    ),
    Cause(
        Reason.EXECUTOR_FAILED,
        lambda evidence: evidence.exit_code == _KILLED_EXIT,
        lambda _: Explanation(_KILLED, _WHO_KILLED),
        Doc(
            "executor-killed",
            Found.EXIT,
            f"exit code {_KILLED_EXIT}, and no word of the node on memory",
            _KILLED,
            _WHO_KILLED,
        ),
    ),
)
