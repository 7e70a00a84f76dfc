"""The size of a status: etcd keeps every version of it, and every watcher receives it.

Each text has a bound of its own; all of them at once would still be too much. What gives way then is the log's tail,
which can be read in full elsewhere, but for its very end; then the text of the instruction, whose line stays.
"""

from collections.abc import Callable
from typing import Final

from imagebuild_operator.api.v1alpha1 import Failure, ImageBuildStatus
from imagebuild_operator.core.outcome import tail

# With one image; each further one adds its length.
STATUS_BYTES: Final = 8192
# Of the log, this much stays as long as anything else can go.
END_BYTES: Final = 160


def within_bounds(status: ImageBuildStatus) -> ImageBuildStatus:
    """The status, the texts of its failure shortened by as much as the whole is too long."""
    for step in _STEPS:
        excess = _size(status) - STATUS_BYTES
        if excess <= 0 or status.failure is None:
            return status
        status = status.model_copy(update={"failure": step(status.failure, excess)})
    return status


def _shorter(failure: Failure, excess: int, least: int) -> Failure:
    """The failure with less of its log, but as much as there has to be."""
    if failure.log_tail is None:
        return failure
    length = len(failure.log_tail.encode())
    kept = max(length - excess, min(least, length))
    return failure.model_copy(update={"log_tail": tail(failure.log_tail, kept) if kept > 0 else None})


# What gives way, in this order.
_STEPS: Final[tuple[Callable[[Failure, int], Failure], ...]] = (
    lambda failure, excess: _shorter(failure, excess, END_BYTES),
    lambda failure, _: failure.model_copy(update={"instruction": None}),
    lambda failure, excess: _shorter(failure, excess, 0),
)


def _size(status: ImageBuildStatus) -> int:
    further = sum(len(image) + len('"",') for image in (status.images or [])[1:])
    return len(status.model_dump_json(by_alias=True, exclude_none=True).encode()) - further
