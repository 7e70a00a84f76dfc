"""A Pod that was asked to go and does not is told of, whatever became of its run."""

from datetime import timedelta

import pytest

from imagebuild_operator.api.names import Phase, Reason
from imagebuild_operator.core.decide import decide
from imagebuild_operator.core.decisions import Tell, Wait
from imagebuild_operator.core.times import format_time
from tests.unit.core.world import World, inline_spec

STOPS = ("cancelled", "suspended", "superseded", "timed out")


def stopped(how: str) -> World:
    """A build whose Pod was asked to go, 30 s from now at the latest, and whose run is over or held."""
    world = World(spec=inline_spec(timeout="10m")).begun()
    if how == "cancelled":
        world.cancel("now")
    elif how == "suspended":
        world.edit(suspend=True)
    elif how == "superseded":
        world.superseded_by = "newer"
    else:
        world.pass_time(3600)
    world.step()
    return world


def ask_to_go(world: World, seconds: int = 30) -> None:
    """Somebody else than the operator does."""
    (found,) = world.live_pods()
    found["metadata"]["deletionTimestamp"] = format_time(world.now + timedelta(seconds=seconds))


@pytest.mark.parametrize("how", STOPS)
def test_it_is_told_of_half_a_minute_after_it_should_have_been_gone(how: str) -> None:
    world = stopped(how)
    (left,) = world.live_pods()
    left["spec"]["nodeName"] = "lost"
    writes, gone_by = len(world.writes), left["metadata"]["deletionTimestamp"]
    assert world.step() == Wait(60.0)
    world.pass_time(59)
    assert world.step() == Wait(1.0)
    assert world.told == []
    world.pass_time(1)
    world.step()
    (event,) = world.told
    assert (event.reason, event.warning) == (Reason.POD_TERMINATING, True)
    assert event.about == f"pod {left['metadata']['name']}"
    assert f"Pod {left['metadata']['name']} on node lost was asked to go" in event.note
    assert gone_by in event.note
    assert "--force" in event.note
    assert len(world.writes) == writes, "the status is that of the run"


def test_it_is_told_of_again_when_the_event_of_before_is_gone() -> None:
    world = stopped("cancelled")
    world.pass_time(60)
    for _ in range(10):
        assert world.step() == Wait(3900.0)
    assert len(world.told) == 1
    world.pass_time(3899)
    assert world.step() == Wait(1.0)
    world.pass_time(1)
    world.step()
    first, second = world.told
    assert first == second, "while it is kept, it is the same Event"
    world.kubelet()
    assert world.step() == Wait()


def test_one_that_goes_is_not_told_of() -> None:
    world = stopped("cancelled")
    world.kubelet()
    world.pass_time(600)
    assert world.step() == Wait()
    assert world.told == []
    assert world.status["phase"] == Phase.CANCELLED


def test_one_that_has_ended_and_is_held_takes_up_no_slot_and_is_not_told_of() -> None:
    world = World().built()
    (ended,) = world.pods.values()
    ended["metadata"]["deletionTimestamp"] = format_time(world.now)
    world.pass_time(600)
    assert world.step() == Wait()
    assert world.told == []


def test_a_time_to_live_that_is_over_first_is_not_waited_past() -> None:
    world = World(spec=inline_spec(ttlSecondsAfterFinished=45)).begun()
    world.cancel("now")
    assert world.step() == Wait(45.0)
    world.pass_time(45)
    world.step()
    assert world.deleted


def test_the_pod_of_an_open_run_is_told_of_in_the_conditions_alone() -> None:
    world = World().begun()
    ask_to_go(world)
    world.pass_time(100)
    world.step()
    assert world.reason() == Reason.POD_TERMINATING
    assert world.told == []


def test_one_that_is_in_the_way_of_the_next_is_told_of_as_what_is_in_its_way_alone() -> None:
    world = stopped("cancelled")
    world.request("again")
    world.step()
    world.pass_time(300)
    world.step()
    assert world.status["run"]["number"] == 2
    assert world.reason() == Reason.POD_NOT_STARTING
    assert world.told == []


def test_one_of_an_older_run_beside_the_recorded_one_is_told_of() -> None:
    world = World().begun()
    (recorded,) = world.live_pods()
    older = {**recorded["metadata"], "name": "web-0-1", "uid": "older"}
    world.pods["web-0-1"] = {**recorded, "metadata": older}
    world.step()
    assert world.actions[-1] == "delete web-0-1"
    world.pass_time(60)
    world.step()
    assert [event.about for event in world.told] == ["pod web-0-1"]
    assert world.reason() == Reason.BUILDING


def test_one_of_a_build_that_is_deleted_with_its_pods_first_is_told_of() -> None:
    world = World().begun()
    ask_to_go(world)
    world.pass_time(60)
    world.deleting = True
    world.step()
    assert [event.reason for event in world.told] == [Reason.POD_TERMINATING]
    assert world.reason() == Reason.BUILDING, "a build that goes is not written any more"


def test_the_one_that_is_due_first_comes_first() -> None:
    world = stopped("cancelled")
    (left,) = world.live_pods()
    for name, seconds in (("later", 50), ("sooner", 10)):
        gone_by = format_time(world.now + timedelta(seconds=seconds))
        metadata = {**left["metadata"], "name": name, "uid": name, "deletionTimestamp": gone_by}
        world.pods[name] = {**left, "metadata": metadata}
    assert world.step() == Wait(40.0)
    world.pass_time(90)
    decision = decide(world.observe(), world.policy, world.now)
    assert isinstance(decision, Tell)
    assert decision.pod_uid == "sooner"
    world.step()
    assert len(world.told) == 3


def test_another_s_pod_is_not_told_of() -> None:
    world = stopped("cancelled")
    (left,) = world.live_pods()
    left["metadata"]["ownerReferences"] = []
    world.pass_time(600)
    assert world.step() == Wait()
    assert world.told == []
