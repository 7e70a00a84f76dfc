"""From one status to the next while a run is open: each function makes the whole status that one step writes.

A status equal to the stored one is not written; the decision is then to wait. How a run ends is in `ending`.
"""

from datetime import datetime
from typing import Any

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import Failure, ImageBuildStatus, Memory, Run
from imagebuild_operator.core.bounds import within_bounds
from imagebuild_operator.core.causes.told import SPEC_INVALID
from imagebuild_operator.core.conditions import Held, InProgress, Stalled, State, derive, phase_of
from imagebuild_operator.core.decisions import Announcement, Decision, Wait, WriteStatus
from imagebuild_operator.core.history import result_of, with_past
from imagebuild_operator.core.memory import for_next_run
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.outcome import advised, clip, failure
from imagebuild_operator.core.times import parse_time

# The place in the queue is told at most so often.
PLACE_SECONDS = 60.0
RUN_DUE = Held("A run is due and held while spec.suspend is true.")


def tells(build: BuildView, reason: Reason) -> bool:
    """Whether a condition of the stored status has this reason."""
    return any(condition.reason == reason for condition in build.status.conditions or ())


def next_status(build: BuildView, state: State, now: datetime, **changes: Any) -> ImageBuildStatus:
    """The stored status with some members replaced, and everything that derives from the state.

    A cancel is looked at before anything that writes, so every write may say that it was handled.
    """
    update = {
        "last_handled_cancel": build.cancel or build.status.last_handled_cancel,
        **changes,
        "observed_generation": build.generation,
        "phase": phase_of(state),
        "conditions": derive(state, previous=build.status.conditions, generation=build.generation, now=now),
    }
    return within_bounds(build.status.model_copy(update=update))


def write(
    build: BuildView,
    status: ImageBuildStatus,
    *,
    after: float | None = None,
    announcements: tuple[Announcement, ...] = (),
) -> Decision:
    """Write the status, or wait when it stands there already."""
    return Wait(after) if status == build.status else WriteStatus(status, announcements)


def building(run: Run) -> InProgress:
    """The state of an attempt that goes on."""
    return InProgress(Reason.BUILDING, f"Run {run.number} builds in Pod {run.pod_name}.")


def attempt(
    build: BuildView,
    run: Run,
    now: datetime,
    *,
    left_behind: Run | None = None,
    new_run: bool = False,
) -> Decision:
    """The record of an attempt, before it is acted on; an Event tells of it once its Pod is there.

    Args:
        build: as it is.
        run: the record.
        now: the time.
        left_behind: the run that this one takes the place of while it is not finished.
        new_run: whether this is the first record of the run; the failure of the one before is over then.
    """
    status = next_status(build, building(run), now, **_recorded(build, run, left_behind, now, new_run=new_run))
    waited = (now - (parse_time(run.queued_time) or now)).total_seconds() if run.attempt == 1 else None
    return WriteStatus(status, (), result_of(left_behind, Reason.SUPERSEDED, now) if left_behind else None, waited)


def queued(
    build: BuildView, run: Run, why: str, now: datetime, *, left_behind: Run | None = None, new_run: bool = False
) -> Decision:
    """The record of a run that waits for its turn, and its place; written again when the place has changed."""
    state = InProgress(Reason.QUEUED, clip(f"Run {run.number} {why}.", 512))
    changes = _recorded(build, run, left_behind, now, new_run=new_run)
    status = next_status(build, state, now, **changes)
    if left_behind is not None:
        return WriteStatus(status, (), result_of(left_behind, Reason.SUPERSEDED, now))
    return write(build, status, after=PLACE_SECONDS)


def first_record(build: BuildView, run: Run, why: str, now: datetime, *, left_behind: Run | None = None) -> Decision:
    """The first record of a run: of its first attempt, or of what it waits for."""
    if run.pod_name is not None:
        return attempt(build, run, now, left_behind=left_behind, new_run=True)
    return queued(build, run, why, now, left_behind=left_behind, new_run=True)


def _recorded(build: BuildView, run: Run, left_behind: Run | None, now: datetime, *, new_run: bool) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "run": run,
        "last_handled_request": build.request or build.status.last_handled_request,
    }
    if new_run:
        changes |= {"failure": None, "memory": for_next_run(build.status.memory)}
    if left_behind is not None:
        changes["history"] = with_past(build.status, left_behind, Reason.SUPERSEDED, now)
    return changes


def retrying(build: BuildView, run: Run, failed: Failure, now: datetime, *, memory: Memory | None = None) -> Decision:
    """An attempt failed and another follows: the record of when, and of the raised memory limit if it has one."""
    known = memory or build.status.memory
    note = _next_attempt(run, failed, known)
    event = Announcement(failed.reason, note, f"run {run.number} attempt {run.attempt}", warning=True)
    return WriteStatus(next_status(build, _retrying(note), now, run=run, failure=failed, memory=known), (event,))


def _retrying(told: str) -> InProgress:
    return InProgress(Reason.RETRYING, clip(told, 512))


def explained(failed: Failure) -> str:
    """What happened, and what to do about it."""
    return advised(failed.message, failed.hint)


def _next_attempt(run: Run, failed: Failure | None, memory: Memory | None) -> str:
    given = f" with {memory.limit} of memory" if memory is not None and memory.limit else ""
    told = f"Attempt {run.attempt + 1} of run {run.number} starts at {run.next_attempt_time}{given}."
    if failed is None:
        return told
    # After this one the next has more memory, which is what the hint asks for.
    why = failed.message if failed.reason == Reason.OUT_OF_MEMORY else explained(failed)
    return f"{told} The last one failed: {why}"


def backing_off(build: BuildView, run: Run, after: float, now: datetime) -> Decision:
    """The next attempt is not due yet: the status follows the generation."""
    state = _retrying(_next_attempt(run, build.status.failure, build.status.memory))
    return write(build, next_status(build, state, now, run=run), after=after)


def in_progress(
    build: BuildView,
    run: Run,
    now: datetime,
    *,
    after: float | None,
    waits: InProgress | None = None,
    announcements: tuple[Announcement, ...] = (),
) -> Decision:
    """The attempt goes on: the status follows the generation and what keeps the Pod from going on."""
    state = waits or building(run)
    return write(build, next_status(build, state, now, run=run), after=after, announcements=announcements)


def suspended(build: BuildView, run: Run | None, now: datetime, *, stopped: bool = False) -> Decision:
    """Nothing starts, and what ran is stopped.

    Args:
        build: as it is.
        run: the open run, kept for when it goes on; the finished one before the run that is due; None before the first.
        now: the time.
        stopped: whether an attempt ends by this.
    """
    state = RUN_DUE
    if run is not None and run.completion_time is None:
        state = Held(f"Run {run.number} is held while spec.suspend is true.")
    status = next_status(build, state, now, run=run)
    if run is None or not stopped:
        return write(build, status)
    note = f"Run {run.number} was stopped: spec.suspend is true."
    return WriteStatus(status, (Announcement(Reason.SUSPENDED, note, f"run {run.number} attempt {run.attempt}"),))


def invalid_spec(build: BuildView, now: datetime) -> Decision:
    """The stored spec cannot be read: nothing starts until it is corrected."""
    return write(build, next_status(build, invalid(build), now))


def invalid(build: BuildView) -> Stalled:
    """The state of a build whose spec cannot be read."""
    failed = unreadable(build)
    return Stalled(Reason.INVALID_SPEC, failed.message, explained(failed))


def unreadable(build: BuildView) -> Failure:
    """What is wrong with a spec that was stored under another schema."""
    message = f"The stored spec does not fit this version of the operator: {build.spec_error}"
    return failure(SPEC_INVALID.reason, message, SPEC_INVALID.doc.hint)
