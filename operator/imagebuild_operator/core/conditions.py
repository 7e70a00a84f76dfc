"""The four conditions and the phase, derived from one state by one pure function."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

from imagebuild_operator.api.names import ConditionType, Phase, Reason
from imagebuild_operator.api.v1alpha1 import Condition
from imagebuild_operator.core.outcome import clip
from imagebuild_operator.core.times import format_time


@dataclass(frozen=True)
class InProgress:
    """A run is queued, starting or building.

    `ready` is what `Ready` says of it, the one condition that many tools show; empty for the message.
    """

    reason: Reason
    message: str
    ready: str = ""


@dataclass(frozen=True)
class Pushed:
    """The latest run pushed its image."""

    message: str


@dataclass(frozen=True)
class Stalled:
    """The latest run failed for good or was cancelled: only a change by the user goes on.

    `ready` is what `Ready` says of it, the one condition that many tools show; empty for the message.
    """

    reason: Reason
    message: str
    detail: str
    ready: str = ""


@dataclass(frozen=True)
class Held:
    """The build is suspended, and a run is due or was stopped."""

    message: str


State = InProgress | Pushed | Stalled | Held

# Type, status, reason, message.
_Row = tuple[ConditionType, str, Reason, str]

# A long message stands in full in one condition only.
SHORT_BYTES: Final = 256
_PENDING: Final = (Reason.POD_NOT_STARTING, Reason.POD_FORBIDDEN, Reason.RETRYING)


def phase_of(state: State) -> Phase:
    """The word for people and field selectors."""
    match state:
        case Pushed():
            return Phase.SUCCEEDED
        case Stalled(reason=Reason.CANCELLED | Reason.SUPERSEDED):
            return Phase.CANCELLED
        case Stalled():
            return Phase.FAILED
        case Held():
            return Phase.SUSPENDED
        case InProgress(reason=Reason.QUEUED | Reason.SCHEDULING_GATED):
            return Phase.QUEUED
        case InProgress(reason=reason):
            return Phase.PENDING if reason in _PENDING else Phase.BUILDING
        case _:
            assert_never(state)


def derive(state: State, *, previous: Sequence[Condition] | None, generation: int, now: datetime) -> list[Condition]:
    """All conditions of a state.

    `Reconciling` and `Stalled` are present only while True and never both, which is what kstatus reads (cli-utils,
    pkg/kstatus/status/generic.go). A condition whose status stays keeps its lastTransitionTime.
    """
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
        for kind, status, reason, message in _rows(state)
    ]


def _rows(state: State) -> list[_Row]:
    match state:
        case InProgress(reason, message, ready):
            going_on = (ConditionType.RECONCILING, "True", reason, message)
            short = clip(ready or message, SHORT_BYTES)
            return [*_verdict("Unknown", reason, clip(message, SHORT_BYTES), short), going_on]
        case Pushed(message):
            return _verdict("True", Reason.SUCCEEDED, message)
        case Stalled(reason, message, detail, ready):
            stuck = (ConditionType.STALLED, "True", reason, detail)
            short = clip(ready or message, SHORT_BYTES)
            return [*_verdict("False", reason, clip(message, SHORT_BYTES), short), stuck]
        case Held(message):
            return _verdict("Unknown", Reason.SUSPENDED, message)
        case _:
            assert_never(state)


def _verdict(status: str, reason: Reason, message: str, ready: str = "") -> list[_Row]:
    """One result under two names: GitOps tools ask for `Ready`, which may have a message of its own."""
    return [
        (ConditionType.SUCCEEDED, status, reason, message),
        (ConditionType.READY, status, reason, ready or message),
    ]


def _transition(before: Condition | None, status: str, now: datetime) -> str:
    return before.last_transition_time if before is not None and before.status == status else format_time(now)
