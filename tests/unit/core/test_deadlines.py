"""How long a run, an attempt and a silence may last, and what does not count."""

from typing import Any

import pytest

from imagebuild_operator.api.names import Phase, Reason
from imagebuild_operator.core.decide import decide
from imagebuild_operator.core.decisions import FetchLastOutput, Wait
from imagebuild_operator.core.reading import JSON
from imagebuild_operator.core.times import format_time
from tests.unit.core.kstatus import kstatus
from tests.unit.core.world import DIGEST, World, inline_spec

HOUR = 3600


def attempt_of(world: World) -> JSON:
    found: JSON = world.status["run"]["attempts"][0]
    return found


def deadline_of(world: World) -> int:
    (pod,) = world.live_pods()
    seconds: int = pod["spec"]["activeDeadlineSeconds"]
    return seconds


# --- spec.timeout, over all attempts -------------------------------------------------------------------------------


def test_the_pod_may_be_active_for_what_is_left_of_the_time() -> None:
    world = World(spec=inline_spec(timeout="10m"))
    world.refuse = (403, "quota")
    world.step()
    world.refuse = None
    world.pass_time(100)
    world.step()
    assert deadline_of(world) == 500


def test_the_time_is_that_of_all_attempts() -> None:
    world = World(spec=inline_spec(timeout="10m")).begun()
    world.pass_time(300)
    world.fail_pod(Reason.DISRUPTED)
    world.step()
    world.wait_for_retry()
    assert 290 <= deadline_of(world) < 300
    world.start_pod()
    world.pass_time(330)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.TIMEOUT)
    assert [entry["reason"] for entry in world.status["run"]["attempts"]] == ["Timeout", "Disrupted"]
    assert world.status["run"]["startTime"] == "2026-01-01T00:00:00Z"


def test_the_time_is_over_before_the_next_attempt_when_the_operator_was_away() -> None:
    world = World(spec=inline_spec(timeout="10m")).backing_off()
    failure = world.status["failure"]
    world.pass_time(HOUR)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.REGISTRY_UNAVAILABLE)
    assert world.status["failure"] == failure, "what is to be mended is the failure, not the time"
    assert [entry["reason"] for entry in world.status["run"]["attempts"]] == ["RegistryUnavailable"]
    assert not world.live_pods()


def test_the_time_is_over_while_the_run_waits_for_a_slot_after_a_failure() -> None:
    world = World(spec=inline_spec(timeout="10m")).backing_off()
    world.slot = False
    world.wait_for_retry()
    assert world.status["phase"] == Phase.QUEUED
    world.pass_time(600)
    assert world.step() == Wait()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.REGISTRY_UNAVAILABLE)
    assert not world.live_pods()


def test_a_pod_keeps_its_time_when_an_edit_gives_the_next_run_less() -> None:
    world = World(spec=inline_spec(timeout="1h")).begun()
    world.pass_time(1200)
    world.edit(timeout="10m")
    world.step()
    assert (world.status["phase"], world.status["run"]["number"]) == (Phase.BUILDING, 1)
    world.pass_time(2400)
    world.step()
    assert world.status["phase"] == Phase.BUILDING
    world.pass_time(31)
    world.step()
    assert [past["reason"] for past in world.status["history"]] == ["Timeout"]


def test_a_wait_for_the_first_slot_does_not_count() -> None:
    world = World(spec=inline_spec(timeout="10m"), slot=False)
    world.step()
    world.pass_time(24 * HOUR)
    world.step()
    assert world.status["phase"] == Phase.QUEUED
    world.slot = True
    world.step()
    assert deadline_of(world) == 600
    assert world.status["run"]["startTime"] == "2026-01-02T00:00:00Z"
    assert world.writes[-1].waited == 24 * HOUR


def test_the_operator_wakes_up_when_a_node_should_have_stopped_the_pod() -> None:
    world = World(spec=inline_spec(timeout="10m")).begun()
    world.pass_time(100)
    assert world.step() == Wait(530.0)


def test_an_edit_of_the_timeout_counts_at_once() -> None:
    world = World(spec=inline_spec(timeout="10m")).begun()
    world.edit(timeout="1h")
    world.pass_time(700)
    world.step()
    assert world.status["phase"] == Phase.BUILDING
    world.edit(timeout="11m")
    world.step()
    # Another timeout is an edit that matters after a failure.
    assert [past["reason"] for past in world.status["history"]] == ["Timeout"]
    assert world.status["run"]["number"] == 2


# --- spec.startTimeout, for each attempt ---------------------------------------------------------------------------


def test_each_attempt_has_the_whole_time_to_start() -> None:
    world = World(spec=inline_spec(startTimeout="1m", timeout="2h")).begun()
    world.pass_time(HOUR)
    world.fail_pod(Reason.DISRUPTED)
    world.step()
    world.wait_for_retry()
    world.pass_time(50)
    world.step()
    assert world.status["phase"] in (Phase.BUILDING, Phase.PENDING)
    world.pass_time(20)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.START_TIMEOUT)


# --- spec.noOutputTimeout ------------------------------------------------------------------------------------------


def silent(limit: str = "5m") -> World:
    return World(spec=inline_spec(noOutputTimeout=limit, retry={"memoryFactor": 1}), log="step 7\n").begun()


def test_a_build_may_be_silent_by_default() -> None:
    world = World(spec=inline_spec(timeout="10h")).begun()
    world.pass_time(9 * HOUR)
    world.step()
    assert world.status["phase"] == Phase.BUILDING


def test_a_build_that_logs_nothing_for_too_long_is_ended_with_its_log() -> None:
    world = silent()
    assert world.step() == Wait(300.0)
    world.pass_time(300)
    name = world.status["run"]["podName"]
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.NO_OUTPUT)
    assert world.status["failure"]["logTail"] == "step 7"
    assert world.actions[-2:] == ["status Failed", f"delete {name}"]
    assert attempt_of(world)["reason"] == "NoOutput"


def test_what_a_build_logged_lately_counts() -> None:
    world = silent()
    world.pass_time(200)
    world.last_output = world.now
    world.pass_time(150)
    assert world.step() == Wait(150.0)
    assert world.status["phase"] == Phase.BUILDING
    world.pass_time(150)
    world.step()
    assert world.reason() == Reason.NO_OUTPUT


def test_the_log_is_looked_at_only_when_it_may_have_been_silent_for_too_long() -> None:
    world = silent()
    world.pass_time(299)
    seen = world.observe()
    assert world.step() == Wait(1.0)
    world.pass_time(1)
    pod = world.status["run"]["podName"]
    since = seen.pods[0].build
    assert since is not None
    assert since.since is not None
    assert decide(world.observe(), world.policy, world.now) == FetchLastOutput(pod, "build", since.since)


def test_a_line_from_a_clock_that_is_fast_is_one_of_now() -> None:
    world = silent()
    world.pass_time(300)
    world.last_output = world.now.replace(year=2027)
    assert world.step() == Wait(300.0)


def test_silence_counts_only_once_the_build_container_runs() -> None:
    world = World(spec=inline_spec(noOutputTimeout="1m", timeout="3h"))
    world.step()
    running = {"running": {"startedAt": format_time(world.now)}}
    world.live_pods()[0]["status"] = {
        "phase": "Pending",
        "initContainerStatuses": [{"name": "prepare", "state": running}],
    }
    world.pass_time(HOUR)
    world.step()
    assert world.status["phase"] == Phase.BUILDING


# --- scheduling gates ----------------------------------------------------------------------------------------------


def gated(**spec: Any) -> World:
    """A build whose Pod Kueue holds back."""
    world = World(spec=inline_spec(timeout="10m", startTimeout="1m", **spec))
    world.step()
    world.gate_pod("kueue.x-k8s.io/admission")
    world.step()
    return world


def test_a_gated_pod_is_told_as_waiting_for_its_gates() -> None:
    world = gated()
    assert (world.status["phase"], world.reason()) == (Phase.QUEUED, Reason.SCHEDULING_GATED)
    assert "kueue.x-k8s.io/admission" in world.status["conditions"][0]["message"]
    assert kstatus(world.generation, world.status) == "InProgress"


def test_no_timeout_runs_while_a_pod_is_gated_and_nothing_is_written() -> None:
    world = gated()
    writes = len(world.writes)
    for _ in range(5):
        world.pass_time(24 * HOUR)
        assert world.step() == Wait()
    assert len(world.writes) == writes
    assert len(world.live_pods()) == 1


def test_both_timeouts_start_at_the_write_that_notes_the_end_of_the_gates() -> None:
    world = gated()
    world.pass_time(24 * HOUR)
    world.gate_pod()
    writes = len(world.writes)
    rest = world.step()
    assert len(world.writes) == writes + 1
    assert world.status["phase"] == Phase.BUILDING
    assert world.status["run"]["startTime"] == attempt_of(world)["startTime"] == "2026-01-02T00:00:00Z"
    assert isinstance(rest, Wait)
    world.pass_time(59)
    world.step()
    assert len(world.live_pods()) == 1
    world.start_pod()
    world.step()
    world.pass_time(600 + 30 - 59 - 1)
    world.step()
    assert world.status["phase"] == Phase.BUILDING
    world.pass_time(1)
    world.step()
    assert world.reason() == Reason.TIMEOUT


def test_a_pod_that_cannot_start_after_its_gates_is_given_up_in_its_time() -> None:
    world = gated()
    world.pass_time(24 * HOUR)
    world.gate_pod()
    world.step()
    world.pass_time(61)
    world.step()
    assert world.reason() == Reason.START_TIMEOUT


def test_the_time_of_attempts_before_the_gates_counts() -> None:
    world = World(spec=inline_spec(timeout="10m")).begun()
    world.pass_time(120)
    world.fail_pod(Reason.DISRUPTED)
    world.step()
    world.wait_for_retry()
    world.gate_pod("gate")
    world.step()
    world.pass_time(24 * HOUR)
    world.gate_pod()
    world.step()
    world.start_pod()
    world.step()
    world.pass_time(600 - 120 - 5)
    world.step()
    assert world.status["phase"] == Phase.BUILDING
    world.pass_time(40)
    world.step()
    assert world.reason() == Reason.TIMEOUT


def test_the_time_a_pod_was_gated_does_not_count_when_it_is_lost() -> None:
    world = gated()
    world.pass_time(24 * HOUR)
    world.remove_pods()
    world.step()
    assert world.reason() == Reason.RETRYING
    world.wait_for_retry()
    assert 590 <= deadline_of(world) <= 600


def test_the_time_a_pod_was_gated_does_not_count_when_it_has_failed_by_the_next_look() -> None:
    world = gated()
    world.pass_time(24 * HOUR)
    world.gate_pod()
    world.fail_pod(Reason.RATE_LIMITED)
    world.step()
    assert world.reason() == Reason.RETRYING
    world.wait_for_retry()
    assert len(world.live_pods()) == 1


def test_an_edit_of_a_gated_build_replaces_its_pod_and_the_time_starts_anew() -> None:
    world = gated()
    world.pass_time(24 * HOUR)
    world.edit(podTemplate={"labels": {"kueue.x-k8s.io/queue-name": "other"}})
    world.step()
    world.kubelet()
    world.step()
    assert (world.status["run"]["number"], world.status["run"]["attempt"]) == (1, 2)
    assert deadline_of(world) == 600


def test_the_time_a_pod_was_gated_does_not_count_when_nobody_knows_the_pod_any_more() -> None:
    world = gated()
    world.pass_time(24 * HOUR)
    world.pods.clear()
    world.step()
    assert world.status["phase"] == Phase.BUILDING
    assert len(world.live_pods()) == 1
    assert deadline_of(world) == 600


def test_a_success_is_a_success_though_its_gates_were_never_seen_to_end() -> None:
    world = gated()
    world.pass_time(24 * HOUR)
    world.gate_pod()
    world.end_pod()
    world.step()
    assert (world.status["phase"], world.status["digest"]) == (Phase.SUCCEEDED, DIGEST)
    assert world.status["run"]["duration"] == "0s"


def test_a_cancel_ends_a_gated_build() -> None:
    world = gated()
    world.pass_time(24 * HOUR)
    world.cancel("now")
    world.step()
    assert world.status["phase"] == Phase.CANCELLED
    assert world.actions[-1].startswith("delete")


# --- a Pod that does not go ----------------------------------------------------------------------------------------


def asked_to_go(world: World, node: str = "node-7") -> World:
    """Somebody deletes the Pod of a running build, with 30 s of grace."""
    (pod,) = world.live_pods()
    pod["spec"]["nodeName"] = node
    world.pass_time(30)
    pod["metadata"] |= {"deletionTimestamp": format_time(world.now), "deletionGracePeriodSeconds": 30}
    world.pass_time(-30)
    return world


def test_a_pod_that_goes_in_its_time_is_waited_for() -> None:
    world = asked_to_go(World().begun())
    writes = len(world.writes)
    assert world.step() == Wait(60.0)
    world.pass_time(59)
    assert world.step() == Wait(1.0)
    assert len(world.writes) == writes


def test_a_pod_that_does_not_go_is_told_and_never_forced() -> None:
    world = asked_to_go(World().begun())
    world.pass_time(60)
    actions = len(world.actions)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.BUILDING, Reason.POD_TERMINATING)
    message = world.status["conditions"][0]["message"]
    assert "on node node-7" in message
    assert "--force" in message
    assert world.actions[actions:] == ["status Building"]
    world.pass_time(600)
    world.step()
    assert len(world.actions) == actions + 1


def test_a_pod_that_went_at_last_is_tried_again() -> None:
    world = asked_to_go(World().begun())
    world.pass_time(120)
    world.step()
    world.remove_pods()
    world.step()
    assert world.reason() == Reason.RETRYING
    assert world.status["failure"]["reason"] == Reason.POD_LOST
    world.wait_for_retry()
    assert world.status["phase"] == Phase.BUILDING
    assert world.most_live == 1


def test_a_pod_that_never_goes_ends_the_run_with_its_time() -> None:
    world = asked_to_go(World(spec=inline_spec(timeout="10m")).begun())
    world.pass_time(630)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.TIMEOUT)
    assert not any(action.startswith("delete") for action in world.actions)


def test_a_pod_without_a_node_that_does_not_go_is_told_without_one() -> None:
    world = World()
    world.step()
    asked_to_go(world, node="")
    world.pass_time(60)
    world.step()
    assert world.reason() == Reason.POD_TERMINATING
    assert "on node" not in world.status["conditions"][0]["message"]


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_no_time_that_a_pod_claims_makes_a_decision_fail(moment: str) -> None:
    world = World(spec=inline_spec(noOutputTimeout="8760h", timeout="8760h")).begun()
    (pod,) = world.live_pods()
    pod["metadata"] |= {"deletionTimestamp": moment, "deletionGracePeriodSeconds": 30}
    pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = moment
    world.step()
    assert world.status["phase"] == Phase.BUILDING
