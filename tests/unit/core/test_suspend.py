"""spec.suspend: nothing starts, what runs is stopped, and the run goes on where it can."""

import pytest

from imagebuild_operator.api.names import ConditionType, Phase, Reason
from imagebuild_operator.core.decisions import Wait
from tests.unit.core.kstatus import kstatus
from tests.unit.core.world import DIGEST, World, inline_spec

LIMIT_RAISED = {"limits": {"memory": "4Gi"}}


def suspended(world: World) -> World:
    world.edit(suspend=True)
    live = bool(world.live_pods())
    assert world.step() == Wait(60.0 if live else None)
    return world


def resumed(world: World) -> World:
    world.edit(suspend=False)
    world.kubelet()
    world.step()
    return world


def held(world: World) -> bool:
    """Whether the status is the row of the table for a suspended build."""
    conditions = {condition["type"]: condition["status"] for condition in world.status["conditions"]}
    return (
        world.status["phase"] == Phase.SUSPENDED
        and conditions == {"Succeeded": "Unknown", "Ready": "Unknown"}
        and world.status["observedGeneration"] == world.generation
        and kstatus(world.generation, world.status) == "InProgress"
    )


def test_a_new_build_that_is_suspended_has_no_run_yet() -> None:
    world = World(spec=inline_spec(suspend=True))
    assert world.step() == Wait()
    assert held(world)
    assert world.reason() == Reason.SUSPENDED
    assert "run" not in world.status
    assert len(world.writes) == 1
    resumed(world)
    assert (world.status["run"]["number"], world.status["run"]["attempt"]) == (1, 1)
    assert len(world.pods) == 1


def test_a_queued_build_leaves_the_queue_and_comes_back_with_the_turn_it_is_given_then() -> None:
    world = World(slot=False, turn=3)
    world.step()
    before = world.status["run"]
    suspended(world)
    assert held(world)
    assert world.status["run"] == before
    world.pass_time(60)
    world.turn = 8
    resumed(world)
    assert world.status["phase"] == Phase.QUEUED
    assert world.status["run"] == {**before, "generation": 3, "turn": 8}


def test_a_building_pod_is_stopped_after_that_is_recorded() -> None:
    world = World().begun()
    name = world.status["run"]["podName"]
    suspended(world)
    assert world.actions[-2:] == ["status Suspended", f"delete {name}"]
    assert held(world)
    run = world.status["run"]
    assert "podName" not in run
    assert "completionTime" not in run
    assert run["attempts"] == [
        {
            "number": 1,
            "startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:00:00Z",
            "reason": "Suspended",
        }
    ]
    (told,) = world.writes[-1].announcements
    assert (told.reason, told.about, told.warning) == ("Suspended", "run 1 attempt 1", False)


def test_resume_goes_on_with_the_next_attempt_and_a_new_time_and_no_budget_is_charged() -> None:
    world = World(spec=inline_spec(timeout="10m")).begun()
    world.pass_time(500)
    suspended(world)
    world.kubelet()
    world.pass_time(10_000)
    resumed(world)
    run = world.status["run"]
    assert (run["number"], run["attempt"], run["startTime"]) == (1, 2, "2026-01-01T02:55:00Z")
    assert "retries" not in run
    assert "failure" not in world.status
    (pod,) = world.pods.values()
    assert pod["spec"]["activeDeadlineSeconds"] == 600
    world.end_pod()
    world.step()
    assert (world.status["phase"], world.status["digest"]) == (Phase.SUCCEEDED, DIGEST)
    assert len(world.status["history"]) == 1


def test_resume_waits_for_the_old_pod_and_for_a_slot() -> None:
    world = World().begun()
    suspended(world)
    world.edit(suspend=False)
    world.step()
    assert world.status["run"]["attempt"] == 2
    assert len(world.pods) == 1, "the old Pod is still there"
    world.kubelet()
    world.step()
    assert list(world.pods) == [world.status["run"]["podName"]]
    assert world.most_live == 1

    queueing = World().begun()
    suspended(queueing)
    queueing.slot = False
    resumed(queueing)
    assert queueing.status["phase"] == Phase.QUEUED
    assert not queueing.pods


def test_nothing_happens_while_it_is_suspended_however_long() -> None:
    world = World(spec=inline_spec(timeout="1m")).begun()
    suspended(world)
    world.kubelet()
    actions = list(world.actions)
    for _ in range(3):
        world.pass_time(3600)
        assert world.step() == Wait()
    assert world.actions == actions


def test_a_back_off_is_suspended_without_losing_the_failure_or_its_budget() -> None:
    world = World().backing_off()
    suspended(world)
    assert held(world)
    run = world.status["run"]
    assert "nextAttemptTime" not in run
    assert [entry["reason"] for entry in run["attempts"]] == ["RegistryUnavailable"]
    resumed(world)
    assert world.status["run"]["retries"] == {"failures": 1}
    assert world.status["run"]["attempt"] == 2
    assert world.status["failure"]["reason"] == Reason.REGISTRY_UNAVAILABLE


@pytest.mark.parametrize("result", [{}, {"exit_code": 1, "message": "", "reason": "Error"}])
def test_a_finished_result_stays_as_it_is_when_no_run_is_due(result: dict[str, object]) -> None:
    world = World().built(**result)
    before = world.status
    suspended(world)
    assert world.status["phase"] == before["phase"]
    for name in ("history", "failure", "digest"):
        assert world.status.get(name) == before.get(name)
    assert world.status["run"] == {**before["run"], "generation": 2}
    assert world.status["observedGeneration"] == 2


@pytest.mark.parametrize("change", ["inputs", "request", "spec after a failure"])
def test_a_finished_build_with_a_run_due_is_held_and_goes_on_when_resumed(change: str) -> None:
    failing = change == "spec after a failure"
    world = World().built(**({"exit_code": 1, "message": "", "reason": "Error"} if failing else {}))
    world.pods.clear()
    if change == "inputs":
        world.edit(suspend=True, target="runtime")
    elif change == "request":
        world.edit(suspend=True)
        world.request("again")
    else:
        world.edit(suspend=True, resources=LIMIT_RAISED)
    assert world.step() == Wait()
    assert held(world)
    assert world.status["run"]["number"] == 1
    assert "lastHandledRequest" not in world.status
    resumed(world)
    assert world.status["run"]["number"] == 2
    assert world.status["phase"] == Phase.BUILDING


def test_a_due_run_that_is_taken_back_while_suspended_shows_the_old_result_again() -> None:
    world = World(spec=inline_spec(target="a")).built()
    world.edit(suspend=True, target="b")
    world.step()
    assert held(world)
    world.edit(target="a")
    world.step()
    assert world.status["phase"] == Phase.SUCCEEDED
    assert world.condition(ConditionType.READY) == "True"


def test_other_inputs_while_suspended_make_the_next_run_when_resumed() -> None:
    world = World().begun()
    suspended(world)
    world.edit(target="other")
    world.step()
    assert held(world)
    assert world.status["run"]["number"] == 1
    resumed(world)
    assert world.status["run"]["number"] == 2
    assert [past["reason"] for past in world.status["history"]] == ["Superseded"]


def test_other_resources_while_suspended_go_into_the_next_attempt() -> None:
    world = World().begun()
    suspended(world)
    world.edit(resources=LIMIT_RAISED)
    world.step()
    resumed(world)
    assert (world.status["run"]["number"], world.status["run"]["attempt"]) == (1, 2)
    assert world.status["run"]["generation"] == world.generation
    (pod,) = world.pods.values()
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "4Gi"


def test_a_pod_that_had_ended_is_recorded_before_the_suspension() -> None:
    world = World().begun()
    world.end_pod()
    suspended(world)
    assert (world.status["phase"], world.status["digest"]) == (Phase.SUCCEEDED, DIGEST)


def test_a_pod_that_had_failed_for_a_while_is_recorded_and_then_held() -> None:
    world = World().begun()
    world.fail_pod()
    suspended(world)
    assert held(world)
    assert world.status["failure"]["reason"] == Reason.REGISTRY_UNAVAILABLE
    assert world.status["run"]["retries"] == {"failures": 1}


def test_a_result_of_an_older_spec_is_recorded_but_never_read_as_the_newer_specs() -> None:
    world = World().begun()
    world.end_pod()
    world.edit(suspend=True, target="other")
    world.step()
    assert held(world)
    assert world.status["digest"] == DIGEST
    assert [past["digest"] for past in world.status["history"]] == [DIGEST]
    assert "status Succeeded" not in world.actions
