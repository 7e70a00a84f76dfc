"""How long Pods that have ended are kept, and whether one may go. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.pods import PodView


@dataclass(frozen=True)
class Keeping:
    """How long Pods are kept after the end of their last container, in seconds; None means for ever."""

    succeeded: float | None = None
    failed: float | None = None


@dataclass(frozen=True, slots=True)
class EndedPod:
    """What has to be remembered of a Pod until it goes: there may be thousands."""

    namespace: str
    name: str
    uid: str
    build: str
    build_uid: str

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name of its build."""
        return self.namespace, self.build


class Fate(Enum):
    """What is to become of a Pod whose time has come.

    KEEP: its result is not recorded yet. LEAVE: its build is gone, so it is the garbage collector's.
    """

    DELETE = auto()
    KEEP = auto()
    LEAVE = auto()


def removable(pod: PodView) -> EndedPod | None:
    """The Pod as it has to be remembered; None when it has not ended, goes anyway, or belongs to no ImageBuild."""
    if not pod.terminal or pod.deleting or pod.gone or not (pod.uid and pod.owner_uid and pod.owner_name):
        return None
    return EndedPod(pod.namespace, pod.name, pod.uid, pod.owner_name, pod.owner_uid)


def time_left(pod: PodView, keeping: Keeping, now: datetime) -> float | None:
    """Seconds for which the Pod is still kept, 0 or less when its time has come; None means for ever.

    Counted from the end of its last container, from now where no container tells: never more than the setting, however
    wrong a node's clock.
    """
    keep = keeping.succeeded if pod.phase == "Succeeded" else keeping.failed
    if keep is None:
        return None
    ends = [each.finished for each in (pod.build, pod.prepare) if each is not None and each.finished is not None]
    return keep - max((now - max(ends)).total_seconds(), 0.0) if ends else keep


def awaited(pod: EndedPod, build: BuildView) -> bool:
    """Whether this copy of the build says that the Pod's result is still to be recorded."""
    run = build.status.run
    return build.uid == pod.build_uid and run is not None and run.completion_time is None and run.pod_name == pod.name


def fate(pod: EndedPod, build: BuildView | None) -> Fate:
    """What is to become of a Pod whose time has come.

    Args:
        pod: the Pod, which has ended.
        build: its ImageBuild as stored *now*: an older copy may not know yet that it waits for this Pod.
    """
    if build is None or build.uid != pod.build_uid:
        return Fate.LEAVE
    # Without any record the first run's would name this very Pod: what became of it would be lost.
    return Fate.KEEP if build.status.run is None or awaited(pod, build) else Fate.DELETE
