"""Conditions and phase, as people, scripts and GitOps controllers read them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from imagebuild_operator.api.names import Phase, Reason
from imagebuild_operator.core.conditions import Held, InProgress, Pushed, Stalled, State, derive, phase_of
from tests.unit.core.kstatus import Verdict, kstatus
from tests.unit.core.world import START, World

STATES: list[tuple[State, Phase, Verdict]] = [
    (InProgress(Reason.QUEUED, "waits"), Phase.QUEUED, "InProgress"),
    (InProgress(Reason.BUILDING, "builds"), Phase.BUILDING, "InProgress"),
    (InProgress(Reason.POD_NOT_STARTING, "no secret"), Phase.PENDING, "InProgress"),
    (InProgress(Reason.POD_FORBIDDEN, "quota"), Phase.PENDING, "InProgress"),
    (InProgress(Reason.POD_TERMINATING, "does not go"), Phase.BUILDING, "InProgress"),
    (InProgress(Reason.SCHEDULING_GATED, "gated"), Phase.QUEUED, "InProgress"),
    (InProgress(Reason.RETRYING, "later"), Phase.PENDING, "InProgress"),
    (Pushed("pushed"), Phase.SUCCEEDED, "Current"),
    (Stalled(Reason.BUILD_FAILED, "failed", "it broke"), Phase.FAILED, "Failed"),
    (Stalled(Reason.INVALID_SPEC, "unreadable", "spec.timeout"), Phase.FAILED, "Failed"),
    (Stalled(Reason.CANCELLED, "cancelled", "cancelled"), Phase.CANCELLED, "Failed"),
    (Stalled(Reason.SUPERSEDED, "superseded", "superseded"), Phase.CANCELLED, "Failed"),
    (Held("suspended"), Phase.SUSPENDED, "InProgress"),
]
TABLE = {
    "InProgress": {"Succeeded": "Unknown", "Ready": "Unknown", "Reconciling": "True"},
    "Current": {"Succeeded": "True", "Ready": "True"},
    "Failed": {"Succeeded": "False", "Ready": "False", "Stalled": "True"},
}


HELD = {"Succeeded": "Unknown", "Ready": "Unknown"}


@pytest.mark.parametrize(("state", "phase", "verdict"), STATES)
def test_each_state_has_its_row(state: State, phase: Phase, verdict: Verdict) -> None:
    conditions = derive(state, previous=None, generation=4, now=START)
    assert {condition.type: condition.status for condition in conditions} == (
        HELD if isinstance(state, Held) else TABLE[verdict]
    )
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
    assert phase.at_rest is (phase.finished or isinstance(state, Held))


def test_a_fresh_object_is_in_progress_to_kstatus() -> None:
    assert kstatus(1, {"observedGeneration": -1, "phase": "Pending"}) == "InProgress"


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    building = derive(InProgress(Reason.BUILDING, "builds"), previous=None, generation=1, now=START)
    later = START + timedelta(minutes=5)
    waiting = derive(InProgress(Reason.POD_NOT_STARTING, "no"), previous=building, generation=2, now=later)
    assert {condition.last_transition_time for condition in waiting} == {"2026-01-01T00:00:00Z"}
    pushed = derive(Pushed("pushed"), previous=waiting, generation=2, now=later)
    assert {condition.last_transition_time for condition in pushed} == {"2026-01-01T00:05:00Z"}


@pytest.mark.parametrize(
    ("state", "whole"),
    [
        (InProgress(Reason.POD_NOT_STARTING, "m" * 512), "Reconciling"),
        (Stalled(Reason.INVALID_SPEC, "m" * 512, "m" * 512), "Stalled"),
    ],
)
def test_a_long_message_stands_in_full_in_one_condition_only(state: State, whole: str) -> None:
    lengths = {c.type: len(c.message.encode()) for c in derive(state, previous=None, generation=1, now=START)}
    assert lengths == {"Succeeded": 256, "Ready": 256, whole: 512}


def test_only_stalled_tells_the_details() -> None:
    conditions = derive(Stalled(Reason.TIMEOUT, "short", "long"), previous=None, generation=1, now=START)
    assert {condition.type: condition.message for condition in conditions} == {
        "Succeeded": "short",
        "Ready": "short",
        "Stalled": "long",
    }


# --- the same rows, reached by whole lives of a build --------------------------------------------------------------


def _edited(world: World, **changes: Any) -> World:
    world.edit(**changes)
    world.step()
    return world


def _refused() -> World:
    world = World()
    world.refuse = (403, "quota")
    world.step()
    return world


def _waiting_for_a_secret() -> World:
    world = World(warnings=('secret "login" not found',))
    world.step()
    world.pass_time(20)
    world.step()
    return world


def _gated() -> World:
    world = World()
    world.step()
    world.gate_pod("kueue.x-k8s.io/admission")
    world.step()
    return world


def _terminating() -> World:
    world = World().begun()
    world.live_pods()[0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.pass_time(31)
    world.step()
    return world


def _queued() -> World:
    world = World(slot=False)
    world.step()
    return world


def _cancelled() -> World:
    world = World().begun()
    world.cancel("now")
    world.step()
    return world


def _superseded() -> World:
    world = World().begun()
    world.superseded_by = "newer"
    world.step()
    return world


FAILED: dict[str, Any] = {"exit_code": 1, "message": "", "reason": "Error"}
LIVES: dict[str, tuple[Callable[[], World], Reason, Phase, str]] = {
    "queued": (_queued, Reason.QUEUED, Phase.QUEUED, "InProgress"),
    "building": (lambda: World().begun(), Reason.BUILDING, Phase.BUILDING, "InProgress"),
    "waiting for an object": (_waiting_for_a_secret, Reason.POD_NOT_STARTING, Phase.PENDING, "InProgress"),
    "waiting for a quota": (_refused, Reason.POD_FORBIDDEN, Phase.PENDING, "InProgress"),
    "gated": (_gated, Reason.SCHEDULING_GATED, Phase.QUEUED, "InProgress"),
    "terminating": (_terminating, Reason.POD_TERMINATING, Phase.BUILDING, "InProgress"),
    "retrying": (lambda: World().backing_off(), Reason.RETRYING, Phase.PENDING, "InProgress"),
    "pushed": (lambda: World().built(), Reason.SUCCEEDED, Phase.SUCCEEDED, "Current"),
    "failed": (lambda: World().built(**FAILED), Reason.BUILD_FAILED, Phase.FAILED, "Failed"),
    "unreadable": (lambda: _edited(World(), timeout=5), Reason.INVALID_SPEC, Phase.FAILED, "Failed"),
    "cancelled": (_cancelled, Reason.CANCELLED, Phase.CANCELLED, "Failed"),
    "superseded": (_superseded, Reason.SUPERSEDED, Phase.CANCELLED, "Failed"),
    "suspended when new": (lambda: _edited(World(), suspend=True), Reason.SUSPENDED, Phase.SUSPENDED, "Held"),
    "suspended while queued": (lambda: _edited(_queued(), suspend=True), Reason.SUSPENDED, Phase.SUSPENDED, "Held"),
    "suspended while building": (
        lambda: _edited(World().begun(), suspend=True),
        Reason.SUSPENDED,
        Phase.SUSPENDED,
        "Held",
    ),
    "suspended in back-off": (
        lambda: _edited(World().backing_off(), suspend=True),
        Reason.SUSPENDED,
        Phase.SUSPENDED,
        "Held",
    ),
    "suspended with a run due": (
        lambda: _edited(World().built(), suspend=True, target="other"),
        Reason.SUSPENDED,
        Phase.SUSPENDED,
        "Held",
    ),
    "suspended after a success": (
        lambda: _edited(World().built(), suspend=True),
        Reason.SUCCEEDED,
        Phase.SUCCEEDED,
        "Current",
    ),
    "suspended after a failure": (
        lambda: _edited(World().built(**FAILED), suspend=True),
        Reason.BUILD_FAILED,
        Phase.FAILED,
        "Failed",
    ),
}


@pytest.mark.parametrize("life", LIVES)
def test_every_row_of_the_table_is_reached(life: str) -> None:
    live, reason, phase, row = LIVES[life]
    world = live()
    conditions = world.status["conditions"]
    assert {c["type"]: c["status"] for c in conditions} == (HELD if row == "Held" else TABLE[row])
    assert {c["reason"] for c in conditions} == {reason}
    assert world.status["phase"] == phase
    assert world.status["observedGeneration"] == world.generation
    assert {c["observedGeneration"] for c in conditions} == {world.generation}
    assert all(c["message"] for c in conditions)
    assert kstatus(world.generation, world.status) == ("InProgress" if row == "Held" else row)
