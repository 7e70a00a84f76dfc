"""What to do next for one build: `decide(observation, policy, now)`, total and pure.

    new ── record ──> queued ── slot ──> recorded ── POST ──> Pod ── ends ──> finished
                        │                   │                  │                 │
                        └── edit: rewritten └── edit before it starts: next attempt
                                            └── other inputs, or a request: next run, old Pod deleted first

Every step is recorded in the status before it is acted on, so that a crash between any two resumes from the record.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import Failure, ImageBuildSpec, Run
from imagebuild_operator.core import runs, starting, transitions
from imagebuild_operator.core.decisions import (
    AskSlot,
    CreatePod,
    Decision,
    DeletePod,
    FetchBuild,
    FetchLog,
    FetchPod,
    Wait,
)
from imagebuild_operator.core.durations import parse_duration
from imagebuild_operator.core.observe import BuildView, Observation
from imagebuild_operator.core.outcome import Outcome, failure, judge, log_container
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.times import parse_time
from imagebuild_operator.pod.manifest import build_pod
from imagebuild_operator.pod.settings import AttemptIdentity, BuildIdentity, PodSettings

FOREIGN_POD_SECONDS = 5.0
DEADLINE_GRACE_SECONDS = 30.0
NEVER_TAKEN = (400, 413, 422)
# What etcd says of an object beyond its limit comes as a 500 (etcd, server/etcdserver/errors/errors.go).
TOO_LARGE = "request is too large"
POD_HINT = "Correct the field the message names, mostly below spec.podTemplate or spec.resources."


@dataclass(frozen=True)
class Policy:
    """The operator's settings that decisions depend on. Times are seconds."""

    pod: PodSettings
    timeout: float = 3600.0
    start_timeout: float = 600.0

    def timeout_of(self, build: BuildView) -> float:
        """How long the build may take from its first Pod on."""
        asked = build.spec.timeout if build.spec else None
        return parse_duration(asked) if asked else self.timeout

    def start_timeout_of(self, build: BuildView) -> float:
        """How long an attempt may fail to start."""
        asked = build.spec.start_timeout if build.spec else None
        return parse_duration(asked) if asked else self.start_timeout


def decide(seen: Observation, policy: Policy, now: datetime) -> Decision:
    """The one next step. Deciding again on the result of a step leads on to the next, and ends in `Wait`."""
    build, run = seen.build, seen.build.status.run
    if build.deleting:
        return Wait()
    stray = _stray(seen)
    if stray is not None:
        return DeletePod(stray.name, stray.uid) if seen.fresh else FetchBuild()
    if run is None:
        return _start(seen, now, None)
    if run.completion_time is not None:
        return _finished(seen, run, now)
    if run.pod_name is None:
        return _queued(seen, run, now)
    return _attempt(seen, run, run.pod_name, policy, now)


def _stray(seen: Observation) -> PodView | None:
    """A live Pod of this build that is not the recorded one of an unfinished run."""
    run = seen.build.status.run
    wanted = run.pod_name if run is not None and run.completion_time is None else None
    for pod in seen.pods:
        if pod.live and not pod.deleting and pod.owner_uid == seen.build.uid and pod.name != wanted:
            return pod
    return None


def _start(seen: Observation, now: datetime, before: Run | None) -> Decision:
    """The next run: admitted, or recorded as waiting."""
    build = seen.build
    if build.spec is None:
        return transitions.invalid_spec(build, now)
    if seen.slot is None:
        return AskSlot()
    number = before.number + 1 if before else 1
    run = runs.record(build, number=number, attempt=1 if seen.slot else 0, now=now)
    return transitions.recorded(build, run, now)


def _queued(seen: Observation, run: Run, now: datetime) -> Decision:
    build = seen.build
    if build.spec is None:
        return transitions.invalid_spec(build, now)
    if seen.slot is None:
        return AskSlot()
    record = runs.record(build, number=run.number, attempt=1 if seen.slot else 0, now=now, before=run)
    return transitions.recorded(build, record, now)


def _finished(seen: Observation, run: Run, now: datetime) -> Decision:
    build = seen.build
    failed = build.status.failure is not None
    if runs.supersedes(build, run) or (failed and runs.spec_changed(build, run)):
        return _start(seen, now, run)
    if build.spec is None and build.generation != run.generation:
        return transitions.invalid_spec(build, now)
    return transitions.up_to_date(build, run, now)


def _attempt(seen: Observation, run: Run, pod_name: str, policy: Policy, now: datetime) -> Decision:
    """An attempt is recorded: see what became of its Pod."""
    pod = _pod_of_the_name(seen, run, pod_name)
    if pod is None:
        return _unposted(seen, run, pod_name, policy, now)
    if not _is_ours(seen, run, pod):
        return _foreign(seen, run, pod, starting.deadline(run, policy.start_timeout_of(seen.build), now), now)
    if pod.gone and pod.name not in seen.looked_up:
        return FetchPod(pod.name)
    if pod.terminal or pod.gone:
        return _ended(seen, run, pod, now)
    changed = _changed(seen, run, started=pod.started, now=now)
    if changed is not None:
        return changed
    return _running(seen, run, pod, policy, now)


def _pod_of_the_name(seen: Observation, run: Run, pod_name: str) -> PodView | None:
    """The Pod that exists under the recorded name, else the last copy of ours: another's that is gone tells nothing."""
    found = (pod for pod in seen.pods if pod.name == pod_name)
    return next((pod for pod in found if not pod.gone or _is_ours(seen, run, pod)), None)


def _is_ours(seen: Observation, run: Run, pod: PodView) -> bool:
    return pod.owner_uid == seen.build.uid and pod.run == run.number


def _foreign(seen: Observation, run: Run, pod: PodView, end: datetime, now: datetime) -> Decision:
    """Another's Pod has the name: waited for while it goes. No watch tells of it, so it is asked for."""
    if pod.deleting and now < end:
        return Wait(FOREIGN_POD_SECONDS) if pod.name in seen.looked_up else FetchPod(pod.name)
    message = f"Pod {pod.name} exists already and does not belong to run {run.number} of this ImageBuild."
    hint = "Delete or rename that Pod, then set the annotation imagebuild.dev/requestedAt."
    return _close(seen, run, failure(Reason.NAME_CONFLICT, message, hint), now)


def _ended(seen: Observation, run: Run, pod: PodView, now: datetime) -> Decision:
    container = log_container(pod)
    if container is not None and seen.log is None:
        return FetchLog(pod.name, container)
    return _close(seen, run, judge(pod, seen.log or ""), now)


def _close(seen: Observation, run: Run, outcome: Outcome, now: datetime) -> Decision:
    """Record a result; when another run is due anyway, in the same write as that run's record."""
    build = seen.build
    failed = isinstance(outcome, Failure)
    if build.spec is not None and (runs.supersedes(build, run) or (failed and runs.spec_changed(build, run))):
        if seen.slot is None:
            return AskSlot()
        following = runs.record(build, number=run.number + 1, attempt=1 if seen.slot else 0, now=now)
        return transitions.closed_and_followed(build, run, outcome, following, now)
    return transitions.closed(build, run, outcome, now)


def _changed(seen: Observation, run: Run, *, started: bool, now: datetime) -> Decision | None:
    """An edit or a request that this attempt does not answer, if there is one."""
    build = seen.build
    if build.spec is None:
        return None
    if runs.supersedes(build, run):
        if seen.slot is None:
            return AskSlot()
        following = runs.record(build, number=run.number + 1, attempt=1 if seen.slot else 0, now=now)
        return transitions.recorded(build, following, now)
    if not started and runs.spec_changed(build, run):
        replaced = runs.record(build, number=run.number, attempt=run.attempt + 1, now=now, before=run)
        return transitions.recorded(build, replaced, now, announce=False)
    return None


def _unposted(seen: Observation, run: Run, pod_name: str, policy: Policy, now: datetime) -> Decision:
    """The record names a Pod this process has never seen: ask for it, once no other Pod of the build is left."""
    build = seen.build
    if build.spec is None:
        return _close(seen, run, transitions.unreadable(build), now)
    refusal = seen.refusal if seen.refusal and seen.refusal.pod_name == pod_name else None
    if refusal is not None and refusal.status == 409 and pod_name not in seen.looked_up:
        return FetchPod(pod_name)
    changed = _changed(seen, run, started=False, now=now)
    if changed is not None:
        return changed
    if refusal is not None and (refusal.status in NEVER_TAKEN or TOO_LARGE in refusal.message):
        return _close(seen, run, failure(Reason.POD_REJECTED, refusal.message, POD_HINT), now)
    end = starting.deadline(run, policy.start_timeout_of(build), now)
    others = [pod for pod in seen.pods if pod.owner_uid == build.uid and (pod.live or pod.leaving)]
    waiting: Decision | Failure | None = None
    if others:
        waiting = starting.blocked(seen, run, others[0], end, now)
    elif refusal is not None:
        waiting = starting.forbidden(seen, run, refusal, end, now)
    if waiting is not None:
        return _close(seen, run, waiting, now) if isinstance(waiting, Failure) else waiting
    return _create(seen, run, pod_name, build.spec, policy, now)


def _create(
    seen: Observation, run: Run, pod_name: str, spec: ImageBuildSpec, policy: Policy, now: datetime
) -> Decision:
    """Ask for the Pod: the one write that no precondition guards, so never from a copy that may be stale."""
    if not seen.fresh:
        return FetchBuild()
    build = seen.build
    remaining = (_deadline(run, policy.timeout_of(build), now) - now).total_seconds()
    if remaining <= 0:
        message = "spec.timeout ended before the Pod could be created."
        return _close(seen, run, failure(Reason.TIMEOUT, message, "Raise spec.timeout."), now)
    try:
        manifest = build_pod(
            build=BuildIdentity(name=build.name, namespace=build.namespace, uid=build.uid),
            attempt=AttemptIdentity(run=run.number, attempt=run.attempt, pod_name=pod_name),
            spec=spec,
            settings=policy.pod,
            deadline_seconds=max(int(remaining), 1),
        )
    except (ValueError, ArithmeticError) as error:
        # A spec that no rule of the schema stopped must end its run all the same, not hold a slot for ever.
        return _close(seen, run, failure(Reason.POD_REJECTED, f"The spec makes no Pod: {error}", POD_HINT), now)
    return CreatePod(pod_name, manifest)


def _running(seen: Observation, run: Run, pod: PodView, policy: Policy, now: datetime) -> Decision:
    """The Pod exists and has not ended: watch its deadlines, and tell why it does not start."""
    build = seen.build
    end = _deadline(run, policy.timeout_of(build), now) + timedelta(seconds=DEADLINE_GRACE_SECONDS)
    if now >= end:
        container = pod.build if pod.build is not None and pod.build.started else pod.prepare
        if container is not None and container.started and seen.log is None:
            return FetchLog(pod.name, container.name)
        message = "The build did not end within spec.timeout, and its Pod was not stopped by its node."
        return _close(seen, run, failure(Reason.TIMEOUT, message, "Raise spec.timeout.", log=seen.log or ""), now)
    if not pod.building and not pod.deleting:
        start_end = starting.deadline(run, policy.start_timeout_of(build), now, pod)
        waiting = starting.not_started(seen, run, pod, start_end, now)
        return _close(seen, run, waiting, now) if isinstance(waiting, Failure) else waiting
    return transitions.in_progress(build, run, now, after=(end - now).total_seconds())


def _deadline(run: Run, timeout: float, now: datetime) -> datetime:
    return (parse_time(run.start_time) or now) + timedelta(seconds=timeout)
