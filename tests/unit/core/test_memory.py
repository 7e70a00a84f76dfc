"""Builds that run out of memory: the next attempt has more, the next run starts with what was enough."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.api.names import EventReason, Phase, Reason
from imagebuild_operator.core.decisions import FetchLastOutput, Wait
from imagebuild_operator.core.killed import at_the_limit, by_the_node
from imagebuild_operator.core.outcome import HINT_BYTES
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.reading import JSON
from imagebuild_operator.core.times import format_time
from imagebuild_operator.pod.quantities import amount
from tests.unit.core.kstatus import kstatus
from tests.unit.core.world import DIGEST, World, inline_spec, pod_settings

DAY = 24 * 3600
STEP_KILLED = (
    "error building image: error building stage: failed to execute command: waiting for process to exit: signal: killed"
)
CHILD_KILLED = STEP_KILLED.replace("signal: killed", "exit status 137")
PUSH_FAILED = "error pushing image: failed to push to destination web:1: PUT https://r.example.com: DENIED: no\n"


def limited(memory: str = "1Gi", **spec: Any) -> World:
    """A build with this memory limit, whose attempts may have up to 8Gi."""
    return World(spec=inline_spec(resources={"limits": {"memory": memory}}, timeout="100h", **spec))


def resources(world: World) -> JSON:
    (pod,) = world.live_pods()
    found: JSON = pod["spec"]["containers"][0]["resources"]
    return found


def limit(world: World) -> str:
    """The limit of the Pod that lives."""
    found: str = resources(world)["limits"]["memory"]
    return found


def starve(world: World, *, go_on: bool = True) -> None:
    """The attempt runs out of memory, and the next one starts."""
    world.start_pod()
    world.step()
    world.fail_pod(Reason.OUT_OF_MEMORY)
    world.step()
    if go_on:
        assert world.reason() == Reason.RETRYING, world.status
        world.wait_for_retry()


def succeed(world: World) -> None:
    world.start_pod()
    world.step()
    world.end_pod()
    world.step()
    assert world.status["phase"] == Phase.SUCCEEDED
    world.kubelet()
    world.pods.clear()


def grown(memory: str = "1Gi", **spec: Any) -> World:
    """A build that has learned twice its limit."""
    world = limited(memory, **spec)
    world.step()
    starve(world)
    succeed(world)
    return world


def again(world: World, token: str = "again") -> None:
    world.request(token)
    world.step()


# --- more memory for the next attempt ------------------------------------------------------------------------------


def test_the_next_attempt_has_twice_the_memory_and_the_write_that_says_so_comes_first() -> None:
    world = limited()
    world.step()
    assert limit(world) == "1Gi"
    assert "memory" not in world.status
    starve(world, go_on=False)
    assert (world.status["phase"], world.reason()) == (Phase.PENDING, Reason.RETRYING)
    assert kstatus(world.generation, world.status) == "InProgress"
    assert world.status["memory"] == {"limit": "2Gi"}
    assert world.status["run"]["retries"] == {"memory": 1}
    assert "with 2Gi of memory" in world.status["conditions"][0]["message"]
    assert world.status["failure"]["reason"] == Reason.OUT_OF_MEMORY
    assert "limit of 1Gi (exit code 137)" in world.status["failure"]["message"]
    assert "above 1Gi" in world.status["failure"]["hint"]
    (told,) = world.writes[-1].announcements
    assert (told.reason, told.about, told.warning) == ("OutOfMemory", "run 1 attempt 1", True)
    assert "Attempt 2 of run 1" in told.note
    assert "with 2Gi of memory" in told.note
    assert told.note.endswith("(exit code 137)."), "the operator has just done what the hint asks for"
    [stands] = [each["message"] for each in world.status["conditions"] if each["type"] == "Reconciling"]
    assert stands == told.note
    world.edit(ttlSecondsAfterFinished=60)
    world.step()
    assert stands in [each["message"] for each in world.status["conditions"]]
    world.wait_for_retry()
    assert limit(world) == "2Gi"
    succeed(world)
    assert world.status["digest"] == DIGEST
    assert "failure" not in world.status


def test_a_raise_costs_no_more_writes_than_any_other_attempt() -> None:
    world = limited()
    world.step()
    done = len(world.actions)
    starve(world)
    succeed(world)
    again(world)
    succeed(world)
    kinds = [action.split()[0] for action in world.actions[done:]]
    assert kinds == ["status", "status", "create", "status", "status", "create", "status"]


@pytest.mark.parametrize(
    ("own", "retry", "limits"),
    [
        ("1Gi", {}, ["1Gi", "2Gi", "4Gi"]),
        ("1536Mi", {}, ["1536Mi", "3Gi", "6Gi"]),
        ("100M", {}, ["100M", "200M", "400M"]),
        ("1Gi", {"memoryFactor": 3}, ["1Gi", "3Gi", "8Gi"]),
        ("1Gi", {"memoryFactor": 10, "memoryLimit": "1Ti"}, ["1Gi", "10Gi", "100Gi"]),
        ("1Gi", {"memoryLimit": "1500Mi"}, ["1Gi", "1500Mi"]),
        ("512Pi", {"memoryFactor": 10, "memoryLimit": "1e99"}, ["512Pi", "1Ei"]),
        ("1Gi", {"memoryLimit": "1Gi"}, ["1Gi"]),
        ("1Gi", {"memoryFactor": 1}, ["1Gi"]),
        ("8Gi", {}, ["8Gi"]),
        ("16Gi", {}, ["16Gi"]),
        ("1Gi", {"limit": 0}, ["1Gi", "2Gi", "4Gi"]),
    ],
)
def test_the_limit_grows_by_the_factor_up_to_the_highest(own: str, retry: JSON, limits: list[str]) -> None:
    world = limited(own, retry=retry)
    world.step()
    seen = []
    while world.status["phase"] != Phase.FAILED:
        seen.append(limit(world))
        starve(world, go_on=False)
        if world.status["phase"] != Phase.FAILED:
            world.wait_for_retry()
    assert seen == limits
    assert world.reason() == Reason.OUT_OF_MEMORY
    assert f"limit of {limits[-1]}" in world.status["failure"]["message"]
    assert world.status["run"].get("retries", {}).get("memory", 0) == len(limits) - 1


def test_the_operators_settings_apply_where_the_spec_says_nothing() -> None:
    world = World(policy=Policy(pod=pod_settings(), memory_factor=3, memory_limit=9 * 1024**3, memory_raises=5))
    world.step()
    seen = []
    while world.status["phase"] != Phase.FAILED:
        seen.append(limit(world))
        starve(world, go_on=False)
        if world.status["phase"] != Phase.FAILED:
            world.wait_for_retry()
    assert seen == ["2Gi", "6Gi", "9Gi"]


def test_no_raises_at_all() -> None:
    world = World(policy=Policy(pod=pod_settings(), memory_raises=0)).begun()
    world.fail_pod(Reason.OUT_OF_MEMORY)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.OUT_OF_MEMORY)
    assert "memory" not in world.status


def test_what_is_set_aside_for_the_build_grows_with_its_limit() -> None:
    world = limited()
    world.edit(resources={"requests": {"memory": "256Mi", "cpu": "1"}, "limits": {"memory": "1Gi"}})
    world.step()
    starve(world)
    assert resources(world)["requests"] == {"memory": "512Mi", "cpu": "1"}
    world = limited()
    world.edit(resources={"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}})
    world.step()
    starve(world)
    assert (resources(world)["requests"]["memory"], limit(world)) == ("2Gi", "2Gi"), "guaranteed stays guaranteed"


def test_the_heap_of_the_executor_grows_with_its_limit() -> None:
    world = limited()
    world.step()
    (pod,) = world.live_pods()
    before = next(entry["value"] for entry in pod["spec"]["containers"][0]["env"] if entry["name"] == "GOMEMLIMIT")
    starve(world)
    (pod,) = world.live_pods()
    after = next(entry["value"] for entry in pod["spec"]["containers"][0]["env"] if entry["name"] == "GOMEMLIMIT")
    assert int(after.removesuffix("MiB")) >= 2 * int(before.removesuffix("MiB")) - 1


def test_an_init_container_that_ran_out_of_memory_is_not_given_more() -> None:
    """Its limit is another one."""
    world = limited().begun()
    terminated = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": format_time(world.now)}
    (pod,) = world.live_pods()
    pod["status"] = {
        "phase": "Failed",
        "initContainerStatuses": [{"name": "prepare", "state": {"terminated": terminated}}],
    }
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.OUT_OF_MEMORY)
    assert "spec.sourceResources.limits.memory" in world.status["failure"]["hint"]


def test_a_failure_of_another_kind_keeps_the_raised_limit() -> None:
    world = limited()
    world.step()
    starve(world)
    world.start_pod()
    world.step()
    world.fail_pod(Reason.DISRUPTED)
    world.step()
    assert world.status["run"]["retries"] == {"memory": 1, "disruptions": 1}
    world.wait_for_retry()
    assert limit(world) == "2Gi"


def test_the_spec_may_turn_it_off_meanwhile() -> None:
    world = limited()
    world.step()
    starve(world, go_on=False)
    world.edit(retry={"memoryFactor": 1})
    world.step()
    assert limit(world) == "1Gi"


# --- what a user sets ----------------------------------------------------------------------------------------------


def test_a_limit_that_the_user_raises_above_the_raised_one_wins_at_once() -> None:
    world = limited()
    world.step()
    starve(world, go_on=False)
    world.edit(resources={"limits": {"memory": "3Gi"}})
    world.step()
    assert (world.status["run"]["attempt"], limit(world)) == (2, "3Gi")
    succeed(world)
    assert "memory" not in world.status, "the spec says it now"


def test_a_limit_that_the_user_raises_below_the_raised_one_does_not() -> None:
    world = limited()
    world.step()
    starve(world, go_on=False)
    world.edit(resources={"limits": {"memory": "1200Mi"}})
    world.step()
    assert limit(world) == "2Gi"


def test_a_limit_set_above_the_learned_one_wins_and_ends_it() -> None:
    world = grown()
    world.edit(resources={"limits": {"memory": "6Gi"}})
    again(world)
    assert limit(world) == "6Gi"
    succeed(world)
    assert "memory" not in world.status


def test_a_limit_of_zero_which_is_none_wins_over_the_learned_one() -> None:
    world = grown()
    world.edit(resources={"limits": {"memory": "0"}})
    again(world)
    assert limit(world) == "0"


# --- what is learned -----------------------------------------------------------------------------------------------


def test_the_next_run_starts_with_what_was_enough() -> None:
    world = grown()
    assert world.status["memory"] == {"learned": "2Gi", "learnedTime": format_time(world.now)}
    told = world.writes[-1].announcements[0]
    assert (told.reason, told.warning) == ("Succeeded", False)
    assert "2Gi of memory" in told.note
    again(world)
    assert (world.status["run"]["number"], world.status["run"]["attempt"], limit(world)) == (2, 1, "2Gi")
    learned = world.status["memory"]
    world.pass_time(3600)
    succeed(world)
    assert world.status["memory"] == learned, "a success with it makes it no younger"


def test_a_run_that_needs_even_more_learns_that() -> None:
    world = grown()
    again(world)
    starve(world)
    assert limit(world) == "4Gi"
    world.pass_time(60)
    succeed(world)
    assert world.status["memory"] == {"learned": "4Gi", "learnedTime": format_time(world.now)}


def test_nothing_is_learned_from_a_failure() -> None:
    world = limited()
    world.step()
    starve(world)
    world.start_pod()
    world.fail_pod(Reason.BUILD_FAILED)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.BUILD_FAILED)
    again(world)
    assert limit(world) == "1Gi"
    assert "memory" not in world.status


def test_a_run_that_fails_leaves_what_was_learned() -> None:
    world = grown()
    learned = world.status["memory"]
    again(world)
    starve(world)
    world.start_pod()
    world.fail_pod(Reason.BUILD_FAILED)
    world.step()
    assert world.status["memory"] == learned | {"limit": "4Gi"}
    again(world, "once more")
    assert limit(world) == "2Gi"
    assert world.status["memory"] == learned


def test_a_learned_limit_is_tried_with_less_after_a_time() -> None:
    world = limited("512Mi", retry={"memoryFactor": 4})
    world.step()
    starve(world)
    succeed(world)
    assert world.status["memory"]["learned"] == "2Gi"
    world.pass_time(7 * DAY - 1)
    again(world, "in time")
    assert limit(world) == "2Gi"
    succeed(world)
    world.pass_time(1)
    again(world, "too old")
    assert limit(world) == "512Mi"
    succeed(world)
    assert "memory" not in world.status, "it needs no more than the spec says by now"


def test_one_step_at_a_time_however_old_it_is() -> None:
    world = grown()
    again(world)
    starve(world)
    succeed(world)
    world.pass_time(365 * DAY)
    again(world, "next year")
    assert limit(world) == "2Gi"
    succeed(world)
    assert world.status["memory"] == {"learned": "2Gi", "learnedTime": format_time(world.now)}
    world.pass_time(DAY)
    again(world, "next day")
    assert limit(world) == "2Gi"


def test_a_step_back_that_was_one_too_many_costs_one_attempt_in_that_time() -> None:
    world = grown()
    world.pass_time(8 * DAY)
    again(world)
    assert limit(world) == "1Gi"
    starve(world)
    assert limit(world) == "2Gi"
    succeed(world)
    assert world.status["memory"] == {"learned": "2Gi", "learnedTime": format_time(world.now)}
    again(world, "at once")
    assert limit(world) == "2Gi"


@pytest.mark.parametrize("end", ["no raises", "another failure", "out of time", "out of time by its node"])
def test_a_step_back_that_a_run_fails_over_is_not_tried_again_by_the_next(end: str) -> None:
    world = grown()
    world.pass_time(8 * DAY)
    if end == "no raises":
        world.policy = replace(world.policy, memory_raises=0)
    again(world)
    assert limit(world) == "1Gi"
    world.start_pod()
    world.step()
    if end == "out of time":
        world.pass_time(100 * 3600 + 30)
    elif end == "out of time by its node":
        world.end_pod(exit_code=2, message="", reason="Error", pod_reason="DeadlineExceeded")
    else:
        world.fail_pod(Reason.OUT_OF_MEMORY)
    world.step()
    if end == "another failure":
        world.wait_for_retry()
        world.start_pod()
        world.fail_pod(Reason.BUILD_FAILED)
        world.step()
    assert world.status["phase"] == Phase.FAILED
    world.kubelet()
    world.pods.clear()
    again(world, "once more")
    assert limit(world) == "2Gi"


def test_a_step_back_in_which_something_else_fails_is_tried_again() -> None:
    world = grown()
    world.pass_time(8 * DAY)
    again(world)
    world.start_pod()
    world.fail_pod(Reason.BUILD_FAILED)
    world.step()
    again(world, "once more")
    assert limit(world) == "1Gi"


def test_what_is_learned_may_be_kept_for_good() -> None:
    world = grown()
    world.policy = replace(world.policy, memory_decay=None)
    world.pass_time(365 * DAY)
    again(world)
    assert limit(world) == "2Gi"


def test_a_factor_of_one_forgets() -> None:
    world = grown()
    world.edit(retry={"memoryFactor": 1})
    again(world)
    assert limit(world) == "1Gi"
    succeed(world)
    assert "memory" not in world.status


def test_a_lower_highest_limit_counts_for_what_was_learned() -> None:
    world = grown(retry={"memoryLimit": "8Gi"})
    world.edit(retry={"memoryLimit": "1500Mi"})
    again(world)
    assert limit(world) == "1500Mi"


def test_a_run_that_begins_in_the_write_that_ends_another_starts_with_what_that_learned() -> None:
    world = limited()
    world.step()
    starve(world)
    world.start_pod()
    world.step()
    world.end_pod()
    world.request("next")
    world.step()
    assert world.status["run"]["number"] == 2
    assert world.status["memory"] == {"learned": "2Gi", "learnedTime": format_time(world.now)}
    assert limit(world) == "2Gi"


def test_a_run_that_follows_a_failed_one_in_the_same_write_has_the_specs_limit() -> None:
    world = limited()
    world.step()
    starve(world)
    world.start_pod()
    world.step()
    world.fail_pod(Reason.BUILD_FAILED)
    world.edit(resources={"limits": {"memory": "1100Mi"}})
    world.step()
    assert world.status["run"]["number"] == 2
    assert limit(world) == "1100Mi"


@given(
    own=st.sampled_from(["64Mi", "1Gi", "3Gi", "16Gi", "1e40"]),
    retry=st.fixed_dictionaries(
        {},
        optional={
            "memoryFactor": st.integers(1, 10),
            "memoryLimit": st.sampled_from(["0", "1Gi", "5Gi", "1e99", "1n", "x"]),
        },
    ),
    ends=st.lists(st.sampled_from(["starves", "succeeds", "breaks"]), min_size=1, max_size=6),
)
def test_no_limit_is_below_the_specs_and_every_life_comes_to_rest(own: str, retry: JSON, ends: list[str]) -> None:
    world = limited(own, retry=retry)
    world.step()
    for number, end in enumerate(ends):
        if not world.live_pods():
            again(world, f"run {number}")
        mine = amount(limit(world))
        assert mine is not None
        assert mine >= (amount(own) or 0)
        if end == "succeeds":
            succeed(world)
        elif end == "breaks":
            world.start_pod()
            world.fail_pod(Reason.BUILD_FAILED)
            world.step()
            assert world.status["phase"] == Phase.FAILED
        else:
            starve(world, go_on=False)
            if world.status["phase"] != Phase.FAILED:
                world.wait_for_retry()


# --- a namespace that takes no larger Pod --------------------------------------------------------------------------

RANGE = "pods is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi"
RATIO = "pods is forbidden: memory max limit to request ratio per Container is 2, but provided ratio is 4.000000"


def quota(requested: str, limited: str, used: str = "limits.memory=0") -> str:
    return f"pods is forbidden: exceeded quota: team, requested: {requested}, used: {used}, limited: {limited}"


def refused(message: str) -> World:
    """A build whose second attempt, with 2Gi, is refused."""
    world = limited()
    world.step()
    starve(world, go_on=False)
    world.refuse = (403, message)
    world.wait_for_retry()
    return world


@pytest.mark.parametrize(
    "message",
    [
        RANGE,
        RATIO,
        quota("limits.memory=2Gi", "limits.memory=1536Mi"),
        quota("requests.memory=1Gi,limits.memory=2Gi", "requests.memory=512Mi,limits.memory=10Gi"),
        quota("memory=2Gi", "memory=1Gi"),
        quota("cpu=1,limits.memory=2Gi", "cpu=4,limits.memory=1Gi"),
    ],
)
def test_a_namespace_that_never_takes_the_larger_pod_ends_the_run_at_once(message: str) -> None:
    world = refused(message)
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.MEMORY_NOT_ALLOWED)
    failure = world.status["failure"]
    assert "takes no Pod with 2Gi" in failure["message"]
    assert message in failure["message"]
    assert "spec.retry.memoryLimit" in failure["hint"]
    assert [entry["reason"] for entry in world.status["run"]["attempts"]] == ["MemoryNotAllowed", "OutOfMemory"]
    assert len([action for action in world.actions if action.startswith("refused")]) == 1
    assert isinstance(world.step(), Wait)


def test_a_quota_that_others_use_up_is_waited_for_until_the_time_to_start_is_over() -> None:
    message = quota("limits.memory=2Gi", "limits.memory=4Gi", used="limits.memory=3Gi")
    world = refused(message)
    assert (world.status["phase"], world.reason()) == (Phase.PENDING, Reason.POD_FORBIDDEN)
    world.pass_time(601)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.MEMORY_NOT_ALLOWED)


def test_a_quota_that_gets_free_lets_the_larger_pod_in() -> None:
    world = refused(quota("limits.memory=2Gi", "limits.memory=4Gi", used="limits.memory=3Gi"))
    world.refuse = None
    world.pass_time(10)
    world.step()
    assert limit(world) == "2Gi"


@pytest.mark.parametrize("message", ["violates PodSecurity", quota("pods=1", "pods=4", used="pods=4"), quota("", "")])
def test_a_refusal_that_has_nothing_to_do_with_memory_keeps_its_own_end(message: str) -> None:
    world = refused(message)
    assert world.reason() == Reason.POD_FORBIDDEN
    world.pass_time(601)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.START_TIMEOUT)


def test_a_first_pod_that_is_too_large_by_the_spec_is_no_matter_of_memory_learned() -> None:
    world = limited()
    world.refuse = (403, RANGE)
    world.step()
    assert world.reason() == Reason.POD_FORBIDDEN


def test_a_learned_limit_that_is_no_longer_allowed_says_so() -> None:
    world = grown()
    world.refuse = (403, RANGE)
    again(world)
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.MEMORY_NOT_ALLOWED)


def test_a_larger_pod_that_no_node_takes_says_why_it_is_larger() -> None:
    world = limited()
    world.step()
    starve(world)
    (pod,) = world.live_pods()
    scheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: Insufficient memory."}
    pod["status"] = {"phase": "Pending", "conditions": [scheduled]}
    world.pass_time(601)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.START_TIMEOUT)
    assert "Insufficient memory" in world.status["failure"]["message"]
    assert "was to have 2Gi" in world.status["failure"]["message"]


# --- who was killed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exit_code", "said", "who"),
    [
        (137, "", "The executor was killed"),
        (137, "INFO[0003] Taking snapshot of full filesystem...", "The executor was killed"),
        (255, STEP_KILLED, "A process of a RUN step was killed"),
        (137, CHILD_KILLED, "A process of a RUN step was killed"),
        (1, "error building image: waiting for process to exit: exit status 1", "A process of the build was killed"),
    ],
)
def test_who_was_killed(exit_code: int, said: str, who: str) -> None:
    message, what = at_the_limit(exit_code, said, 128 * 2**20)
    assert message == f"{who} at the build's memory limit of 128Mi (exit code {exit_code})."
    assert what == "Raise spec.resources.limits.memory above 128Mi; that alone builds again."


def test_without_a_known_limit_none_is_named() -> None:
    message, what = at_the_limit(137, "", None)
    assert message == "The executor was killed at the build's memory limit (exit code 137)."
    assert what == "Raise spec.resources.limits.memory; that alone builds again."


LOW = "The node was low on resource: {}. Threshold quantity: 200Mi, available: 96Mi. Container build was using 700Mi. "
REJECTED = "Pod was rejected: The node had condition: [{}]. "


@pytest.mark.parametrize(
    ("said", "request_of"),
    [
        (LOW.format("memory"), "requests.memory"),
        (LOW.format("ephemeral-storage"), "requests.ephemeral-storage"),
        (LOW.format("inodes"), "requests"),
        (LOW.format("pids"), "requests"),
        (REJECTED.format("MemoryPressure"), "requests.memory"),
        (REJECTED.format("DiskPressure"), "requests"),
        (REJECTED.format("DiskPressure MemoryPressure"), "requests"),
        ("", "requests"),
    ],
)
def test_what_the_node_was_short_of_is_the_request_that_is_worth_raising(said: str, request_of: str) -> None:
    hint = by_the_node(said)
    assert re.findall(r"spec\.resources\.(requests(?:\.[a-z-]+)?)", hint) == [request_of]
    assert len(hint.encode()) <= HINT_BYTES
    assert "spec.resources.limits" not in hint


def test_an_eviction_for_the_nodes_memory_is_tried_again_as_it_was() -> None:
    world = limited()
    world.step()
    world.start_pod()
    world.step()
    # The kubelet says so of the container, too, where the kernel was quicker.
    world.end_pod(exit_code=137, message="", reason="OOMKilled", pod_reason="Evicted")
    world._only_pod()["status"] |= {
        "message": LOW.format("memory"),
        "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}],
    }
    world.step()
    assert world.status["failure"]["reason"] == Reason.EVICTED
    assert "low on resource: memory" in world.status["failure"]["message"]
    assert world.status["run"]["retries"] == {"disruptions": 1}
    assert "memory" not in world.status
    world.wait_for_retry()
    assert limit(world) == "1Gi"


def test_a_shell_killed_without_the_nodes_word_is_a_hint_only() -> None:
    world = World(log=f"{STEP_KILLED}\n").built(exit_code=255, message="", reason="Error")
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.STEP_FAILED)
    assert "spec.resources.limits.memory" in world.status["failure"]["hint"]
    world = World(log=f"{CHILD_KILLED}\n").built(exit_code=137, message="", reason="Error")
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.STEP_FAILED)
    assert "memory" not in world.status["failure"]["hint"]


def test_an_executor_killed_without_the_nodes_word_is_not_explained_by_what_a_step_said_before() -> None:
    world = World(log="fatal: of a step\nlast line of a step\n").built(exit_code=137, message="", reason="Error")
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.EXECUTOR_FAILED)
    failure = world.status["failure"]
    assert failure["message"] == "The executor was killed (exit code 137), and its node does not say what for."
    assert "memory" in failure["hint"]
    assert "memory" not in world.status, "a hint is no verdict"


def test_a_step_killed_for_memory_is_not_taken_for_a_push_by_what_it_printed_last() -> None:
    """Two pipes: it may come after the executor's own words."""
    log = f"{STEP_KILLED.replace('signal: killed', 'exit status 1')}\n{PUSH_FAILED}"
    world = World(log=log, policy=Policy(pod=pod_settings(), memory_raises=0))
    world.built(exit_code=1, message="", reason="OOMKilled")
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.OUT_OF_MEMORY)


def test_a_push_that_fails_after_a_kill_that_was_survived_is_the_pushs_failure() -> None:
    world = World(log=PUSH_FAILED).built(exit_code=1, message="", reason="OOMKilled")
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.REGISTRY_AUTH_FAILED)


def test_a_success_in_which_something_was_killed_is_warned_of_for_as_long_as_it_stands() -> None:
    world = World().built(reason="OOMKilled")
    assert (world.status["phase"], world.status["digest"]) == (Phase.SUCCEEDED, DIGEST)
    messages = {condition["message"] for condition in world.status["conditions"]}
    assert len(messages) == 1
    said = messages.pop()
    assert f"Pushed {world.status['image']}. But a process of the build was killed at the memory limit of " in said
    assert "spec.resources.limits.memory above " in said
    # Unlike after a failure, another limit alone is no reason to build again.
    assert "imagebuild.dev/requestedAt" in said
    (told,) = world.writes[-1].announcements
    assert (told.reason, told.warning) == (EventReason.OUT_OF_MEMORY_SURVIVED, True)
    writes = len(world.writes)
    assert world.step() == Wait()
    assert len(world.writes) == writes
    world.edit(priority=5)
    world.step()
    assert "killed at the memory limit" in world.status["conditions"][0]["message"]
    again(world)
    world.start_pod()
    world.end_pod()
    world.step()
    assert "killed" not in world.status["conditions"][0]["message"]


# --- silence -------------------------------------------------------------------------------------------------------


def silent(**retry: Any) -> World:
    world = limited(noOutputTimeout="5m", retry=retry)
    world.log = "step 7\n"
    world.step()
    return world


def fall_silent(world: World) -> None:
    world.start_pod()
    world.step()
    world.pass_time(300)
    world.step()


def test_silence_counts_as_memory_once() -> None:
    world = silent()
    first = world.status["run"]["podName"]
    fall_silent(world)
    assert (world.status["phase"], world.reason()) == (Phase.PENDING, Reason.RETRYING)
    assert world.status["memory"] == {"limit": "2Gi"}
    assert world.status["failure"]["logTail"] == "step 7"
    (told,) = world.writes[-1].announcements
    assert told.note.endswith(world.status["failure"]["hint"]), "more memory is a guess here"
    assert world.actions[-2:] == ["status Pending", f"delete {first}"]
    world.kubelet()
    world.wait_for_retry()
    assert limit(world) == "2Gi"
    fall_silent(world)
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.NO_OUTPUT)
    assert world.most_live == 1


def test_a_build_that_ran_out_of_memory_may_still_be_silent_once() -> None:
    world = silent()
    starve(world)
    fall_silent(world)
    assert world.status["memory"] == {"limit": "4Gi"}


@pytest.mark.parametrize("retry", [{"memoryFactor": 1}, {"memoryLimit": "1Gi"}])
def test_silence_ends_the_run_where_there_is_no_more_memory(retry: JSON) -> None:
    world = silent(**retry)
    fall_silent(world)
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.NO_OUTPUT)


def late(said_until: float | None, log: str = "step 7\n", *, by_kubelet: bool = True) -> World:
    """A build of 10 minutes that ran out of time, and said something for the last time after so many seconds."""
    world = World(spec=inline_spec(timeout="10m"), log=log).begun()
    started = world.now
    if said_until is not None:
        world.pass_time(said_until)
        world.last_output = world.now
    world.now = started
    world.pass_time(600)
    if by_kubelet:
        world.end_pod(exit_code=2, message="", reason="Error", pod_reason="DeadlineExceeded")
        (status,) = world._only_pod()["status"]["containerStatuses"]
        status["state"]["terminated"]["startedAt"] = format_time(started)
    else:
        world.pass_time(30)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.TIMEOUT)
    return world


@pytest.mark.parametrize("by_kubelet", [True, False])
def test_a_silent_last_third_of_a_build_out_of_time_is_a_hint(by_kubelet: bool) -> None:
    world = late(300, by_kubelet=by_kubelet)
    told = world.status["failure"]["hint"]
    assert told.startswith("Raise spec.timeout. It said nothing for its last 5m")
    assert "spec.resources.limits.memory" in told
    assert "memory" not in world.status, "a hint is no verdict"


@pytest.mark.parametrize("by_kubelet", [True, False])
@pytest.mark.parametrize(("said_until", "log"), [(450, "step 7\n"), (300, "")])
def test_a_build_that_was_heard_of_lately_or_has_no_log_is_only_late(
    said_until: float, log: str, by_kubelet: bool
) -> None:
    assert late(said_until, log, by_kubelet=by_kubelet).status["failure"]["hint"] == "Raise spec.timeout."


def test_a_third_is_enough() -> None:
    assert "memory" in late(400).status["failure"]["hint"]
    assert "memory" not in late(401).status["failure"]["hint"]


def test_when_it_last_said_something_is_asked_once_and_only_of_a_build_out_of_time() -> None:
    looks = []

    class Listening(World):
        def _find_out(self, at: Any, gathered: dict[str, Any]) -> None:
            looks.append(at)
            super()._find_out(at, gathered)

    world = Listening(log="said\n").built(exit_code=1, message="", reason="Error")
    assert world.reason() == Reason.BUILD_FAILED
    assert not [look for look in looks if isinstance(look, FetchLastOutput)]
