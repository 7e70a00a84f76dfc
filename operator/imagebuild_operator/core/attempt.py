"""A recorded attempt and its Pod: whose it is, what became of it, and when it has had its time."""

from datetime import datetime, timedelta
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import Failure, Run
from imagebuild_operator.core import ending, inputs, lingering, runs, starting, transitions
from imagebuild_operator.core.decisions import (
    Decision,
    FetchLastOutput,
    FetchLog,
    FetchPod,
    Wait,
)
from imagebuild_operator.core.executor_log import plain
from imagebuild_operator.core.instruction import NOWHERE
from imagebuild_operator.core.observe import Observation
from imagebuild_operator.core.outcome import (
    Success,
    clip,
    digest_of,
    failure,
    judge,
    log_container,
    place_of,
    warnings_of,
)
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.times import format_time, parse_time
from imagebuild_operator.core.waiting import start
from imagebuild_operator.pod.source_files import dockerfile_of

FOREIGN_POD_SECONDS: Final = 5.0
# The kubelet ends a Pod at its deadline; this long after it, the operator does.
DEADLINE_GRACE: Final = timedelta(seconds=30)


def pod_of(seen: Observation, run: Run) -> PodView | None:
    """The copy that tells what became of the recorded Pod, if there is one.

    One of ours that has pushed, above all: another process may have asked for the Pod again when it was gone. Then the
    Pod that exists; then the last copy of ours. Another's that is gone tells nothing.
    """
    found = [pod for pod in seen.pods if pod.name == run.pod_name]
    ours = [pod for pod in found if is_ours(seen, run, pod)]
    pushed = [pod for pod in ours if pod.terminal and digest_of(pod)]
    existing = [pod for pod in found if not pod.gone]
    return next(iter([*pushed, *existing, *ours]), None)


def is_ours(seen: Observation, run: Run, pod: PodView) -> bool:
    """Whether the Pod belongs to this run of this build, and has not only its name."""
    return pod.owner_uid == seen.build.uid and pod.run == run.number


def over(seen: Observation, run: Run, pod: PodView, policy: Policy, now: datetime) -> Decision:
    """The Pod has ended, or seems to be gone."""
    if pod.gone and pod.name not in seen.looked_up:
        return FetchPod(pod.name)
    run = _counted(seen, run, now)
    container = log_container(pod)
    if container is not None and seen.log is None:
        return FetchLog(pod.name, container)
    outcome = judge(pod, seen.log or "", _dockerfile(seen, run))
    if isinstance(outcome, Success):
        decision = ending.close(seen, run, outcome, now)
    else:
        decision = ending.failed(seen, run, outcome, policy, now)
    return ending.with_warnings(decision, run, warnings_of(pod))


def _dockerfile(seen: Observation, run: Run) -> str | None:
    """The Dockerfile that the run is built from, where the spec holds it and is still the same."""
    return None if seen.build.spec is None or inputs.spec_changed(seen.build, run) else dockerfile_of(seen.build.spec)


def foreign(seen: Observation, run: Run, pod: PodView, policy: Policy, now: datetime) -> Decision:
    """Another's Pod has the name: waited for while it goes. No watch tells of it, so it is asked for."""
    end = starting.deadline(run, policy.start_timeout_of(seen.build), now)
    if pod.deleting and now < end:
        return Wait(FOREIGN_POD_SECONDS) if pod.name in seen.looked_up else FetchPod(pod.name)
    message = f"Pod {pod.name} exists already and does not belong to run {run.number} of this ImageBuild."
    hint = "Delete or rename that Pod, then set the annotation imagebuild.dev/requestedAt."
    return ending.close(seen, run, failure(Reason.NAME_CONFLICT, message, hint), now)


def changed(seen: Observation, run: Run, now: datetime, *, has_started: bool) -> Decision | None:
    """An edit or a request that this attempt does not answer, if there is one."""
    build = seen.build
    if build.spec is None:
        return None
    if runs.supersedes(build, run):
        return start(seen, now, run, left_behind=True)
    if not has_started and inputs.spec_changed(build, run):
        return transitions.attempt(build, runs.replaced(build, _counted(seen, run, now), now), now)
    return None


def running(seen: Observation, run: Run, pod: PodView, policy: Policy, now: datetime) -> Decision:
    """The Pod exists and has not ended: watch its deadlines, and tell why it does not go on."""
    build = seen.build
    if pod.gated:
        return _gated(seen, run, pod, now)
    if transitions.tells(seen.build, Reason.SCHEDULING_GATED):
        return transitions.in_progress(build, runs.released(run, now), now, after=None)
    end = _end(seen, run, pod, policy, now)
    if now >= end:
        message = "The build did not end within spec.timeout, and its Pod was not stopped by its node."
        return _give_up(seen, run, pod, Reason.TIMEOUT, message, "Raise spec.timeout.", now)
    if pod.deletion_timestamp is not None:
        return _terminating(seen, run, pod, pod.deletion_timestamp, end, now)
    if not pod.building:
        start_end = starting.deadline(run, policy.start_timeout_of(build), now, pod)
        waiting = starting.not_started(seen, run, pod, start_end, now)
        return ending.close(seen, run, waiting, now) if isinstance(waiting, Failure) else waiting
    return _building(seen, run, pod, end, policy, now)


def _end(seen: Observation, run: Run, pod: PodView, policy: Policy, now: datetime) -> datetime:
    """When the operator steps in: the Pod keeps the time it was given, also when an edit gives the next run less."""
    attempt = parse_time(run.attempts[0].start_time) if run.attempts else None
    given = (attempt or now) + timedelta(seconds=pod.deadline_seconds)
    return max(policy.deadline(seen.build, run, now), given) + DEADLINE_GRACE


def _counted(seen: Observation, run: Run, now: datetime) -> Run:
    """The record without the time that its Pod was gated, where that end is not noted yet."""
    return runs.released(run, now) if transitions.tells(seen.build, Reason.SCHEDULING_GATED) else run


def _gated(seen: Observation, run: Run, pod: PodView, now: datetime) -> Decision:
    gates = clip(", ".join(pod.gates), 256)
    message = f"Pod {pod.name} waits until its scheduling gates are removed: {gates}."
    return transitions.in_progress(seen.build, run, now, after=None, reason=Reason.SCHEDULING_GATED, message=message)


def _give_up(
    seen: Observation, run: Run, pod: PodView, reason: Reason, message: str, hint: str, now: datetime
) -> Decision:
    """End the run while its Pod lives: its log is read before the Pod is deleted."""
    container = pod.build if pod.build is not None and pod.build.started else pod.prepare
    if container is not None and container.started and seen.log is None:
        return FetchLog(pod.name, container.name)
    log = plain(seen.log or "")
    at = place_of(pod, log, _dockerfile(seen, run)) if container is not None and container is pod.build else NOWHERE
    return ending.close(seen, run, failure(reason, message, hint, log=log, at=at), now)


def _terminating(
    seen: Observation, run: Run, pod: PodView, gone_by: datetime, end: datetime, now: datetime
) -> Decision:
    """Somebody asked the Pod to go: it does, or its node is lost and people have to know."""
    stuck = gone_by + lingering.GRACE
    if now < stuck:
        return transitions.in_progress(seen.build, run, now, after=(min(stuck, end) - now).total_seconds())
    where = f" on node {pod.node}" if pod.node else ""
    message = (
        f"Pod {pod.name}{where} should have been gone at {format_time(gone_by)}. Bring the node back, or delete the "
        "Pod with --force once you know that its containers are stopped; the build then goes on."
    )
    after = (end - now).total_seconds()
    return transitions.in_progress(seen.build, run, now, after=after, reason=Reason.POD_TERMINATING, message=message)


def _building(seen: Observation, run: Run, pod: PodView, end: datetime, policy: Policy, now: datetime) -> Decision:
    """The build runs; one that may not be silent for too long is listened to."""
    build, limit = seen.build, policy.no_output_timeout_of(seen.build)
    since = pod.build.since if pod.build is not None and pod.build.running else None
    if limit is None or since is None:
        return transitions.in_progress(build, run, now, after=(end - now).total_seconds())
    silent_for = timedelta(seconds=limit)
    if now >= since + silent_for and seen.last_output is None:
        return FetchLastOutput(pod.name, pod.build.name if pod.build else "", since)
    silent_until = max(since, min(seen.last_output or since, now)) + silent_for
    if now >= silent_until:
        message = "The build logged nothing for spec.noOutputTimeout."
        hint = "Look at the last step in the log: what hangs there? Or raise spec.noOutputTimeout."
        return _give_up(seen, run, pod, Reason.NO_OUTPUT, message, hint, now)
    return transitions.in_progress(build, run, now, after=(min(silent_until, end) - now).total_seconds())
