"""A Pod that was asked to go and does not: it takes up a slot, so people have to know, also when its run is over.

The conditions speak of the Pod of an open run; of any other, an Event does.
"""

from datetime import datetime, timedelta
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.decisions import Announcement, Decision, Tell, Wait
from imagebuild_operator.core.observe import Observation
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.times import format_time

# A node that is there has stopped a Pod by the end of its grace period, or soon after.
GRACE: Final = timedelta(seconds=30)
# Told anew when the Event of before is gone: an API server keeps one for an hour (kube-apiserver, --event-ttl).
AGAIN: Final = timedelta(minutes=65)


def told(seen: Observation, rest: Wait, now: datetime) -> Decision:
    """The rest itself, shortened to the time at which such a Pod is told of, or the Event that tells.

    Args:
        seen: what the rest was decided from.
        rest: what there is to do otherwise.
        now: the time.
    """
    due = [(when, pod) for pod in seen.pods if (when := _due(pod)) is not None and _is_for_an_event(seen, pod)]
    if not due:
        return rest
    when, pod = min(due, key=lambda entry: entry[0])
    left = (when - now).total_seconds()
    if left > 0:
        return Wait(left if rest.after is None else min(left, rest.after))
    return Tell(pod.uid, Announcement(Reason.POD_TERMINATING, _note(pod), f"pod {pod.name}", warning=True))


def _due(pod: PodView) -> datetime | None:
    if not pod.live or pod.deletion_timestamp is None:
        return None
    return pod.deletion_timestamp + GRACE if pod.told is None else pod.told + AGAIN


def _is_for_an_event(seen: Observation, pod: PodView) -> bool:
    """Whether it is a Pod of this build that no condition speaks of."""
    build, run = seen.build, seen.build.status.run
    if pod.owner_uid != build.uid:
        return False
    if build.deleting or run is None or run.completion_time is not None or run.pod_name is None:
        return True
    # As long as the recorded Pod cannot be asked for, the conditions tell what is in its way.
    return pod.name != run.pod_name and any(other.name == run.pod_name for other in seen.pods)


def _note(pod: PodView) -> str:
    where = f" on node {pod.node}" if pod.node else ""
    gone_by = format_time(pod.deletion_timestamp) if pod.deletion_timestamp is not None else ""
    return (
        f"Pod {pod.name}{where} was asked to go and should have been gone at {gone_by}. Until it is, it counts as a "
        "running build. Bring the node back, or delete the Pod with --force once you know that its containers are "
        "stopped."
    )
