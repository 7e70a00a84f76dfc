"""Specs that get no Pod: what their executor lacks, or may not be told, is said at once and heals with the spec."""

from dataclasses import replace
from typing import Any

import pytest

from imagebuild_operator.api.names import ConditionType, Phase, Reason
from imagebuild_operator.core.policy import Policy
from tests.unit.core.kstatus import kstatus
from tests.unit.core.world import World, inline_spec, pod_settings

SECRETS = [{"id": "npm", "secretKeyRef": {"name": "npm", "key": "token"}}]
# Of an image whose variant is not known.
UNSUPPORTED: dict[str, Any] = {"executor": {"image": "r.example.com/kaniko:v1.25.16"}, "secrets": SECRETS}
NOT_ALLOWED: dict[str, Any] = {"executor": {"extraArgs": ["--single-snapshot"]}}
TWIN_TAGS: dict[str, Any] = {"output": {"images": ["r.example.com/web:1", "r.example.com/web:$(run)"]}}


@pytest.mark.parametrize(
    ("members", "reason"),
    [(UNSUPPORTED, Reason.EXECUTOR_UNSUPPORTED), (NOT_ALLOWED, Reason.ARGUMENT_NOT_ALLOWED)],
)
@pytest.mark.parametrize("slot", [True, False])
def test_it_is_told_without_a_pod_and_without_waiting_for_a_turn(
    members: dict[str, Any], reason: Reason, slot: bool
) -> None:
    world = World(spec=inline_spec(**members), slot=slot)
    world.step()
    assert world.reason() == reason
    assert world.condition(ConditionType.STALLED) == "True"
    assert world.status["phase"] == Phase.FAILED
    assert world.status["failure"]["reason"] == reason
    assert kstatus(1, world.status) == "Failed"
    assert not [action for action in world.actions if action.startswith("create")]
    assert len(world.writes) == 2


@pytest.mark.parametrize("members", [UNSUPPORTED, NOT_ALLOWED, TWIN_TAGS])
def test_no_event_says_that_it_started(members: dict[str, Any]) -> None:
    world = World(spec=inline_spec(**members))
    world.step()
    assert world.starts == []
    assert [(told.reason, told.warning) for write in world.writes for told in write.announcements] == [
        (world.reason(), True)
    ]


@pytest.mark.parametrize("members", [UNSUPPORTED, NOT_ALLOWED])
@pytest.mark.parametrize("slot", [True, False])
def test_a_changed_spec_heals_it(members: dict[str, Any], slot: bool) -> None:
    world = World(spec=inline_spec(**members), slot=slot)
    world.step()
    world.slot = True
    world.edit(executor={"variant": "osscontainertools", "version": "v1.28.3"})
    world.built()
    assert world.status["phase"] == Phase.SUCCEEDED
    assert world.status["run"]["number"] == 2
    assert "failure" not in world.status


def test_an_edit_while_it_waits_is_told_of_the_run_that_waits() -> None:
    world = World(slot=False)
    world.step()
    assert world.reason() == Reason.QUEUED
    world.edit(**NOT_ALLOWED)
    world.step()
    assert world.reason() == Reason.ARGUMENT_NOT_ALLOWED
    assert world.status["run"]["number"] == 1
    assert world.status["observedGeneration"] == 2
    assert world.step().after is None  # type: ignore[union-attr]


def test_an_edit_of_a_running_build_stops_it() -> None:
    world = World().begun()
    world.edit(**UNSUPPORTED)
    for _ in range(3):
        world.step()
        world.kubelet()
    assert world.reason() == Reason.EXECUTOR_UNSUPPORTED
    assert world.live_pods() == []
    assert len([action for action in world.actions if action.startswith("create")]) == 1


def test_an_argument_that_is_allowed_builds() -> None:
    settings = replace(pod_settings(), allowed_arguments=("--single-snapshot",))
    world = World(spec=inline_spec(**NOT_ALLOWED), policy=Policy(pod=settings)).built()
    assert world.status["phase"] == Phase.SUCCEEDED


def test_after_the_setting_has_changed_a_request_is_enough() -> None:
    world = World(spec=inline_spec(**NOT_ALLOWED))
    world.step()
    world.policy = Policy(pod=replace(pod_settings(), allowed_arguments=("--single-snapshot",)))
    world.step()
    assert world.status["phase"] == Phase.FAILED
    world.request("again")
    world.built()
    assert world.status["phase"] == Phase.SUCCEEDED
