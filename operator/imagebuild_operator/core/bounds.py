"""The size of a status: etcd keeps every version of it, and every watcher receives it.

Each text has a bound of its own; all of them at once would still be too much. What gives way then is the log's tail,
which can be read in full elsewhere.
"""

from typing import Final

from imagebuild_operator.api.v1alpha1 import ImageBuildStatus
from imagebuild_operator.core.outcome import tail

# With one image; each further one adds its length.
STATUS_BYTES: Final = 8192


def within_bounds(status: ImageBuildStatus) -> ImageBuildStatus:
    """The status, its log tail shortened from the front by as much as the whole is too long."""
    failure = status.failure
    excess = _size(status) - STATUS_BYTES
    if excess <= 0 or failure is None or failure.log_tail is None:
        return status
    kept = len(failure.log_tail.encode()) - excess
    shorter = failure.model_copy(update={"log_tail": tail(failure.log_tail, kept) if kept > 0 else None})
    return status.model_copy(update={"failure": shorter})


def _size(status: ImageBuildStatus) -> int:
    further = sum(len(image) + len('"",') for image in (status.images or [])[1:])
    return len(status.model_dump_json(by_alias=True, exclude_none=True).encode()) - further
