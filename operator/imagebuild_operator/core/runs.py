"""When a run is due, and what its record says at each step of its life."""

from datetime import datetime, timedelta
from typing import Any, Final

from imagebuild_operator.api.names import AttemptReason, Reason, RunCause
from imagebuild_operator.api.v1alpha1 import Attempt, Run
from imagebuild_operator.core import groups, inputs
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.queueing import Slot
from imagebuild_operator.core.retry import Retry
from imagebuild_operator.core.times import format_micro_time, format_time, parse_time
from imagebuild_operator.pod.manifest import pod_name

ATTEMPTS_KEPT: Final = 8


def new_request(build: BuildView) -> bool:
    """Whether `imagebuild.dev/requestedAt` holds a value that was not acted on yet."""
    return bool(build.request) and build.request != build.status.last_handled_request


def new_cancel(build: BuildView) -> bool:
    """Whether `imagebuild.dev/cancelRequestedAt` holds a value that was not acted on yet."""
    return bool(build.cancel) and build.cancel != build.status.last_handled_cancel


def supersedes(build: BuildView, run: Run) -> bool:
    """Whether another run has to follow, whatever became of this one."""
    return inputs.inputs_changed(build, run) or new_request(build)


def due_after(build: BuildView, run: Run, *, succeeded: bool) -> bool:
    """Whether another run follows one that ended: after a failure or a cancel, any change of the build is enough."""
    return supersedes(build, run) or (not succeeded and inputs.spec_changed(build, run))


def succeeded(build: BuildView, run: Run) -> bool:
    """Whether a finished run pushed its image."""
    if run.reason is None:
        return build.status.failure is None
    return run.reason == Reason.SUCCEEDED


def _spec_of(build: BuildView) -> dict[str, Any]:
    """The members of a record that follow from the spec."""
    return {
        "generation": build.generation,
        "inputs_hash": inputs.inputs_hash(build.raw_spec),
        "spec_hash": inputs.spec_hash(build.raw_spec),
        "inputs": inputs.described(build.raw_spec),
    }


def recorded(build: BuildView, slot: Slot, now: datetime, before: Run | None = None) -> Run:
    """A new run, with its first attempt if it has a slot.

    Args:
        build: whose spec, generation and request the record takes over.
        slot: its place in the order, and whether it starts at once.
        now: the time.
        before: the run before it.
    """
    members = _spec_of(build)
    run = Run(
        number=before.number + 1 if before else 1,
        **members,
        requested_at=build.request if new_request(build) else None,
        cause=_cause(build, before),
        changed=inputs.changes(before.inputs, members["inputs"])[:16] or None if before else None,
        queued_time=_queued_time(slot, now),
        turn=slot.turn,
        attempt=0,
    )
    return started(build, run, now, slot.group) if slot.granted else run


def _queued_time(slot: Slot, now: datetime) -> str:
    """Now; after everybody of the group also where the clock went back."""
    newest = parse_time(slot.newest)
    return format_micro_time(now if newest is None else max(now, newest + timedelta(microseconds=1)))


def _cause(build: BuildView, before: Run | None) -> RunCause:
    if before is None:
        return RunCause.CREATED
    if inputs.inputs_changed(build, before):
        return RunCause.INPUTS_CHANGED
    return RunCause.REQUESTED if new_request(build) else RunCause.SPEC_CHANGED


def rewritten(build: BuildView, run: Run) -> Run:
    """The record of a run that has not started, brought up to the spec: same number, same place."""
    if build.generation == run.generation and not new_request(build):
        return run
    members = _spec_of(build)
    changed = inputs.changes(run.inputs, members["inputs"])
    told = list(dict.fromkeys([*(run.changed or []), *changed]))[:16]
    first = run.cause in (None, RunCause.CREATED)
    return run.model_copy(
        update={
            **members,
            "requested_at": build.request if new_request(build) else run.requested_at,
            "cause": run.cause if first or not changed else RunCause.INPUTS_CHANGED,
            "changed": None if first else told or None,
        }
    )


def started(build: BuildView, run: Run, now: datetime, group: str) -> Run:
    """The record with its next attempt, which starts now in the concurrency group that it has a slot in."""
    number = run.attempt + 1
    attempt = Attempt(number=number, start_time=format_time(now))
    return run.model_copy(
        update={
            "attempt": number,
            "attempts": [attempt, *(run.attempts or [])][:ATTEMPTS_KEPT],
            "pod_name": pod_name(build.name, build.uid, run.number, number),
            "concurrency_group": groups.to_record(build, group),
            "start_time": run.start_time or format_time(now),
            "next_attempt_time": None,
        }
    )


def replaced(build: BuildView, run: Run, now: datetime) -> Run:
    """The record with another attempt in the place of one that never started: the spec changed for it."""
    current = run.model_copy(update=_spec_of(build))
    return started(build, ended(current, AttemptReason.SPEC_CHANGED, now), now, groups.granted(build, run))


def ended(run: Run, reason: str, now: datetime) -> Run:
    """The record with its current attempt, if there is one, told as over."""
    if not run.attempts or run.pod_name is None or run.attempts[0].completion_time is not None:
        return run
    first, *others = run.attempts
    over = first.model_copy(update={"completion_time": format_time(now), "reason": str(reason)})
    return run.model_copy(update={"attempts": [over, *others]})


def waiting_for_retry(run: Run, reason: str, retry: Retry, now: datetime) -> Run:
    """The record of a run whose attempt failed and whose next one starts later: it holds no slot until then."""
    return ended(run, reason, now).model_copy(
        update={"pod_name": None, "next_attempt_time": format_time(retry.at), "retries": retry.counts}
    )


def held(run: Run, now: datetime) -> Run:
    """The record of a run that is suspended: its time starts anew when it goes on, as a Job's does."""
    return ended(run, Reason.SUSPENDED, now).model_copy(
        update={"pod_name": None, "concurrency_group": None, "next_attempt_time": None, "start_time": None}
    )


def released(run: Run, now: datetime) -> Run:
    """The record of a run whose Pod lost its last scheduling gate: the time until now does not count."""
    if not run.attempts:
        return run
    first, *others = run.attempts
    gated = now - (parse_time(first.start_time) or now)
    start = (parse_time(run.start_time) or now) + max(gated, timedelta())
    attempt = first.model_copy(update={"start_time": format_time(now)})
    return run.model_copy(update={"attempts": [attempt, *others], "start_time": format_time(start)})
