"""What to do next for one build: `decide(observation, policy, now)`, total and pure.

    new ── record ──> queued ── slot ──> recorded ── POST ──> Pod ── ends ──> finished
                        │  ^                │                  │      │
                        │  └── back-off <───┼──────────────────┼── attempt failed, another may follow
                        └── edit: rewritten └── edit before it starts: next attempt
                                            └── other inputs, or a request: next run, old Pod deleted first

Every step is recorded in the status before it is acted on, so that a crash between any two resumes from the record.
"""

from datetime import datetime, timedelta

from imagebuild_operator.api.v1alpha1 import Run
from imagebuild_operator.core import attempt, ending, lingering, posting, running, runs, transitions
from imagebuild_operator.core.decisions import (
    Decision,
    DeleteBuild,
    DeletePod,
    FetchBuild,
    FetchPod,
    Wait,
    WriteStatus,
)
from imagebuild_operator.core.observe import Observation
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.times import parse_time
from imagebuild_operator.core.waiting import start, stopped_while_open, waiting


def decide(seen: Observation, policy: Policy, now: datetime) -> Decision:
    """The one next step. Deciding again on the result of a step leads on to the next, and ends in `Wait`."""
    decision = _decide(seen, policy, now)
    return lingering.told(seen, decision, now) if isinstance(decision, Wait) else decision


def _decide(seen: Observation, policy: Policy, now: datetime) -> Decision:
    build, run = seen.build, seen.build.status.run
    if build.deleting:
        return Wait()
    stray = _stray(seen)
    if stray is not None:
        return DeletePod(stray.name, stray.uid) if seen.fresh else FetchBuild()
    if run is None:
        return _first(seen, now)
    if run.completion_time is not None:
        return _finished(seen, run, now)
    return _open(seen, run, policy, now)


def _stray(seen: Observation) -> PodView | None:
    """A live Pod of this build that is not the recorded one of an unfinished run."""
    run = seen.build.status.run
    wanted = run.pod_name if run is not None and run.completion_time is None else None
    for pod in seen.pods:
        if pod.live and not pod.deleting and pod.owner_uid == seen.build.uid and pod.name != wanted:
            return pod
    return None


def _first(seen: Observation, now: datetime) -> Decision:
    build = seen.build
    if build.spec is None:
        return transitions.invalid_spec(build, now)
    return transitions.suspended(build, None, now) if build.spec.suspend else start(seen, now, None)


def _finished(seen: Observation, run: Run, now: datetime) -> Decision:
    build = seen.build
    if runs.due_after(build, run, succeeded=runs.succeeded(build, run)):
        if build.spec is None:
            return transitions.invalid_spec(build, now)
        return transitions.suspended(build, run, now) if build.spec.suspend else start(seen, now, run)
    if build.spec is None and build.generation != run.generation:
        return transitions.invalid_spec(build, now)
    decision = ending.up_to_date(build, run, now)
    return _outlived(seen, run, now) if isinstance(decision, Wait) else decision


def _outlived(seen: Observation, run: Run, now: datetime) -> Decision:
    """A finished build stays for good, or for spec.ttlSecondsAfterFinished."""
    build, ended = seen.build, parse_time(run.completion_time)
    ttl = build.spec.ttl_seconds_after_finished if build.spec else None
    if ttl is None or ended is None or build.tracked_by:
        return Wait()
    left = (ended + timedelta(seconds=ttl) - now).total_seconds()
    if left > 0:
        return Wait(left)
    return DeleteBuild() if seen.fresh else FetchBuild()


def _open(seen: Observation, run: Run, policy: Policy, now: datetime) -> Decision:
    """A run that is not finished. A result once seen is recorded, whatever else is due."""
    pod = attempt.pod_of(seen, run) if run.pod_name is not None else None
    decision = _next(seen, run, pod, policy, now)
    unseen = run.pod_name if pod is None else None
    if unseen is not None and unseen not in seen.looked_up and _leaves(decision, unseen):
        # Its POST may have been stored though no answer came: another Pod next to it would be one too many.
        return FetchPod(unseen)
    return decision


def _leaves(decision: Decision, pod_name: str) -> bool:
    """Whether the Pod is not the recorded one of an unfinished run any more after this."""
    if not isinstance(decision, WriteStatus) or decision.status.run is None:
        return False
    return decision.status.run.pod_name != pod_name or decision.status.run.completion_time is not None


def _next(seen: Observation, run: Run, pod: PodView | None, policy: Policy, now: datetime) -> Decision:
    ours = pod is not None and attempt.is_ours(seen, run, pod)
    if pod is not None and ours and (pod.terminal or pod.gone):
        return attempt.over(seen, run, pod, policy, now)
    stopped = stopped_while_open(seen, run, now)
    if stopped is not None:
        return stopped
    if run.pod_name is None:
        return waiting(seen, run, policy, now)
    if pod is None:
        return posting.ask(seen, run, policy, now)
    if not ours:
        return attempt.foreign(seen, run, pod, policy, now)
    changed = attempt.changed(seen, run, now, has_started=pod.started)
    return changed or running.running(seen, run, pod, policy, now)
