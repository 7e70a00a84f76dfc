"""Which failures are tried again, how often, when, and what is told of the attempts."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.api.names import Phase, Reason
from imagebuild_operator.api.v1alpha1 import Retries, Run
from imagebuild_operator.core.decisions import Result, Wait
from imagebuild_operator.core.failures import CAUSES
from imagebuild_operator.core.retry import CLASSES, DISRUPTIONS, LONGEST_SECONDS, FailureClass, following
from imagebuild_operator.core.times import parse_time
from tests.unit.core.kstatus import kstatus
from tests.unit.core.world import DIGEST, START, World, inline_spec

TRANSIENT = [Reason.REGISTRY_UNAVAILABLE, Reason.RATE_LIMITED, Reason.SOURCE_UNREACHABLE]
DISRUPTION = [Reason.DISRUPTED, Reason.EVICTED, Reason.POD_LOST]
MEMORY = [Reason.OUT_OF_MEMORY, Reason.NO_OUTPUT]
# Reasons that no failure has: of states, and of ends on purpose.
NO_FAILURE = {
    Reason.QUEUED,
    Reason.BUILDING,
    Reason.POD_NOT_STARTING,
    Reason.POD_FORBIDDEN,
    Reason.POD_TERMINATING,
    Reason.SCHEDULING_GATED,
    Reason.RETRYING,
    Reason.SUSPENDED,
    Reason.SUCCEEDED,
    Reason.CANCELLED,
    Reason.SUPERSEDED,
}


# --- the table of classes ------------------------------------------------------------------------------------------


def test_every_failure_has_its_class() -> None:
    assert set(CLASSES) == set(Reason) - NO_FAILURE
    assert {cause.reason for cause in CAUSES} <= set(CLASSES)


@pytest.mark.parametrize("reason", CLASSES)
def test_only_what_may_pass_by_itself_is_tried_again(reason: Reason) -> None:
    again = following(run(), reason, limit=2, raises=2, seed="s", now=START)
    assert (again is not None) is (reason in TRANSIENT + DISRUPTION + MEMORY)
    theirs = (FailureClass.THEIRS, FailureClass.MISSING)
    assert (CLASSES[reason] not in theirs) is (again is not None)


# --- budgets and back-off ------------------------------------------------------------------------------------------


ALL = {"failures": 2, "disruptions": 3}


def run(**retries: int) -> Run:
    return Run(number=1, generation=1, inputs_hash="v1:0", spec_hash="v1:0", attempt=1, retries=Retries(**retries))


@pytest.mark.parametrize(
    ("reason", "used", "limit", "counts"),
    [
        (Reason.RATE_LIMITED, {}, 2, {"failures": 1}),
        (Reason.RATE_LIMITED, {"failures": 1}, 2, {"failures": 2}),
        (Reason.RATE_LIMITED, {"failures": 2}, 2, None),
        (Reason.RATE_LIMITED, {}, 0, None),
        (Reason.RATE_LIMITED, {"disruptions": 3}, 1, {"failures": 1, "disruptions": 3}),
        (Reason.RATE_LIMITED, {"failures": 9}, 10, {"failures": 10}),
        (Reason.RATE_LIMITED, {"failures": 5}, 2, None),
        (Reason.EVICTED, {}, 0, {"disruptions": 1}),
        (Reason.EVICTED, {"disruptions": 2}, 0, {"disruptions": 3}),
        (Reason.EVICTED, {"disruptions": 3}, 10, None),
        (Reason.EVICTED, {"failures": 2}, 2, {"failures": 2, "disruptions": 1}),
        (Reason.OUT_OF_MEMORY, {}, 0, {"memory": 1}),
        (Reason.OUT_OF_MEMORY, {"failures": 2, "disruptions": 3, "memory": 1}, 2, {**ALL, "memory": 2}),
        (Reason.OUT_OF_MEMORY, {"memory": 2}, 10, None),
        (Reason.NO_OUTPUT, {"memory": 1}, 10, {"memory": 2}),
        (Reason.EVICTED, {"memory": 2}, 0, {"memory": 2, "disruptions": 1}),
        (Reason.RATE_LIMITED, {"memory": 2}, 1, {"memory": 2, "failures": 1}),
        (Reason.BUILD_FAILED, {}, 10, None),
    ],
)
def test_each_class_has_a_budget_of_its_own(
    reason: Reason, used: dict[str, int], limit: int, counts: dict[str, int] | None
) -> None:
    again = following(run(**used), reason, limit=limit, raises=2, seed="s", now=START)
    told = None if again is None else again.counts.model_dump(exclude_none=True)
    assert told == counts


@pytest.mark.parametrize(
    ("reason", "field", "seconds"),
    [
        (Reason.REGISTRY_UNAVAILABLE, "failures", [10, 20, 40, 80, 160, 300, 300, 300, 300, 300]),
        (Reason.POD_LOST, "disruptions", [2, 4, 8]),
        (Reason.OUT_OF_MEMORY, "memory", [2, 2]),
    ],
)
def test_the_back_off_doubles_up_to_five_minutes_with_a_quarter_of_jitter(
    reason: Reason, field: str, seconds: list[float]
) -> None:
    for used, expected in enumerate(seconds):
        waits = []
        for seed in map(str, range(200)):
            again = following(run(**{field: used}), reason, limit=10, raises=2, seed=seed, now=START)
            assert again is not None
            waits.append((again.at - START).total_seconds())
        assert expected * 0.75 <= min(waits) < expected * 0.8
        assert expected * 1.2 < max(waits) < expected * 1.25
    assert max(seconds) <= LONGEST_SECONDS


@given(seed=st.text(), used=st.integers(0, 9))
def test_the_jitter_is_the_same_for_the_same_attempt(seed: str, used: int) -> None:
    first, second = (
        following(run(failures=used), Reason.RATE_LIMITED, limit=10, raises=2, seed=seed, now=START) for _ in range(2)
    )
    assert first == second
    assert first is not None
    later = following(
        run(failures=used), Reason.RATE_LIMITED, limit=10, raises=2, seed=seed, now=START + timedelta(hours=1)
    )
    assert later is not None
    assert later.at - first.at == timedelta(hours=1)


def test_builds_that_fail_together_do_not_come_back_together() -> None:
    times = {
        following(run(), Reason.RATE_LIMITED, limit=2, raises=2, seed=f"uid-{number}/1/1", now=START)
        for number in range(50)
    }
    assert len(times) == 50


# --- the life of a retry -------------------------------------------------------------------------------------------


def test_a_transient_failure_is_told_and_tried_again_and_the_success_clears_it() -> None:
    world = World().begun()
    world.pass_time(30)
    world.fail_pod()
    writes = len(world.writes)
    rest = world.step()
    assert isinstance(rest, Wait)
    assert len(world.writes) == writes + 1
    assert (world.status["phase"], world.reason()) == (Phase.PENDING, Reason.RETRYING)
    assert kstatus(world.generation, world.status) == "InProgress"
    assert world.status["failure"]["reason"] == Reason.REGISTRY_UNAVAILABLE
    due = parse_time(world.status["run"]["nextAttemptTime"])
    assert due is not None
    assert rest.after is not None
    assert rest.after >= (due - world.now).total_seconds()
    assert "podName" not in world.status["run"]
    assert world.status["run"]["nextAttemptTime"] in world.status["conditions"][0]["message"]
    (told,) = world.writes[-1].announcements
    assert (told.reason, told.about, told.warning) == ("RegistryUnavailable", "run 1 attempt 1", True)
    assert world.writes[-1].result is None
    world.wait_for_retry()
    assert len(world.writes) == writes + 2
    assert world.status["run"]["attempt"] == 2
    assert "nextAttemptTime" not in world.status["run"]
    assert world.status["phase"] == Phase.BUILDING
    world.start_pod()
    world.end_pod()
    world.step()
    assert (world.status["phase"], world.status["digest"]) == (Phase.SUCCEEDED, DIGEST)
    assert "failure" not in world.status
    assert [past["reason"] for past in world.status["history"]] == ["Succeeded"]


def test_a_further_attempt_costs_two_patches_and_a_post() -> None:
    world = World().begun()
    world.fail_pod()
    done = len(world.actions)
    world.step()
    world.pass_time(5)
    world.step()
    world.wait_for_retry()
    world.start_pod()
    world.step()
    assert [action.split()[0] for action in world.actions[done:]] == ["status", "status", "create"]


def test_nothing_starts_before_its_time() -> None:
    world = World().backing_off()
    done = len(world.actions)
    due = parse_time(world.status["run"]["nextAttemptTime"])
    assert due is not None
    world.now = due - timedelta(seconds=1)
    rest = world.step()
    assert len(world.actions) == done
    assert isinstance(rest, Wait)
    assert rest.after is not None
    world.pass_time(rest.after)
    world.step()
    assert len(world.actions) > done, "the time it asked to be woken at is late enough"


def test_the_run_fails_when_its_budget_is_used_up() -> None:
    world = World().begun()
    for _ in range(2):
        world.fail_pod()
        world.step()
        assert world.reason() == Reason.RETRYING
        world.wait_for_retry()
        world.start_pod()
        world.step()
    world.fail_pod(Reason.RATE_LIMITED)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.RATE_LIMITED)
    assert world.status["run"]["retries"] == {"failures": 2}
    assert [entry["reason"] for entry in world.status["run"]["attempts"]] == [
        "RateLimited",
        "RegistryUnavailable",
        "RegistryUnavailable",
    ]
    assert world.writes[-1].result is not None
    assert world.writes[-1].result.outcome == "failed"


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_the_spec_says_how_often(limit: int) -> None:
    world = World(spec=inline_spec(retry={"limit": limit}, timeout="100h")).begun()
    attempts = 1
    world.fail_pod()
    world.step()
    while world.status["phase"] != Phase.FAILED:
        attempts += 1
        world.wait_for_retry()
        world.start_pod()
        world.fail_pod()
        world.step()
    assert attempts == limit + 1


def test_a_run_that_may_not_be_tried_again_is_after_disruptions_all_the_same() -> None:
    world = World(spec=inline_spec(retry={"limit": 0})).begun()
    for number in range(1, DISRUPTIONS + 1):
        world.fail_pod(Reason.DISRUPTED)
        world.step()
        assert world.status["run"]["retries"] == {"disruptions": number}
        world.wait_for_retry()
        assert world.status["run"]["attempt"] == number + 1
        world.start_pod()
        world.step()
    world.fail_pod(Reason.DISRUPTED)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.DISRUPTED)


def test_both_budgets_of_one_run() -> None:
    world = World(spec=inline_spec(timeout="100h")).begun()
    kinds = [Reason.DISRUPTED, Reason.RATE_LIMITED, Reason.DISRUPTED, Reason.REGISTRY_UNAVAILABLE, Reason.DISRUPTED]
    for kind in kinds:
        world.fail_pod(kind)
        world.step()
        world.wait_for_retry()
        world.start_pod()
        world.step()
    assert world.status["run"]["retries"] == {"failures": 2, "disruptions": 3}
    world.end_pod()
    world.step()
    assert world.status["phase"] == Phase.SUCCEEDED
    assert [entry["reason"] for entry in world.status["run"]["attempts"]] == ["Succeeded", *reversed(kinds)]


def test_what_would_fail_again_is_not_tried_again() -> None:
    world = World().begun()
    world.fail_pod(Reason.BUILD_FAILED)
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.BUILD_FAILED)


def test_no_attempt_begins_after_the_runs_time() -> None:
    world = World(spec=inline_spec(timeout="60s")).begun()
    world.pass_time(55)
    world.fail_pod()
    world.step()
    assert (world.status["phase"], world.reason()) == (Phase.FAILED, Reason.REGISTRY_UNAVAILABLE)
    assert "nextAttemptTime" not in world.status["run"]


def test_a_new_run_has_new_budgets() -> None:
    world = World(spec=inline_spec(retry={"limit": 1})).backing_off()
    world.wait_for_retry()
    world.fail_pod()
    world.step()
    assert world.status["phase"] == Phase.FAILED
    world.request("again")
    world.step()
    assert "retries" not in world.status["run"]
    world.fail_pod()
    world.step()
    assert world.reason() == Reason.RETRYING


def test_a_retry_that_finds_no_slot_joins_the_queue_with_its_failure_told() -> None:
    world = World(turn=9).backing_off()
    world.slot = False
    since = world.status["run"]["queuedTime"]
    world.wait_for_retry()
    run = world.status["run"]
    assert (world.status["phase"], world.reason()) == (Phase.QUEUED, Reason.QUEUED)
    assert (run["number"], run["attempt"], run["turn"]) == (1, 1, 9)
    assert "nextAttemptTime" not in run
    assert run["queuedTime"] == since, "a retry is no newer than its run"
    assert world.status["failure"]["reason"] == Reason.REGISTRY_UNAVAILABLE
    writes = len(world.writes)
    world.pass_time(30)
    assert world.step() == Wait(60.0)
    assert len(world.writes) == writes
    world.slot = True
    world.step()
    assert world.status["run"]["attempt"] == 2
    assert len(world.live_pods()) == 1


def test_an_edit_that_only_the_result_depends_on_ends_the_wait() -> None:
    world = World().backing_off()
    world.edit(resources={"limits": {"memory": "4Gi"}})
    world.step()
    assert (world.status["run"]["number"], world.status["run"]["attempt"]) == (1, 2)
    assert world.status["run"]["generation"] == 2


def test_an_edit_of_nothing_that_matters_goes_on_waiting() -> None:
    world = World().backing_off()
    due = world.status["run"]["nextAttemptTime"]
    world.edit(priority=5)
    rest = world.step()
    assert isinstance(rest, Wait)
    assert world.status["run"]["nextAttemptTime"] == due
    assert world.status["observedGeneration"] == 2
    assert world.reason() == Reason.RETRYING


def test_an_edit_that_came_with_the_failure_starts_the_next_run_at_once() -> None:
    world = World().begun()
    world.fail_pod()
    world.edit(resources={"limits": {"memory": "4Gi"}})
    world.step()
    assert (world.status["run"]["number"], world.status["run"]["attempt"]) == (2, 1)
    assert [past["reason"] for past in world.status["history"]] == ["RegistryUnavailable"]


def test_a_clock_that_jumps_back_moves_no_time_that_is_recorded() -> None:
    world = World().backing_off()
    due = world.status["run"]["nextAttemptTime"]
    world.pass_time(-3600)
    rest = world.step()
    assert isinstance(rest, Wait)
    assert world.status["run"]["nextAttemptTime"] == due


# --- what is told of attempts --------------------------------------------------------------------------------------


def test_each_attempt_is_told_with_its_times_and_its_reason() -> None:
    world = World(spec=inline_spec(timeout="10h"))
    world.step()
    world.start_pod()
    world.pass_time(30)
    world.fail_pod(Reason.RATE_LIMITED)
    world.step()
    assert world.status["run"]["attempts"] == [
        {
            "number": 1,
            "startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:00:30Z",
            "reason": "RateLimited",
        }
    ]
    world.wait_for_retry()
    second = world.status["run"]["attempts"][0]
    assert second == {"number": 2, "startTime": second["startTime"]}
    assert second["startTime"] >= "2026-01-01T00:00:37Z"
    assert world.status["run"]["startTime"] == "2026-01-01T00:00:00Z"


def test_the_latest_eight_attempts_are_kept_newest_first() -> None:
    world = World(spec=inline_spec(retry={"limit": 10}, timeout="100h")).begun()
    for _ in range(10):
        world.fail_pod()
        world.step()
        world.wait_for_retry()
    attempts = world.status["run"]["attempts"]
    assert [entry["number"] for entry in attempts] == [11, 10, 9, 8, 7, 6, 5, 4]
    assert ["completionTime" in entry for entry in attempts] == [False] + [True] * 7
    ends = [(entry["startTime"], before["completionTime"]) for entry, before in pairwise(attempts)]
    assert all(before <= start for start, before in ends)


ENDS: list[tuple[str, Any, str]] = [
    ("success", lambda world: world.end_pod(), "Succeeded"),
    ("failure", lambda world: world.end_pod(exit_code=1, message="", reason="Error"), "BuildFailed"),
    ("disruption", lambda world: world.fail_pod(Reason.DISRUPTED), "Disrupted"),
    ("deleted", lambda world: world.remove_pods(), "PodLost"),
    ("cancel", lambda world: world.cancel("now"), "Cancelled"),
    ("suspend", lambda world: world.edit(suspend=True), "Suspended"),
]


@pytest.mark.parametrize(("end", "reason"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_the_end_of_the_latest_attempt_is_told(end: Any, reason: str) -> None:
    world = World().begun()
    world.pass_time(7)
    end(world)
    world.step()
    (attempt,) = world.status["run"]["attempts"]
    assert (attempt["reason"], attempt["completionTime"]) == (reason, "2026-01-01T00:00:07Z")


def test_an_attempt_that_never_started_is_replaced_and_told() -> None:
    world = World()
    world.step()
    world.edit(podTemplate={"nodeSelector": {"disk": "ssd"}})
    world.step()
    second, first = world.status["run"]["attempts"]
    assert (second["number"], "completionTime" in second) == (2, False)
    assert (first["number"], first["reason"]) == (1, "SpecChanged")
    assert "retries" not in world.status["run"]


def test_a_run_that_ends_while_it_waits_keeps_what_its_attempts_ended_with() -> None:
    world = World().backing_off()
    world.cancel("now")
    world.step()
    assert [entry["reason"] for entry in world.status["run"]["attempts"]] == ["RegistryUnavailable"]
    assert world.writes[-1].result == Result("cancelled", "Cancelled", 0.0)
