"""The four conditions and the phase, derived from one state by one pure function."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from imagebuild_operator.api.names import ConditionType, Phase, Reason
from imagebuild_operator.api.v1alpha1 import Condition
from imagebuild_operator.core.times import format_time


@dataclass(frozen=True)
class InProgress:
    """A run is queued, starting or building."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Pushed:
    """The latest run pushed its image."""

    message: str


@dataclass(frozen=True)
class Stalled:
    """The latest run failed for good: only a change by the user goes on."""

    reason: Reason
    message: str
    detail: str


State = InProgress | Pushed | Stalled


def phase_of(state: State) -> Phase:
    """The word for people and field selectors."""
    match state:
        case Pushed():
            return Phase.SUCCEEDED
        case Stalled():
            return Phase.FAILED
        case InProgress(reason=Reason.QUEUED):
            return Phase.QUEUED
        case InProgress(reason=Reason.POD_NOT_STARTING | Reason.POD_FORBIDDEN):
            return Phase.PENDING
        case InProgress():
            return Phase.BUILDING
        case _:
            assert_never(state)


def derive(state: State, *, previous: Sequence[Condition] | None, generation: int, now: datetime) -> list[Condition]:
    """All conditions of a state.

    `Reconciling` and `Stalled` are present only while True and never both, which is what kstatus reads (cli-utils,
    pkg/kstatus/status/generic.go). A condition whose status stays keeps its lastTransitionTime.
    """
    match state:
        case InProgress(reason, message):
            rows = [
                (ConditionType.SUCCEEDED, "Unknown", reason, message),
                (ConditionType.READY, "Unknown", reason, message),
                (ConditionType.RECONCILING, "True", reason, message),
            ]
        case Pushed(message):
            rows = [
                (ConditionType.SUCCEEDED, "True", Reason.SUCCEEDED, message),
                (ConditionType.READY, "True", Reason.SUCCEEDED, message),
            ]
        case Stalled(reason, message, detail):
            rows = [
                (ConditionType.SUCCEEDED, "False", reason, message),
                (ConditionType.READY, "False", reason, message),
                (ConditionType.STALLED, "True", reason, detail),
            ]
        case _:
            assert_never(state)
    before = {condition.type: condition for condition in previous or ()}
    return [
        Condition(
            type=kind.value,
            status=status,
            reason=reason.value,
            message=message,
            last_transition_time=_transition(before.get(kind.value), status, now),
            observed_generation=generation,
        )
        for kind, status, reason, message in rows
    ]


def _transition(before: Condition | None, status: str, now: datetime) -> str:
    return before.last_transition_time if before is not None and before.status == status else format_time(now)
