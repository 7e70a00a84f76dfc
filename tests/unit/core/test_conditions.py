"""Conditions and phase, as people, scripts and GitOps controllers read them."""

from datetime import timedelta

import pytest

from imagebuild_operator.api.names import Phase, Reason
from imagebuild_operator.core.conditions import InProgress, Pushed, Stalled, State, derive, phase_of
from tests.unit.core.kstatus import Verdict, kstatus
from tests.unit.core.world import START

STATES: list[tuple[State, Phase, Verdict]] = [
    (InProgress(Reason.QUEUED, "waits"), Phase.QUEUED, "InProgress"),
    (InProgress(Reason.BUILDING, "builds"), Phase.BUILDING, "InProgress"),
    (InProgress(Reason.POD_NOT_STARTING, "no secret"), Phase.PENDING, "InProgress"),
    (InProgress(Reason.POD_FORBIDDEN, "quota"), Phase.PENDING, "InProgress"),
    (Pushed("pushed"), Phase.SUCCEEDED, "Current"),
    (Stalled(Reason.BUILD_FAILED, "failed", "it broke"), Phase.FAILED, "Failed"),
    (Stalled(Reason.INVALID_SPEC, "unreadable", "spec.timeout"), Phase.FAILED, "Failed"),
]
TABLE = {
    "InProgress": {"Succeeded": "Unknown", "Ready": "Unknown", "Reconciling": "True"},
    "Current": {"Succeeded": "True", "Ready": "True"},
    "Failed": {"Succeeded": "False", "Ready": "False", "Stalled": "True"},
}


@pytest.mark.parametrize(("state", "phase", "verdict"), STATES)
def test_each_state_has_its_row(state: State, phase: Phase, verdict: Verdict) -> None:
    conditions = derive(state, previous=None, generation=4, now=START)
    assert {condition.type: condition.status for condition in conditions} == TABLE[verdict]
    assert phase_of(state) is phase
    assert {condition.observed_generation for condition in conditions} == {4}


@pytest.mark.parametrize(("state", "phase", "verdict"), STATES)
def test_kstatus_reads_each_state_as_it_is_meant(state: State, phase: Phase, verdict: Verdict) -> None:
    stored = [
        condition.model_dump(by_alias=True) for condition in derive(state, previous=None, generation=4, now=START)
    ]
    assert kstatus(4, {"observedGeneration": 4, "conditions": stored}) == verdict
    assert kstatus(5, {"observedGeneration": 4, "conditions": stored}) == "InProgress"
    assert phase.finished is (verdict != "InProgress")


def test_a_fresh_object_is_in_progress_to_kstatus() -> None:
    assert kstatus(1, {"observedGeneration": -1, "phase": "Pending"}) == "InProgress"


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    building = derive(InProgress(Reason.BUILDING, "builds"), previous=None, generation=1, now=START)
    later = START + timedelta(minutes=5)
    waiting = derive(InProgress(Reason.POD_NOT_STARTING, "no"), previous=building, generation=2, now=later)
    assert {condition.last_transition_time for condition in waiting} == {"2026-01-01T00:00:00Z"}
    pushed = derive(Pushed("pushed"), previous=waiting, generation=2, now=later)
    assert {condition.last_transition_time for condition in pushed} == {"2026-01-01T00:05:00Z"}


def test_only_stalled_tells_the_details() -> None:
    conditions = derive(Stalled(Reason.TIMEOUT, "short", "long"), previous=None, generation=1, now=START)
    assert {condition.type: condition.message for condition in conditions} == {
        "Succeeded": "short",
        "Ready": "short",
        "Stalled": "long",
    }
