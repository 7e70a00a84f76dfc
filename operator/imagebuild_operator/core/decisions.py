"""The closed set of things the operator can do next for one build. Each is one effect or one look."""

from dataclasses import dataclass
from typing import Any

from imagebuild_operator.api.v1alpha1 import ImageBuildStatus


@dataclass(frozen=True)
class Wait:
    """Nothing to do now; look again after so many seconds, or only when something changes."""

    after: float | None = None


@dataclass(frozen=True)
class AskSlot:
    """The answer depends on whether a new attempt may start now."""


@dataclass(frozen=True)
class FetchBuild:
    """A stale copy of the build could do harm here: read it."""


@dataclass(frozen=True)
class FetchPod:
    """Whether this Pod exists must be known for certain: read it."""

    name: str


@dataclass(frozen=True)
class FetchLog:
    """The failed container's log is needed."""

    pod_name: str
    container: str


@dataclass(frozen=True)
class FetchWarnings:
    """The Pod does not start: its Warning Events say why."""

    pod_uid: str


@dataclass(frozen=True)
class Announcement:
    """A Kubernetes Event to post once the status that it speaks of is stored."""

    reason: str
    note: str
    run: int
    warning: bool = False


@dataclass(frozen=True)
class Result:
    """A run that ends with this write, for the metrics."""

    succeeded: bool
    reason: str
    seconds: float


@dataclass(frozen=True)
class WriteStatus:
    """Replace the status, guarded by the resourceVersion it was decided from."""

    status: ImageBuildStatus
    announcements: tuple[Announcement, ...] = ()
    result: Result | None = None


@dataclass(frozen=True)
class CreatePod:
    """Ask for the recorded attempt's Pod."""

    name: str
    manifest: dict[str, Any]


@dataclass(frozen=True)
class DeletePod:
    """Remove a Pod that the record does not name, or no longer needs."""

    name: str
    uid: str


Look = AskSlot | FetchBuild | FetchPod | FetchLog | FetchWarnings
Effect = WriteStatus | CreatePod | DeletePod
Decision = Wait | Look | Effect
