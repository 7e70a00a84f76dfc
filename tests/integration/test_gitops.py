"""Flux and Argo CD read every state of a build as it is meant, by their own code, and show what there is to do."""

import itertools
from typing import Any, Final

import pytest

from imagebuild_operator.api.names import API_VERSION, KIND
from tests.gitops import Shown, verdicts
from tests.unit.core.kstatus import kstatus
from tests.unit.core.test_conditions import FAILED, LIVES
from tests.unit.core.world import World

pytestmark = pytest.mark.integration

# By the row of the table of conditions.
HEALTH: Final = {"InProgress": "Progressing", "Current": "Healthy", "Failed": "Degraded", "Held": "Suspended"}
UNSEEN: Final = Shown("Progressing", "The operator has not seen this spec yet.")


def stored(status: dict[str, Any], generation: int) -> dict[str, Any]:
    """An ImageBuild as the API server has it, but for its spec, which nobody asks for."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"namespace": "shop", "name": "web", "generation": generation},
        "status": status,
    }


@pytest.mark.parametrize("life", LIVES)
def test_each_state_is_read_as_it_is_meant(life: str) -> None:
    live, reason, _, row = LIVES[life]
    world = live()
    # The condition that has all of the message.
    fullest = world.status["conditions"][-1]
    now, edited = verdicts(stored(world.status, world.generation + more) for more in (0, 1))
    assert now.argo == Shown(HEALTH[row], f"{reason}: {fullest['message']}")
    assert now.flux.status == ("InProgress" if row == "Held" else row)
    assert edited.argo == UNSEEN
    assert edited.flux.status == "InProgress"


def test_what_no_operator_has_seen_is_not_done() -> None:
    fresh = {"observedGeneration": -1, "phase": "Pending"}
    [verdict] = verdicts([stored(fresh, 1)])
    assert (verdict.flux.status, verdict.argo) == ("InProgress", UNSEEN)


def test_a_condition_without_a_message_is_read_too() -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Succeeded"}
    [verdict] = verdicts([stored({"observedGeneration": 1, "conditions": [ready]}, 1)])
    assert verdict.argo == Shown("Healthy", "Succeeded: ")


def test_both_have_the_message_and_the_hint_of_a_failure() -> None:
    status = World().built(**FAILED).status
    [verdict] = verdicts([stored(status, 1)])
    for told in (status["failure"]["message"], status["failure"]["hint"]):
        assert told in verdict.argo.message
        assert told in verdict.flux.message


def test_both_have_the_hint_for_what_keeps_a_pod_from_starting() -> None:
    [verdict] = verdicts([stored(LIVES["waiting for an object"][0]().status, 1)])
    for told in ('secret "login" not found', "Create the secret login"):
        assert told in verdict.argo.message
        assert told in verdict.flux.message


def condition(kind: str, status: str | None) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": "Any", "message": "any"}


def test_kstatus_as_other_tests_have_it_is_the_real_one() -> None:
    """In all statuses that three conditions and a generation can make, of which the operator writes a few."""
    values = (None, "True", "False", "Unknown")
    kinds = itertools.permutations(("Ready", "Reconciling", "Stalled"))
    statuses = [
        ({} if observed is None else {"observedGeneration": observed})
        | {"conditions": [condition(*row) for row in zip(order, given, strict=True) if row[1] is not None]}
        for order, given, observed in itertools.product(kinds, itertools.product(values, repeat=3), (None, -1, 1, 2))
    ]
    said = verdicts(stored(status, 2) for status in statuses)
    assert {verdict.flux.status for verdict in said} == {"InProgress", "Failed", "Current"}
    assert [verdict.flux.status for verdict in said] == [kstatus(2, status) for status in statuses]
