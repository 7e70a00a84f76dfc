"""A Pod that does not start: what it waits for is told, and it is given up after a time."""

from datetime import datetime, timedelta
from typing import Final

from imagebuild_operator.api.names import ConditionType, Reason
from imagebuild_operator.api.v1alpha1 import Failure, Run
from imagebuild_operator.core import transitions
from imagebuild_operator.core.causes.told import OBSTACLES, REFUSALS, advice, last_advice
from imagebuild_operator.core.conditions import SHORT_BYTES, InProgress
from imagebuild_operator.core.decisions import Announcement, Decision, FetchWarnings, Wait
from imagebuild_operator.core.mounts import with_object
from imagebuild_operator.core.observe import Observation, Refusal
from imagebuild_operator.core.outcome import MESSAGE_BYTES, MESSAGE_ROOM, advised, clip, failure, shown
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.times import parse_time

TOLD_AFTER: Final = timedelta(seconds=15)
# Volumes of Secrets and ConfigMaps that are there are mounted within two seconds (measured on two busy cores).
MOUNTED_AFTER: Final = timedelta(seconds=5)
# A Pod may take its whole grace period to stop.
STOPPING: Final = timedelta(seconds=40)
LOOK_AGAIN_SECONDS: Final = 15.0

_STUCK: Final = (
    "Have its finalizer removed, or delete it with --force once its containers are stopped; "
    "then set the annotation imagebuild.dev/requestedAt."
)
# What the kubelet shows while it goes on normally (kubernetes, pkg/kubelet/kubelet_pods.go).
_ORDINARY: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
_IMAGE: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})


def deadline(run: Run, start_timeout: float, now: datetime, pod: PodView | None = None) -> datetime:
    """When an attempt that has not started is given up."""
    return _idle_since(run, now, pod) + timedelta(seconds=start_timeout)


def _idle_since(run: Run, now: datetime, pod: PodView | None) -> datetime:
    """The attempt's record, or the end of its init container, whose time does not count; a node's clock may be fast."""
    recorded = parse_time(run.attempts[0].start_time if run.attempts else run.start_time) or now
    prepared = pod.prepare.finished if pod is not None and pod.prepare is not None else None
    return max(recorded, min(prepared or recorded, now))


def blocked(seen: Observation, run: Run, other: PodView, end: datetime, now: datetime) -> Decision | Failure:
    """A Pod of before is still there (a finalizer, a node that is away): never two at once, but not waited for ever."""
    what = f"Pod {other.name}, which is no longer wanted, does not go"
    if now >= end:
        return _given_up(f"{what}.", _STUCK)
    quiet, left = (_idle_since(run, now, None) + STOPPING - now).total_seconds(), (end - now).total_seconds()
    if quiet > 0:
        return Wait(min(quiet, left))
    return _told(seen, run, what, "a finalizer or its node holds it", min(left, LOOK_AGAIN_SECONDS), now)


def forbidden(seen: Observation, run: Run, refusal: Refusal, end: datetime, now: datetime) -> Decision | Failure | None:
    """A Pod refused for now (quota, Pod Security, policy): told, tried again, given up; None: try again now."""
    if now >= end:
        return _given_up(refusal.message, last_advice(REFUSALS, refusal.message))
    if now >= refusal.retry_at:
        return None
    wait = min((refusal.retry_at - now).total_seconds(), (end - now).total_seconds())
    return _told(seen, run, _REFUSED, refusal.message, wait, now)


def not_started(seen: Observation, run: Run, pod: PodView, end: datetime, now: datetime) -> Decision | Failure:
    """A Pod whose build container has not run: wait, say why, or give up at `end`."""
    idle = now - _idle_since(run, now, pod)
    left, quiet = (end - now).total_seconds(), (TOLD_AFTER - idle).total_seconds()
    # An image may take its time without a word; of volumes that cannot be mounted, Events tell within a second.
    silent = (MOUNTED_AFTER - idle).total_seconds() if pod.mounted is False else quiet
    kind, detail = _obstacle(pod)
    if kind in ("", _UNSCHEDULABLE) and silent > 0 and left > 0:
        return transitions.in_progress(seen.build, run, now, after=min(left, silent))
    # Once the volumes are there, what Events say of them is over, and all else is in the Pod's own status.
    if not kind and not pod.mounted:
        if seen.warnings is None:
            return FetchWarnings(pod.uid)
        early = quiet > 0 and left > 0 and not transitions.tells(seen.build, Reason.POD_NOT_STARTING)
        kind, detail = _warned(seen.warnings, pod, known=early)
    if left <= 0:
        told = f"{kind}: {detail}" if kind else ""
        return _given_up(told, last_advice(OBSTACLES, told))
    again = min(left, quiet if quiet > 0 else LOOK_AGAIN_SECONDS)
    if not kind:
        return transitions.in_progress(seen.build, run, now, after=again)
    return _told(seen, run, kind, detail, again, now)


_REFUSED: Final = "The API server refuses the Pod"
_WARNED: Final = "The Pod cannot start"
_UNSCHEDULABLE: Final = "No node can take the Pod"
_UNTOLD: Final = "Raise spec.startTimeout, as for an image that takes so long to be pulled."
# Whole for the name of any object; more is what somebody else wrote, and a condition has room for 1024 characters.
_HINT_BYTES: Final = MESSAGE_BYTES - MESSAGE_ROOM - len(". ")


def _obstacle(pod: PodView) -> tuple[str, str]:
    """What the Pod's own status says keeps it from starting; two empty texts when it says nothing."""
    for container in (pod.prepare, pod.build):
        if container is None or container.started or container.waiting_reason in _ORDINARY:
            continue
        detail = container.waiting_message or container.waiting_reason
        if container.waiting_reason in _IMAGE:
            return f"The image of container {container.name} cannot be pulled", detail
        return f"Container {container.name} cannot be created", detail
    return (_UNSCHEDULABLE, pod.unschedulable) if pod.unschedulable else ("", "")


def _warned(warnings: tuple[str, ...], pod: PodView, *, known: bool) -> tuple[str, str]:
    """What the newest of the Pod's Warning Events says; two empty texts when there is none.

    Args:
        warnings: the Events' messages, newest first.
        pod: that they are about.
        known: whether only what does not pass by itself counts, and people can do something about.
    """
    detail = with_object(warnings[0], pod.objects, pod.login_secrets) if warnings else ""
    return (_WARNED, detail) if detail and (not known or advice(OBSTACLES, detail)) else ("", "")


def _told(seen: Observation, run: Run, kind: str, detail: str, after: float, now: datetime) -> Decision:
    """One write and one Event for each obstacle, told by its kind and by what there is to do about it.

    The cluster's wording of the same one changes with every back-off, and gives way to the hint, in `Ready`, too.
    """
    refused = kind == _REFUSED
    reason, rows = (Reason.POD_FORBIDDEN, REFUSALS) if refused else (Reason.POD_NOT_STARTING, OBSTACLES)
    said, hint = shown(f"{kind}: {detail}"), clip(shown(advice(rows, f"{kind}: {detail}")), _HINT_BYTES)
    stands = {c.type: c.message for c in seen.build.status.conditions or () if c.reason == reason}
    told = stands.get(ConditionType.RECONCILING, "")
    # Without a hint for either, the same kind counts as the same obstacle; of a volume, the kubelet has several words.
    same = bool(hint) or kind == _WARNED or not advice(rows, told)
    known = same and told.startswith(kind) and told.endswith(hint)
    waits = InProgress(reason, advised(said, hint, MESSAGE_BYTES), advised(said, hint, SHORT_BYTES))
    if known and (detail in told or (hint and kind != _WARNED)):
        waits = InProgress(reason, told, stands.get(ConditionType.READY, ""))
    about = f"run {run.number} attempt {run.attempt}: {kind}: {hint}"
    events = () if known else (Announcement(reason, waits.message, about, warning=True),)
    return transitions.in_progress(seen.build, run, now, after=after, waits=waits, announcements=events)


def _given_up(detail: str, hint: str) -> Failure:
    message = "The Pod could not start within spec.startTimeout." + (f" {detail}" if detail else "")
    return failure(Reason.START_TIMEOUT, message, hint if detail else _UNTOLD)
