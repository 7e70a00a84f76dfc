"""A run without a Pod: it waits for its turn, for its next attempt, or for the end of a suspension."""

from datetime import datetime, timedelta

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import Failure, ImageBuildSpec, Run
from imagebuild_operator.core import ending, inputs, runs, transitions
from imagebuild_operator.core.decisions import AskSlot, Decision
from imagebuild_operator.core.observe import Observation
from imagebuild_operator.core.outcome import Stopped, failure
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.times import parse_time
from imagebuild_operator.pod.support import objection


def start(seen: Observation, now: datetime, before: Run | None, *, left_behind: bool = False) -> Decision:
    """The next run: admitted, or recorded as waiting.

    Args:
        seen: what the decision is made from; its spec can be read.
        now: the time.
        before: the run before it.
        left_behind: whether that run is not finished: it ends by this.
    """
    if seen.slot is None:
        return AskSlot()
    following = runs.recorded(seen.build, seen.slot, now, before=before)
    unfinished = before if left_behind else None
    return transitions.first_record(seen.build, following, seen.slot.why, now, left_behind=unfinished)


def waiting(seen: Observation, run: Run, policy: Policy, now: datetime) -> Decision:
    """What becomes of a run without a Pod: wait on, or start its next attempt when its turn has come."""
    build = seen.build
    if build.spec is None:
        return transitions.invalid_spec(build, now)
    if run.attempt > 0 and runs.supersedes(build, run):
        return start(seen, now, run, left_behind=True)
    refused = refused_by(build.spec, policy)
    if refused is not None:
        # Nobody waits for a turn only to be told.
        return ending.close(seen, runs.rewritten(build, run), refused, now)
    if run.start_time is not None and now >= policy.deadline(build, run, now):
        message = "spec.timeout ended before the next attempt could start."
        known = build.status.failure or failure(Reason.TIMEOUT, message, "Raise spec.timeout.")
        return ending.close(seen, run, known, now)
    due = parse_time(run.next_attempt_time)
    if due is not None and now < due and not inputs.spec_changed(build, run):
        # An edit that matters is a reason to try at once; any other is only noted.
        end = policy.deadline(build, run, now)
        seconds = (min(due, end) - now + timedelta(milliseconds=1)).total_seconds()
        return transitions.backing_off(build, _noted(seen, run), seconds, now)
    return _in_line(seen, run, now)


def refused_by(spec: ImageBuildSpec, policy: Policy) -> Failure | None:
    """Why there will be no Pod for a spec, whatever the cluster says, if that is so."""
    found = objection(spec, policy.pod)
    return None if found is None else failure(found.reason, found.message, found.hint)


def _noted(seen: Observation, run: Run) -> Run:
    return run.model_copy(update={"generation": seen.build.generation})


def _in_line(seen: Observation, run: Run, now: datetime) -> Decision:
    """Its turn, or its place."""
    build = seen.build
    if seen.slot is None:
        return AskSlot()
    answer = {"turn": seen.slot.turn, "concurrency_group": None, "next_attempt_time": None}
    current = runs.rewritten(build, run).model_copy(update=answer)
    if seen.slot.granted:
        return transitions.attempt(build, runs.started(build, current, now, seen.slot.group), now)
    return transitions.queued(build, current, seen.slot.why, now)


def stopped_while_open(seen: Observation, run: Run, now: datetime) -> Decision | None:
    """What ends or holds an open run before its time, if anything does: a cancel, a newer build, a suspension."""
    build = seen.build
    if runs.new_cancel(build):
        message = f"Run {run.number} was cancelled by imagebuild.dev/cancelRequestedAt."
        return ending.close(seen, run, Stopped(Reason.CANCELLED, message), now)
    if seen.superseded_by:
        message = (
            f"ImageBuild {seen.superseded_by}, newer in the same concurrency group, took the place of run {run.number}."
        )
        return ending.close(seen, run, Stopped(Reason.SUPERSEDED, message), now)
    if build.spec is not None and build.spec.suspend:
        held = runs.held(run, now)
        return transitions.suspended(build, held, now, stopped=run.pod_name is not None)
    return None
