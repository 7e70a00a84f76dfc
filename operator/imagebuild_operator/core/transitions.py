"""From one status to the next: each function makes the whole status that one step of a build writes.

A status equal to the stored one is not written; the decision is then to wait.
"""

from datetime import datetime
from typing import Any, assert_never

from imagebuild_operator.api.names import EventReason, Reason
from imagebuild_operator.api.v1alpha1 import Failure, ImageBuildStatus, Run
from imagebuild_operator.core.conditions import InProgress, Pushed, Stalled, State, derive, phase_of
from imagebuild_operator.core.decisions import Announcement, Decision, Result, Wait, WriteStatus
from imagebuild_operator.core.durations import format_duration
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.outcome import Outcome, Success, failure
from imagebuild_operator.core.times import format_time, parse_time


def observed(build: BuildView) -> bool:
    """Whether the status speaks of the current generation."""
    return build.status.observed_generation == build.generation


def _status(build: BuildView, state: State, now: datetime, **changes: Any) -> ImageBuildStatus:
    """The stored status with some members replaced, and everything that derives from the state."""
    return build.status.model_copy(
        update={
            **changes,
            "observed_generation": build.generation,
            "phase": phase_of(state),
            "conditions": derive(state, previous=build.status.conditions, generation=build.generation, now=now),
        }
    )


def _write(
    build: BuildView,
    status: ImageBuildStatus,
    *,
    after: float | None = None,
    announcements: tuple[Announcement, ...] = (),
    result: Result | None = None,
) -> Decision:
    return Wait(after) if status == build.status else WriteStatus(status, announcements, result)


def _state_of(run: Run) -> InProgress:
    if run.pod_name is None:
        return InProgress(Reason.QUEUED, f"Run {run.number} waits for one of the running builds to end.")
    return InProgress(Reason.BUILDING, f"Run {run.number} builds in Pod {run.pod_name}.")


def recorded(build: BuildView, run: Run, now: datetime, *, announce: bool = True) -> Decision:
    """The record of a run, or of its next attempt, before it is acted on.

    A queued run's record stays as it is while nothing changed for it.
    """
    old = build.status.run
    waiting = run.pod_name is None
    if waiting and old is not None and old.number == run.number and _same_record(old, run):
        run = old
    status = _status(
        build,
        _state_of(run),
        now,
        run=run,
        failure=None,
        last_handled_request=build.request or build.status.last_handled_request,
    )
    return _write(build, status, announcements=_start(run) if announce else ())


def _same_record(old: Run, new: Run) -> bool:
    return (old.inputs_hash, old.spec_hash, old.requested_at) == (new.inputs_hash, new.spec_hash, new.requested_at)


def in_progress(
    build: BuildView,
    run: Run,
    now: datetime,
    *,
    after: float | None,
    reason: Reason = Reason.BUILDING,
    message: str = "",
) -> Decision:
    """The attempt goes on: the status follows the generation and what keeps the Pod from starting."""
    state = InProgress(reason, message) if message else _state_of(run)
    return _write(build, _status(build, state, now), after=after)


def invalid_spec(build: BuildView, now: datetime) -> Decision:
    """The stored spec cannot be read: nothing starts until it is corrected."""
    failed = unreadable(build)
    state = Stalled(Reason.INVALID_SPEC, failed.message, f"{failed.message} {failed.hint}")
    return _write(build, _status(build, state, now))


def unreadable(build: BuildView) -> Failure:
    """What is wrong with a spec that was stored under another schema."""
    message = f"The stored spec does not fit this version of the operator: {build.spec_error}"
    return failure(Reason.INVALID_SPEC, message, "Apply a corrected manifest.")


def up_to_date(build: BuildView, run: Run, now: datetime) -> Decision:
    """A finished run still answers the spec: the status follows the generation."""
    status = build.status
    if status.failure is not None:
        state: State = _stalled(run, status.failure)
    else:
        state = Pushed(f"Pushed {status.image}.")
    current = run.model_copy(update={"generation": build.generation})
    return _write(build, _status(build, state, now, run=current))


def _stalled(run: Run, failed: Failure) -> Stalled:
    detail = f"{failed.message} {failed.hint}" if failed.hint else failed.message
    return Stalled(Reason(failed.reason), f"Run {run.number} failed.", detail)


def closed(build: BuildView, run: Run, outcome: Outcome, now: datetime) -> Decision:
    """The result of a run."""
    # A spec that cannot be read was not compared with the run's: it stays to be told of.
    generation = build.generation if build.spec is not None else run.generation
    ended = _ended(run, now).model_copy(update={"generation": generation})
    if isinstance(outcome, Success):
        changes = _pushed(outcome)
        status = _status(build, Pushed(f"Pushed {changes['image']}."), now, run=ended, **changes)
    else:
        status = _status(build, _stalled(run, outcome), now, run=ended, failure=outcome)
    return WriteStatus(status, (_announcement(run, outcome),), _result(run, outcome, now))


def closed_and_followed(build: BuildView, run: Run, outcome: Outcome, following: Run, now: datetime) -> Decision:
    """The result of a run that the spec has left behind, in one write with the record of the next.

    So nobody ever reads a success, or a stall, that belongs to an older spec.
    """
    changes = _pushed(outcome) if isinstance(outcome, Success) else {"failure": None}
    status = _status(
        build,
        _state_of(following),
        now,
        run=following,
        last_handled_request=build.request or build.status.last_handled_request,
        **changes,
    )
    told = (_announcement(run, outcome), *_start(following))
    return WriteStatus(status, told, _result(run, outcome, now))


def _ended(run: Run, now: datetime) -> Run:
    started = parse_time(run.start_time) or now
    duration = format_duration(max(int((now - started).total_seconds()), 0))
    return run.model_copy(update={"completion_time": format_time(now), "duration": duration})


def _pushed(success: Success) -> dict[str, Any]:
    """The four members that describe the latest successful run, and no failure."""
    images = list(success.images)
    return {
        "image": f"{_repository(images[0])}@{success.digest}" if images else success.digest,
        "digest": success.digest,
        "images": images or None,
        "source": success.source,
        "failure": None,
    }


def _repository(image: str) -> str:
    """The reference without its tag: a colon after the last slash starts a tag, one before it a port."""
    head, slash, last = image.rpartition("/")
    return head + slash + last.partition(":")[0]


def _start(run: Run) -> tuple[Announcement, ...]:
    """The Event of a run's first Pod; none while it waits."""
    if run.pod_name is None:
        return ()
    return (Announcement(EventReason.STARTED, f"Run {run.number} started in Pod {run.pod_name}.", run.number),)


def _announcement(run: Run, outcome: Outcome) -> Announcement:
    match outcome:
        case Success(digest, warning=""):
            return Announcement(Reason.SUCCEEDED, f"Run {run.number} pushed {digest}.", run.number)
        case Success(digest, warning=warning):
            note = f"Run {run.number} pushed {digest}. {warning}"
            return Announcement(EventReason.OUT_OF_MEMORY_SURVIVED, note, run.number, warning=True)
        case Failure():
            note = f"Run {run.number} failed: {outcome.message}"
            return Announcement(outcome.reason, note, run.number, warning=True)
        case _:
            assert_never(outcome)


def _result(run: Run, outcome: Outcome, now: datetime) -> Result:
    started = parse_time(run.start_time) or now
    succeeded = isinstance(outcome, Success)
    reason = Reason.SUCCEEDED if isinstance(outcome, Success) else outcome.reason
    return Result(succeeded, reason, max((now - started).total_seconds(), 0.0))
