"""How a run ends: its result in the status, and another try or another run where one is due."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, assert_never

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import Failure, Run
from imagebuild_operator.core import announcements, inputs, memory, retry, runs, transitions
from imagebuild_operator.core.conditions import SHORT_BYTES, Pushed, Stalled, State
from imagebuild_operator.core.decisions import AskSlot, Decision, Wait, WriteStatus
from imagebuild_operator.core.history import finished, result_of, with_past
from imagebuild_operator.core.observe import BuildView, Observation
from imagebuild_operator.core.outcome import Outcome, Stopped, Success, advised
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.pod.references import without_tag


def failed(seen: Observation, run: Run, failure: Failure, policy: Policy, now: datetime, *, pod: PodView) -> Decision:
    """An attempt failed: another follows where its class and the time left allow it, else the run ends."""
    seen = memory.confirmed(seen, pod, failure, now)
    build = seen.build
    stays = build.spec is not None and not runs.new_cancel(build) and not _follows(build, run, failure)
    if stays:
        more = memory.raised(build, run, pod, failure, policy)
        again = retry.following(
            run,
            Reason(failure.reason),
            limit=policy.retry_limit_of(build),
            raises=policy.memory_raises if more is not None else 0,
            seed=f"{build.uid}/{run.number}/{run.attempt}",
            now=now,
        )
        if again is not None and again.at < policy.deadline(build, run, now):
            later = runs.waiting_for_retry(run, failure.reason, again, now)
            return transitions.retrying(build, later, failure, now, memory=more)
    return close(seen, run, failure, now)


def close(seen: Observation, run: Run, outcome: Outcome, now: datetime) -> Decision:
    """Record a result; when another run is due anyway, in the same write as that run's record.

    So nobody ever reads a success, or a stall, that belongs to an older spec.
    """
    build = seen.build
    if not _follows(build, run, outcome):
        return _closed(build, run, outcome, now)
    if seen.slot is None:
        return AskSlot()
    following = runs.recorded(build, seen.slot, now, before=run)
    return _closed_and_followed(build, run, outcome, following, seen.slot.why, now)


def _follows(build: BuildView, run: Run, outcome: Outcome) -> bool:
    """Whether the next run can follow at once."""
    return build.spec is not None and not build.spec.suspend and _due(build, run, outcome)


def _due(build: BuildView, run: Run, outcome: Outcome) -> bool:
    """Whether another run has to follow. Who stops a build does not want it again for an edit of before."""
    tries_again = isinstance(outcome, Failure) and not runs.new_cancel(build)
    return runs.due_after(build, run, succeeded=not tries_again)


def _closed(build: BuildView, run: Run, outcome: Outcome, now: datetime) -> Decision:
    reason = _reason(outcome)
    unanswered = _unanswered(build, run, outcome)
    generation = build.generation if unanswered is None else run.generation
    over = finished(run, reason, now).model_copy(update={"generation": generation})
    if unanswered is None and build.spec is not None and not isinstance(outcome, Success):
        over = over.model_copy(update={"spec_hash": inputs.spec_hash(build.raw_spec)})
    changes = _changes(build, run, outcome, now)
    state = unanswered or _state(over, outcome, changes)
    status = transitions.next_status(build, state, now, run=over, **changes)
    told = (announcements.result(run, outcome), *announcements.ttl_ignored(build, run))
    return WriteStatus(status, told, result_of(run, reason, now))


def _unanswered(build: BuildView, run: Run, outcome: Outcome) -> State | None:
    """What is shown in the place of a result that belongs to an older spec, while no run of the newer one may follow.

    The run's generation stays then, so that the spec is compared again.
    """
    if build.spec is None:
        return transitions.invalid(build) if build.generation != run.generation else None
    return transitions.RUN_DUE if _due(build, run, outcome) else None


def _closed_and_followed(
    build: BuildView, run: Run, outcome: Outcome, following: Run, why: str, now: datetime
) -> Decision:
    recorded = transitions.first_record(build, following, why, now)
    assert isinstance(recorded, WriteStatus), "a run that was not there before is always written"  # noqa: S101
    changes = {**_changes(build, run, outcome, now), "failure": None}
    status = recorded.status.model_copy(update=changes)
    told = (announcements.result(run, outcome), *recorded.announcements)
    return WriteStatus(status, told, result_of(run, _reason(outcome), now), recorded.waited)


def _reason(outcome: Outcome) -> Reason:
    match outcome:
        case Success():
            return Reason.SUCCEEDED
        case Failure() | Stopped():
            return _known(outcome.reason)
        case _:
            assert_never(outcome)


def _changes(build: BuildView, run: Run, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """What the result changes in the status, beside the record of the run."""
    status, reason = build.status, _reason(outcome)
    match outcome:
        case Success():
            images = list(outcome.images)
            reference = f"{without_tag(images[0])}@{outcome.digest}" if images else outcome.digest
            return {
                "image": reference if outcome.pushed else None,
                "digest": outcome.digest,
                "images": images or None,
                "source": outcome.source,
                "memory": outcome.memory,
                "failure": None,
                "history": with_past(status, run, reason, now, digest=outcome.digest),
            }
        case Failure():
            return {"failure": outcome, "history": with_past(status, run, reason, now)}
        case Stopped():
            return {"history": with_past(status, run, reason, now)}
        case _:
            assert_never(outcome)


def _state(run: Run, outcome: Outcome, changes: dict[str, Any]) -> State:
    match outcome:
        case Success():
            return _built(changes["image"], outcome.digest, outcome.warning)
        case Failure():
            return _stalled(run, outcome)
        case Stopped():
            return Stalled(outcome.reason, outcome.message, outcome.message)
        case _:
            assert_never(outcome)


def _built(image: str | None, digest: str | None, warning: str = "") -> Pushed:
    told = f"Built {digest}. Nothing was pushed: spec.output.push was false."
    if image is not None:
        told = f"Pushed {image}."
    return Pushed(f"{told} {warning}".strip())


def _stalled(run: Run, failure: Failure) -> Stalled:
    """`Ready` too has what there is to do, since that is the one condition that many tools show."""
    begin = f"Run {run.number} failed: "
    short = begin + advised(failure.message, failure.hint, SHORT_BYTES - len(begin))
    return Stalled(_known(failure.reason), f"Run {run.number} failed.", transitions.explained(failure), short)


def _known(reason: str) -> Reason:
    """The reason that stands in a status; one that a newer operator wrote reads as the most general."""
    return Reason(reason) if reason in set(Reason) else Reason.BUILD_FAILED


def up_to_date(build: BuildView, run: Run, now: datetime) -> Decision:
    """A finished run still answers the spec: the status follows the generation, and an Event says so."""
    current = run.model_copy(update={"generation": build.generation})
    status = transitions.next_status(build, _state_again(build, run), now, run=current)
    if status == build.status:
        return Wait()
    if run.generation == build.generation:
        return WriteStatus(status)
    return WriteStatus(status, (*announcements.up_to_date(build, run), *announcements.ttl_ignored(build, run)))


def _state_again(build: BuildView, run: Run) -> State:
    """The state that a finished run left, as its own write told it where that can be read off."""
    status = build.status
    if runs.succeeded(build, run):
        built = _built(status.image, status.digest)
        return next(
            (Pushed(told) for told in _messages(build, Reason.SUCCEEDED) if told.startswith(built.message)), built
        )
    reason = _known(run.reason or (status.failure.reason if status.failure else ""))
    if reason not in (Reason.CANCELLED, Reason.SUPERSEDED) and status.failure is not None:
        return _stalled(run, status.failure)
    told = next(_messages(build, reason), f"Run {run.number} was stopped.")
    return Stalled(reason, told, told)


def _messages(build: BuildView, reason: Reason) -> Iterator[str]:
    """What the stored conditions with this reason say."""
    return (condition.message for condition in build.status.conditions or () if condition.reason == reason)
