"""Runs that are ended on purpose: by their user, or by a newer build of their concurrency group; and requests."""

from typing import Any

import pytest

from imagebuild_operator.api.names import Phase, Reason, RunCause
from imagebuild_operator.core.decisions import Result, Wait
from tests.unit.core.kstatus import kstatus
from tests.unit.core.world import DIGEST, World, inline_spec

NEWER = "web-of-tomorrow"
CANCELLED_CONDITIONS = {"Succeeded": "False", "Ready": "False", "Stalled": "True"}


def queued() -> World:
    world = World(slot=False)
    world.step()
    return world


def suspended() -> World:
    world = World().begun()
    world.edit(suspend=True)
    world.step()
    world.kubelet()
    return world


def refused() -> World:
    world = World()
    world.refuse = (403, "quota")
    world.step()
    return world


def starting() -> World:
    world = World()
    world.step()
    return world


OPEN_RUNS = {
    "queued": queued,
    "recorded": refused,
    "starting": starting,
    "building": lambda: World().begun(),
    "backing off": lambda: World().backing_off(),
    "suspended": suspended,
}


def conditions(world: World) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in world.status["conditions"]}


def stopped(world: World, reason: Reason) -> bool:
    """Whether the status is that of a run which was ended on purpose."""
    return (
        world.status["phase"] == Phase.CANCELLED
        and conditions(world) == CANCELLED_CONDITIONS
        and {condition["reason"] for condition in world.status["conditions"]} == {reason}
        and kstatus(world.generation, world.status) == "Failed"
    )


# --- cancel --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", OPEN_RUNS)
def test_a_cancel_ends_an_open_run_whatever_it_does(state: str) -> None:
    world = OPEN_RUNS[state]()
    writes, live = len(world.writes), len(world.live_pods())
    world.cancel("now")
    assert world.step() == Wait(60.0 if live else None)
    assert stopped(world, Reason.CANCELLED)
    run = world.status["run"]
    assert (run["number"], run["reason"], world.status["lastHandledCancel"]) == (1, "Cancelled", "now")
    assert "nextAttemptTime" not in run
    assert [past["reason"] for past in world.status["history"]] == ["Cancelled"]
    assert len(world.writes) == writes + 1
    assert world.writes[-1].result == Result("cancelled", "Cancelled", 0.0)
    assert [entry.split()[0] for entry in world.actions[-1 - live :]] == ["status", *(["delete"] * live)]
    world.kubelet()
    world.pass_time(99_999)
    assert world.step() == Wait()
    assert not world.live_pods()


def test_the_attempt_that_a_cancel_ended_is_told_as_cancelled() -> None:
    world = World().begun()
    world.pass_time(30)
    world.cancel("now")
    world.step()
    assert world.status["run"]["attempts"] == [
        {
            "number": 1,
            "startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:00:30Z",
            "reason": "Cancelled",
        }
    ]
    assert world.status["run"]["duration"] == "30s"


def test_a_cancel_at_first_sight_counts_as_handled_and_cancels_nothing() -> None:
    world = World()
    world.cancel("left over")
    world.built()
    assert world.status["phase"] == Phase.SUCCEEDED
    assert world.status["lastHandledCancel"] == "left over"
    assert world.actions.count("status Cancelled") == 0


def test_a_cancel_and_a_request_at_first_sight_start_run_one() -> None:
    world = World()
    world.cancel("left over")
    world.request("please")
    world.step()
    assert (world.status["run"]["number"], world.status["run"]["requestedAt"]) == (1, "please")
    assert (world.status["lastHandledCancel"], world.status["lastHandledRequest"]) == ("left over", "please")


@pytest.mark.parametrize("result", [{}, {"exit_code": 1, "message": "", "reason": "Error"}])
def test_a_cancel_of_a_finished_build_is_only_recorded(result: dict[str, Any]) -> None:
    world = World().built(**result)
    before, writes = world.status, len(world.writes)
    world.cancel("too late")
    assert world.step() == Wait()
    assert world.status == {**before, "lastHandledCancel": "too late"}
    assert len(world.writes) == writes + 1
    assert world.writes[-1].announcements == ()
    assert world.step() == Wait()
    assert len(world.writes) == writes + 1


def test_each_cancel_is_handled_once() -> None:
    world = World().begun()
    world.cancel("first")
    world.step()
    world.request("again")
    world.kubelet()
    world.step()
    assert (world.status["run"]["number"], world.status["phase"]) == (2, Phase.BUILDING)
    world.start_pod()
    world.step()
    assert world.status["phase"] == Phase.BUILDING, "the cancel of run 1 is not one of run 2"
    world.cancel("second")
    world.step()
    assert stopped(world, Reason.CANCELLED)
    assert [past["number"] for past in world.status["history"]] == [2, 1]


@pytest.mark.parametrize("state", [state for state in OPEN_RUNS if state != "suspended"])
def test_a_cancel_and_a_request_end_the_run_and_start_the_next(state: str) -> None:
    world = OPEN_RUNS[state]()
    world.slot, world.refuse = True, None
    world.cancel("now")
    world.request("again")
    world.step()
    world.kubelet()
    world.step()
    run = world.status["run"]
    assert (run["number"], run["cause"], run["requestedAt"]) == (2, RunCause.REQUESTED, "again")
    assert [(past["number"], past["reason"]) for past in world.status["history"]] == [(1, "Cancelled")]
    assert (world.status["lastHandledCancel"], world.status["lastHandledRequest"]) == ("now", "again")
    assert "failure" not in world.status
    assert "status Cancelled" not in world.actions
    assert [pod["metadata"]["name"] for pod in world.live_pods()] == [run["podName"]]
    assert world.most_live == 1


def test_a_cancel_with_an_edit_of_the_inputs_ends_the_run_and_the_edit_starts_the_next() -> None:
    world = World().begun()
    world.edit(target="other")
    world.cancel("now")
    world.step()
    assert world.status["run"]["number"] == 2
    assert world.status["run"]["cause"] == RunCause.INPUTS_CHANGED
    assert [past["reason"] for past in world.status["history"]] == ["Cancelled"]


def test_a_cancel_that_meets_a_failure_not_seen_yet_starts_nothing() -> None:
    world = World().begun()
    world.edit(resources={"limits": {"memory": "4Gi"}})
    world.step()
    world.end_pod(exit_code=1, message="")
    world.cancel("now")
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.BUILD_FAILED)
    assert (world.status["run"]["number"], world.status["lastHandledCancel"]) == (1, "now")


@pytest.mark.parametrize("by_a_newer_build", [False, True])
def test_who_stops_a_build_does_not_get_it_again_for_an_edit_of_before(by_a_newer_build: bool) -> None:
    world = World().begun()
    world.edit(resources={"limits": {"memory": "4Gi"}})
    world.step()
    if by_a_newer_build:
        world.superseded_by = "newer"
    else:
        world.cancel("now")
    world.step()
    assert stopped(world, Reason.SUPERSEDED if by_a_newer_build else Reason.CANCELLED)
    world.kubelet()
    world.superseded_by = ""
    world.edit(ttlSecondsAfterFinished=3600)
    world.step()
    assert world.status["run"]["number"] == 1
    world.edit(timeout="2h")
    world.step()
    assert (world.status["run"]["number"], world.status["run"]["cause"]) == (2, RunCause.SPEC_CHANGED)


def test_a_cancel_with_an_edit_of_something_else_is_a_cancel() -> None:
    world = World().begun()
    world.edit(priority=7)
    world.cancel("now")
    world.step()
    assert stopped(world, Reason.CANCELLED)
    assert world.status["run"]["generation"] == 2


def test_after_a_cancel_any_edit_that_matters_builds_again() -> None:
    world = World().begun()
    world.cancel("now")
    world.step()
    world.kubelet()
    world.edit(timeout="2h")
    world.step()
    assert (world.status["run"]["number"], world.status["run"]["cause"]) == (2, RunCause.SPEC_CHANGED)


def test_a_cancel_of_a_suspended_run_leaves_nothing_to_resume() -> None:
    world = suspended()
    world.cancel("now")
    world.step()
    world.edit(suspend=False)
    world.step()
    assert stopped(world, Reason.CANCELLED)
    assert world.status["run"]["number"] == 1


@pytest.mark.parametrize("result", [{}, {"exit_code": 1, "message": "", "reason": "Error"}])
def test_a_result_that_was_seen_is_recorded_before_the_cancel(result: dict[str, Any]) -> None:
    world = World().begun()
    world.end_pod(**result)
    world.cancel("now")
    world.step()
    assert world.status["phase"] == (Phase.FAILED if result else Phase.SUCCEEDED)
    assert world.status.get("digest") == (None if result else DIGEST)
    assert world.status["lastHandledCancel"] == "now"


@pytest.mark.parametrize("reason", [Reason.REGISTRY_UNAVAILABLE, Reason.DISRUPTED])
def test_a_failure_that_would_be_tried_again_is_not_when_a_cancel_is_there(reason: Reason) -> None:
    world = World().begun()
    world.fail_pod(reason)
    world.cancel("now")
    world.step()
    assert world.status["phase"] == Phase.FAILED
    assert world.status["run"]["reason"] == reason
    assert world.status["lastHandledCancel"] == "now"


def test_a_cancel_keeps_the_last_success_and_the_failure_of_the_attempt_before() -> None:
    world = World().built()
    world.pods.clear()
    world.edit(target="other")
    world.backing_off()
    world.cancel("now")
    world.step()
    assert world.status["digest"] == DIGEST
    assert world.status["failure"]["reason"] == Reason.REGISTRY_UNAVAILABLE
    assert stopped(world, Reason.CANCELLED)
    world.edit(priority=3)
    world.step()
    assert stopped(world, Reason.CANCELLED), "what it says follows the run, not the failure that is still told"


def test_a_cancel_that_is_taken_away_again_changes_nothing() -> None:
    world = World().begun()
    world.cancel("now")
    world.step()
    writes = len(world.writes)
    world.annotations = {}
    assert world.step() == Wait(60.0), "for the Pod to go"
    assert len(world.writes) == writes
    assert world.status["lastHandledCancel"] == "now"


# --- a newer build of the group ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", OPEN_RUNS)
def test_a_newer_build_of_the_group_ends_an_open_run(state: str) -> None:
    world = OPEN_RUNS[state]()
    live = len(world.live_pods())
    world.superseded_by = NEWER
    assert world.step() == Wait(60.0 if live else None)
    assert stopped(world, Reason.SUPERSEDED)
    assert NEWER in world.status["conditions"][0]["message"]
    assert [past["reason"] for past in world.status["history"]] == ["Superseded"]
    assert world.writes[-1].result == Result("cancelled", "Superseded", 0.0)
    assert sum(action.startswith("delete") for action in world.actions) == (live if state != "suspended" else 1)
    writes = len(world.writes)
    world.superseded_by = ""
    world.kubelet()
    assert world.step() == Wait()
    assert len(world.writes) == writes


def test_a_result_that_was_seen_is_recorded_before_a_newer_build_takes_the_place() -> None:
    world = World().begun()
    world.end_pod()
    world.superseded_by = NEWER
    world.step()
    assert (world.status["phase"], world.status["digest"]) == (Phase.SUCCEEDED, DIGEST)


def test_a_finished_build_is_not_superseded() -> None:
    world = World().built()
    before = world.status
    world.superseded_by = NEWER
    assert world.step() == Wait()
    assert world.status == before


# --- requests ------------------------------------------------------------------------------------------------------


def test_a_request_while_queued_keeps_number_and_place() -> None:
    world = queued()
    world.pass_time(30)
    world.request("please")
    world.step()
    run = world.status["run"]
    assert (run["number"], run["queuedTime"], run["requestedAt"]) == (1, "2026-01-01T00:00:00.000000Z", "please")
    assert world.status["lastHandledRequest"] == "please"
    assert "history" not in world.status
    world.slot = True
    world.built()
    assert world.status["run"]["number"] == 1


def test_a_request_in_back_off_starts_the_next_run_at_once() -> None:
    world = World().backing_off()
    world.request("please")
    world.step()
    run = world.status["run"]
    assert (run["number"], run["attempt"], run["requestedAt"]) == (2, 1, "please")
    assert "retries" not in run
    assert "failure" not in world.status
    assert [past["reason"] for past in world.status["history"]] == ["Superseded"]


def test_a_request_while_suspended_waits_for_the_end_of_it() -> None:
    world = suspended()
    world.request("please")
    world.step()
    assert "lastHandledRequest" not in world.status
    assert world.status["run"]["number"] == 1
    world.edit(suspend=False)
    world.step()
    assert (world.status["run"]["number"], world.status["lastHandledRequest"]) == (2, "please")


def test_a_request_while_building_takes_the_place_of_the_run() -> None:
    world = World().begun()
    old = world.status["run"]["podName"]
    world.pass_time(5)
    world.request("please")
    world.step()
    assert world.actions[-2:] == ["status Building", f"delete {old}"]
    assert (world.status["run"]["number"], world.status["run"]["cause"]) == (2, RunCause.REQUESTED)
    (past,) = world.status["history"]
    assert (past["number"], past["reason"], past["completionTime"]) == (1, "Superseded", "2026-01-01T00:00:05Z")
    assert world.writes[-1].result == Result("cancelled", "Superseded", 5.0)


def test_an_old_request_is_not_answered_again_after_a_cancel() -> None:
    world = World(spec=inline_spec())
    world.request("once")
    world.begun()
    world.cancel("now")
    world.step()
    world.kubelet()
    assert world.step() == Wait()
    assert world.status["run"]["number"] == 1
