"""The closed set of things the operator can do next for one build. Each is one effect or one look."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

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
class FetchLastOutput:
    """When the container last logged something decides whether it hangs.

    `since` is its start: the answer when it has said nothing yet.
    """

    pod_name: str
    container: str
    since: datetime


@dataclass(frozen=True)
class FetchWarnings:
    """The Pod does not start: its Warning Events say why."""

    pod_uid: str


@dataclass(frozen=True)
class Announcement:
    """A Kubernetes Event to post once what it speaks of is stored.

    Attributes:
        reason: one CamelCase word.
        note: the sentence people read.
        about: what it tells of, e.g. `run 3`: told again, it is the same Event.
        warning: whether somebody should look at it.
    """

    reason: str
    note: str
    about: str
    warning: bool = False


@dataclass(frozen=True)
class Result:
    """A run that ends with this write, for the metrics."""

    outcome: Literal["succeeded", "failed", "cancelled"]
    reason: str
    seconds: float


@dataclass(frozen=True)
class WriteStatus:
    """Replace the status, guarded by the resourceVersion it was decided from.

    Attributes:
        status: the whole of it.
        announcements: Events to post when it is stored.
        result: of the run that ends with this write.
        waited: seconds that the run, whose first attempt this write records, waited for its turn.
    """

    status: ImageBuildStatus
    announcements: tuple[Announcement, ...] = ()
    result: Result | None = None
    waited: float | None = None


@dataclass(frozen=True)
class Tell:
    """Post an Event about a Pod that comes with no write; told again while it is kept, it is the same Event."""

    pod_uid: str
    announcement: Announcement


@dataclass(frozen=True)
class CreatePod:
    """Ask for the recorded attempt's Pod.

    Attributes:
        name: of the Pod.
        manifest: its document.
        announcement: the Event to post when it is created; a run that is refused before never started.
    """

    name: str
    manifest: dict[str, Any]
    announcement: Announcement


@dataclass(frozen=True)
class DeletePod:
    """Remove a Pod that the record does not name, or no longer needs."""

    name: str
    uid: str


@dataclass(frozen=True)
class DeleteBuild:
    """Its time to live is over: delete the ImageBuild, if it is still the copy that was decided from."""


Look = AskSlot | FetchBuild | FetchPod | FetchLog | FetchLastOutput | FetchWarnings
Effect = WriteStatus | Tell | CreatePod | DeletePod | DeleteBuild
Decision = Wait | Look | Effect
