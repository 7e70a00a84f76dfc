"""What is kept of runs that have ended."""

from datetime import datetime
from typing import Final, Literal

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import ImageBuildStatus, PastRun, Run
from imagebuild_operator.core.decisions import Result
from imagebuild_operator.core.durations import format_duration
from imagebuild_operator.core.runs import ended
from imagebuild_operator.core.times import format_time, parse_time

RUNS_KEPT: Final = 5
_ON_PURPOSE: Final = (Reason.CANCELLED, Reason.SUPERSEDED)


def finished(run: Run, reason: str, now: datetime) -> Run:
    """The record of a run that ends now."""
    seconds = int(_seconds(run, now))
    return ended(run, reason, now).model_copy(
        update={
            "completion_time": format_time(now),
            "duration": format_duration(seconds) if run.start_time else None,
            "reason": str(reason),
            "next_attempt_time": None,
        }
    )


def with_past(
    status: ImageBuildStatus, run: Run, reason: str, now: datetime, *, digest: str | None = None
) -> list[PastRun]:
    """The history with a run that ends now in front."""
    past = PastRun(
        number=run.number,
        cause=run.cause,
        digest=digest,
        reason=str(reason),
        start_time=run.start_time,
        completion_time=format_time(now),
    )
    return [past, *(status.history or [])][:RUNS_KEPT]


def result_of(run: Run, reason: str, now: datetime) -> Result:
    """The same for the metrics."""
    outcome: Literal["succeeded", "failed", "cancelled"] = "failed"
    if reason == Reason.SUCCEEDED:
        outcome = "succeeded"
    elif reason in _ON_PURPOSE:
        outcome = "cancelled"
    return Result(outcome, str(reason), _seconds(run, now))


def _seconds(run: Run, now: datetime) -> float:
    started = parse_time(run.start_time) or now
    return max((now - started).total_seconds(), 0.0)
