"""A Pod that exists and has not ended: its deadlines, and why it does not go on."""

from datetime import datetime, timedelta
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import Failure, Run
from imagebuild_operator.core import attempt, ending, lingering, memory, runs, silence, starting, transitions
from imagebuild_operator.core.causes.cause import again
from imagebuild_operator.core.causes.told import NO_OUTPUT
from imagebuild_operator.core.conditions import InProgress
from imagebuild_operator.core.decisions import Decision, FetchLastOutput, FetchLog
from imagebuild_operator.core.executor_log import plain
from imagebuild_operator.core.instruction import NOWHERE
from imagebuild_operator.core.observe import Observation
from imagebuild_operator.core.outcome import clip, failure, place_of
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.times import format_time, parse_time

# The kubelet ends a Pod at its deadline; this long after it, the operator does.
DEADLINE_GRACE: Final = timedelta(seconds=30)


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
        late = _given_up(seen, run, pod, Reason.TIMEOUT, message, "Raise spec.timeout.")
        if isinstance(late, FetchLog):
            return late
        known = memory.confirmed(seen, pod, late, now)
        return silence.to_ask(seen, pod) or ending.close(known, run, silence.hinted(late, seen, pod, now), now)
    if pod.deletion_timestamp is not None:
        return _terminating(seen, run, pod, pod.deletion_timestamp, end, now)
    if not pod.building:
        start_end = starting.deadline(run, policy.start_timeout_of(build), now, pod)
        waiting = starting.not_started(seen, run, pod, start_end, now)
        if not isinstance(waiting, Failure):
            return waiting
        limit = memory.limit_of(build, run, policy)
        return ending.close(seen, run, waiting if limit is None else memory.told(waiting, limit), now)
    return _building(seen, run, pod, end, policy, now)


def _end(seen: Observation, run: Run, pod: PodView, policy: Policy, now: datetime) -> datetime:
    """When the operator steps in: the Pod keeps the time it was given, also when an edit gives the next run less."""
    started = parse_time(run.attempts[0].start_time) if run.attempts else None
    given = (started or now) + timedelta(seconds=pod.deadline_seconds)
    return max(policy.deadline(seen.build, run, now), given) + DEADLINE_GRACE


def _gated(seen: Observation, run: Run, pod: PodView, now: datetime) -> Decision:
    gates = clip(", ".join(pod.gates), 256)
    message = f"Pod {pod.name} waits until its scheduling gates are removed: {gates}."
    return transitions.in_progress(seen.build, run, now, after=None, waits=InProgress(Reason.SCHEDULING_GATED, message))


def _given_up(seen: Observation, run: Run, pod: PodView, reason: Reason, message: str, hint: str) -> Failure | FetchLog:
    """The end of an attempt whose Pod lives: its log is read before the Pod is deleted."""
    container = pod.build if pod.build is not None and pod.build.started else pod.prepare
    if container is not None and container.started and seen.log is None:
        return FetchLog(pod.name, container.name)
    log = plain(seen.log or "")
    building = container is not None and container is pod.build
    at = place_of(pod, log, attempt.built_from(seen, run)) if building else NOWHERE
    return failure(reason, message, hint, log=log, at=at)


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
    waits = InProgress(Reason.POD_TERMINATING, message)
    return transitions.in_progress(seen.build, run, now, after=(end - now).total_seconds(), waits=waits)


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
        told = NO_OUTPUT.explain()
        hint = told.hint + again(NO_OUTPUT, inline=attempt.inline(seen))
        silent = _given_up(seen, run, pod, NO_OUTPUT.reason, told.message, hint)
        return silent if isinstance(silent, FetchLog) else ending.failed(seen, run, silent, policy, now, pod=pod)
    return transitions.in_progress(build, run, now, after=(min(silent_until, end) - now).total_seconds())
