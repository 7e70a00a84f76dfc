"""The size of a status: etcd keeps every version of it, and every watcher receives it.

Each text has a bound of its own; all of them at once would still be too much. What gives way then is the log's tail,
which can be read in full elsewhere, but for its very end; then the text of the instruction, whose line stays; then the
oldest of the runs before.
"""

from collections.abc import Iterator
from typing import Final

from imagebuild_operator.api.v1alpha1 import Failure, ImageBuildStatus
from imagebuild_operator.core.outcome import tail

# With one image; each further one adds its length.
STATUS_BYTES: Final = 8192
# Of the log, this much stays as long as anything else can go.
END_BYTES: Final = 160


def within_bounds(status: ImageBuildStatus) -> ImageBuildStatus:
    """The status, without as much of what it can do without as the whole is too long."""
    smaller = status
    for smaller in _smaller(status):
        fitting = _with_less_log(smaller, END_BYTES)
        if _size(fitting) <= STATUS_BYTES:
            return fitting
    return _with_less_log(smaller, 0)


def _smaller(status: ImageBuildStatus) -> Iterator[ImageBuildStatus]:
    """The status, and what is left of it as one after the other gives way; the log is as it was."""
    yield status
    if status.failure is not None and status.failure.instruction is not None:
        status = _with_failure(status, status.failure.model_copy(update={"instruction": None}))
        yield status
    while status.history:
        status = status.model_copy(update={"history": status.history[:-1] or None})
        yield status


def _with_less_log(status: ImageBuildStatus, least: int) -> ImageBuildStatus:
    """The status with less of its log, if it is too long, but as much as there has to be."""
    failure, excess = status.failure, _size(status) - STATUS_BYTES
    if excess <= 0 or failure is None or failure.log_tail is None:
        return status
    length = len(failure.log_tail.encode())
    kept = max(length - excess, min(least, length))
    shorter = tail(failure.log_tail, kept) if kept > 0 else None
    return _with_failure(status, failure.model_copy(update={"log_tail": shorter}))


def _with_failure(status: ImageBuildStatus, failure: Failure) -> ImageBuildStatus:
    return status.model_copy(update={"failure": failure})


def _size(status: ImageBuildStatus) -> int:
    further = sum(len(image) + len('"",') for image in (status.images or [])[1:])
    return len(status.model_dump_json(by_alias=True, exclude_none=True).encode()) - further
