"""One pass after another, against a cluster that conflicts, loses answers, refuses and forgets to tell."""

import asyncio
import logging
import random
from datetime import timedelta
from typing import Any

import pytest

from imagebuild_operator.api.names import LABEL_CONCURRENCY_GROUP, Reason
from imagebuild_operator.core.decide import decide
from imagebuild_operator.core.decisions import AskSlot
from imagebuild_operator.core.times import format_time
from imagebuild_operator.shell import reconciler
from imagebuild_operator.shell.logs import TextFormatter
from imagebuild_operator.shell.port import ApiRefusal
from imagebuild_operator.shell.reconciler import EndlessPassError
from imagebuild_operator.shell.refusals import BACKOFF_SECONDS, PATIENCE
from tests.unit.core.world import DIGEST, inline_spec
from tests.unit.shell.fake_cluster import NAMESPACE, FakeCluster, pushed_by
from tests.unit.shell.process import Process

KEY = (NAMESPACE, "web")


def other_inputs(content: str) -> dict[str, Any]:
    return inline_spec(source={"inline": {"files": [{"path": "Dockerfile", "content": content}]}})


async def started(cluster: FakeCluster, process: Process) -> str:
    """A build whose Pod runs; returns the Pod's name."""
    cluster.apply()
    await process.settle()
    cluster.start_pod()
    await process.settle()
    (name,) = cluster.pod_names()
    return name


async def ended(cluster: FakeCluster, process: Process, **result: Any) -> None:
    cluster.end_pod(**result)
    await process.settle()


# --- the budget of a build -----------------------------------------------------------------------------------------


async def test_one_build_is_a_patch_a_post_a_patch_and_two_events_and_nothing_is_read(
    cluster: FakeCluster, process: Process
) -> None:
    cluster.requests.clear()
    name = await started(cluster, process)
    await ended(cluster, process)
    assert cluster.asked() == ["PATCH web", f"POST {name}", "PATCH web"]
    assert [event["reason"] for event in cluster.events] == ["Started", "Succeeded"]
    assert cluster.status()["digest"] == DIGEST
    assert process.sample("imagebuild_builds_total", result="succeeded", reason="Succeeded") == 1


async def test_the_log_of_a_failed_build_is_its_only_read(cluster: FakeCluster, process: Process) -> None:
    cluster.logs["build"] = "error building image: it broke\n"
    cluster.requests.clear()
    name = await started(cluster, process)
    await ended(cluster, process, exit_code=1, message=DIGEST)
    assert cluster.asked() == ["PATCH web", f"POST {name}", f"LOG {name}/build", "PATCH web"]
    assert cluster.status()["failure"]["logTail"] == "error building image: it broke"
    assert [event["type"] for event in cluster.events] == ["Normal", "Warning"]
    assert process.sample("imagebuild_builds_total", result="failed", reason="BuildFailed") == 1


async def test_the_same_manifest_again_does_nothing(cluster: FakeCluster, process: Process) -> None:
    await started(cluster, process)
    await ended(cluster, process)
    cluster.requests.clear()
    cluster.apply()
    process.look()
    await process.settle()
    assert cluster.requests == []


async def test_resources_alone_cost_one_patch_and_an_event_that_says_why_nothing_starts(
    cluster: FakeCluster, process: Process
) -> None:
    await started(cluster, process)
    await ended(cluster, process)
    cluster.requests.clear()
    cluster.apply(resources={"limits": {"memory": "4Gi"}})
    await process.settle()
    assert cluster.requests == ["PATCH web", "EVENT UpToDate"]
    assert (cluster.events[-1]["type"], cluster.events[-1]["reason"]) == ("Normal", "UpToDate")
    assert cluster.status()["observedGeneration"] == 2


# --- conflicts and lost answers --------------------------------------------------------------------------------------


async def test_a_conflict_reads_the_build_and_decides_again(cluster: FakeCluster, process: Process) -> None:
    await started(cluster, process)
    cluster.requests.clear()
    cluster.hold_events()
    cluster.request("again")
    cluster.release_events()
    cluster.hold_events()
    cluster.apply(resources={"limits": {"memory": "4Gi"}})
    await process.settle()
    assert cluster.asked()[:3] == ["PATCH web", "GET-BUILD web", "PATCH web"]
    assert cluster.status()["run"]["number"] == 2
    assert cluster.status()["run"]["generation"] == 2
    cluster.release_events()
    await process.settle()
    assert cluster.status()["run"]["number"] == 2


async def test_an_edit_that_the_watch_has_not_told_of_yet_is_never_answered_by_the_old_image(
    cluster: FakeCluster, process: Process
) -> None:
    await started(cluster, process)
    cluster.hold_events()
    cluster.end_pod()
    cluster.release_events()
    cluster.hold_events()
    cluster.apply(**other_inputs("FROM other"))
    await process.settle()
    assert cluster.status()["run"]["number"] == 2
    assert cluster.status()["phase"] == "Building"
    cluster.release_events()


@pytest.mark.parametrize("status", [0, 500, 503])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("verb", ["PATCH", "POST"])
async def test_a_write_that_fails_before_or_after_it_is_stored_makes_one_pod_all_the_same(
    cluster: FakeCluster, process: Process, verb: str, when: Any, status: int
) -> None:
    cluster.fail(verb, status, when=when)
    name = await started(cluster, process)
    await ended(cluster, process)
    assert cluster.pod_names() == [name]
    assert (cluster.status()["phase"], cluster.status()["run"]["attempt"]) == ("Succeeded", 1)
    assert cluster.most_live == 1
    assert process.sample("imagebuild_reconcile_errors_total") == 0


async def test_a_pod_whose_answer_was_lost_is_found_by_its_name_and_adopted(
    cluster: FakeCluster, process: Process
) -> None:
    cluster.hold_events()
    cluster.apply()
    cluster.release_events()
    await asyncio.sleep(0)
    cluster.hold_events()
    cluster.fail("POST", 0, when="after")
    await process.settle()
    (name,) = cluster.pod_names()
    assert cluster.asked("POST", "GET-POD") == [f"POST {name}", f"POST {name}", f"GET-POD {name}"]
    cluster.release_events()
    cluster.start_pod()
    await process.settle()
    await ended(cluster, process)
    assert cluster.status()["digest"] == DIGEST


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_result_whose_write_fails_is_recorded_once(cluster: FakeCluster, process: Process, when: Any) -> None:
    await started(cluster, process)
    cluster.fail("PATCH", 500, when=when, times=2)
    await ended(cluster, process)
    assert cluster.status()["digest"] == DIGEST
    assert cluster.status()["run"]["number"] == 1


async def test_an_api_server_that_is_away_for_a_while_costs_nothing_but_time(
    cluster: FakeCluster, process: Process
) -> None:
    for verb in ("PATCH", "POST", "GET-BUILD", "GET-POD", "EVENT"):
        cluster.fail(verb, 0, times=7)
    await started(cluster, process)
    await ended(cluster, process)
    assert cluster.status()["phase"] == "Succeeded"
    assert cluster.most_live == 1


async def test_a_build_that_fails_to_be_written_is_not_hammered_though_its_turn_has_come(
    cluster: FakeCluster,
) -> None:
    process = await Process(cluster, limit=2).start()
    for name in ("first", "second", "third", "fourth"):
        cluster.apply(name)
    await process.settle()
    process.queue._first = process.queue._longest = 0.05
    cluster.fail("PATCH", 500, times=10**6)
    for name in ("first", "second"):
        cluster.remove_build(name)
    cluster.remove_leaving_pods()
    cluster.requests.clear()
    await asyncio.sleep(0.3)
    assert len(cluster.asked("PATCH")) < 40, "every pass that fails would at once wake the next"
    cluster.recover()
    await process.settle()
    assert cluster.phases() == ["Building", "Building"]
    await process.stop()


# --- refusals ------------------------------------------------------------------------------------------------------


async def test_a_forbidden_pod_is_asked_for_again_with_growing_pauses(cluster: FakeCluster, process: Process) -> None:
    cluster.fail("POST", 403, times=4, message="exceeded quota")
    cluster.apply()
    await process.settle()
    assert cluster.status()["phase"] == "Pending"
    assert "exceeded quota" in cluster.status()["conditions"][0]["message"]
    for pause in BACKOFF_SECONDS[:3]:
        posts = len(cluster.asked("POST"))
        await at(cluster, process, pause - 1)
        assert len(cluster.asked("POST")) == posts
        await at(cluster, process, 1)
        assert len(cluster.asked("POST")) == posts + 1
    writes = len(cluster.asked("PATCH"))
    assert writes == 2, "the refusal is told once"
    await at(cluster, process, BACKOFF_SECONDS[3])
    assert len(cluster.live()) == 1
    assert not process.reconciler._refusals
    cluster.start_pod()
    await process.settle()
    assert cluster.status()["phase"] == "Building"


async def at(cluster: FakeCluster, process: Process, seconds: float) -> None:
    """So much later, when the timer has run out."""
    cluster.now += timedelta(seconds=seconds)
    process.look()
    await process.settle()


async def test_a_forbidden_pod_is_given_up_at_the_start_timeout(cluster: FakeCluster, process: Process) -> None:
    cluster.fail("POST", 403, times=100, message="exceeded quota")
    cluster.apply()
    await process.settle()
    await at(cluster, process, 601)
    assert cluster.status()["failure"]["reason"] == Reason.START_TIMEOUT
    assert cluster.pod_names() == []


@pytest.mark.parametrize("status", [400, 422])
async def test_a_pod_that_cannot_be_is_told_at_once(cluster: FakeCluster, process: Process, status: int) -> None:
    cluster.fail("POST", status, message="spec.tolerations[0].effect: Unsupported value")
    cluster.apply()
    await process.settle()
    assert cluster.status()["failure"]["reason"] == Reason.POD_REJECTED
    assert "Unsupported value" in cluster.status()["failure"]["message"]
    assert len(cluster.asked("POST")) == 1
    assert [event["reason"] for event in cluster.events] == [Reason.POD_REJECTED]


async def test_a_conflict_without_a_pod_of_that_name_is_tried_again_after_a_pause(
    cluster: FakeCluster, process: Process
) -> None:
    cluster.fail("POST", 409, times=2, message="Operation cannot be fulfilled on resourcequotas")
    cluster.apply()
    await process.settle()
    assert len(cluster.asked("POST")) == 1
    await at(cluster, process, 5)
    await at(cluster, process, 10)
    assert len(cluster.asked("POST")) == 3
    assert len(cluster.live()) == 1


async def test_a_foreign_pod_of_the_name_is_a_conflict_and_holds_no_slot(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=1).start()
    cluster.apply()
    # The name holds a hash: learn it from a first try that is refused.
    cluster.fail("POST", 403)
    await process.settle()
    taken = cluster.status()["run"]["podName"]
    foreign = dict(cluster.put_foreign_pod(taken))
    await at(cluster, process, 5)
    assert cluster.status()["failure"]["reason"] == Reason.NAME_CONFLICT
    assert cluster.asked("DELETE") == []
    assert cluster._pods[NAMESPACE, taken] == foreign
    assert process.store.keys() == set(), "no watch would tell that it goes"
    assert process.admission.ask((NAMESPACE, "another")).granted, "a Pod of somebody else takes none of our slots"
    await process.stop()


async def test_a_foreign_pod_that_goes_is_waited_for(cluster: FakeCluster, process: Process) -> None:
    cluster.fail("POST", 403)
    cluster.apply()
    await process.settle()
    name = cluster.status()["run"]["podName"]
    cluster.put_foreign_pod(name)["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:30Z"
    await at(cluster, process, 5)
    assert cluster.status()["phase"] == "Pending"
    del cluster._pods[NAMESPACE, name]
    await at(cluster, process, 20)
    assert [pod["metadata"]["name"] for pod in cluster.pods_of()] == [name]


# --- Pods that vanish, builds that vanish ---------------------------------------------------------------------------


async def test_a_pod_that_is_gone_is_asked_for_before_it_is_given_up(cluster: FakeCluster, process: Process) -> None:
    name = await started(cluster, process)
    cluster.requests.clear()
    cluster.remove_pod()
    await process.settle()
    assert cluster.asked() == [f"GET-POD {name}", "PATCH web"]
    assert cluster.status()["failure"]["reason"] == Reason.POD_LOST


async def test_a_pod_that_only_lost_its_label_is_not_lost(cluster: FakeCluster, process: Process) -> None:
    await started(cluster, process)
    cluster.unlabel_pod()
    await process.settle()
    assert (cluster.status()["phase"], cluster.most_live) == ("Building", 1)
    cluster.end_pod()
    await process.resync.once()
    await process.settle()
    assert cluster.status()["digest"] == DIGEST


async def test_a_pod_event_of_an_unknown_build_reads_the_build_and_removes_the_pod(
    cluster: FakeCluster, process: Process
) -> None:
    await started(cluster, process)
    manifest = cluster.live()[0]
    await ended(cluster, process)
    late = {**manifest, "metadata": {**manifest["metadata"], "name": "web-late", "uid": "late"}}
    late["status"] = {"phase": "Pending"}
    cluster.requests.clear()
    cluster._store_pod(late, "ADDED")
    await process.settle()
    assert cluster.asked() == ["GET-BUILD web", "DELETE web-late"]
    assert cluster.status()["digest"] == DIGEST


async def test_a_pod_of_a_build_that_is_gone_is_left_to_the_garbage_collector(
    cluster: FakeCluster, process: Process
) -> None:
    name = await started(cluster, process)
    cluster.requests.clear()
    cluster.remove_build()
    await process.settle()
    cluster.remove_pod(name)
    await process.settle()
    assert cluster.asked("PATCH", "POST", "DELETE") == []
    assert not process.store.keys()
    assert not process.store.standing(KEY).holding
    assert not process.queue._timers
    assert not process.reconciler._refusals


async def test_a_build_deleted_and_made_anew_is_another_build_and_waits_for_its_namesakes_pod(
    cluster: FakeCluster, process: Process
) -> None:
    old = await started(cluster, process)
    cluster.remove_build()
    cluster.apply()
    await process.settle()
    new = cluster.status()["run"]["podName"]
    assert new != old
    assert cluster.pod_names() == [old]
    cluster.remove_pod(old)
    await process.settle()
    assert cluster.most_live == 1
    cluster.start_pod(new)
    cluster.end_pod(new)
    await process.settle()
    assert cluster.status()["phase"] == "Succeeded"
    assert cluster.status()["run"]["number"] == 1


async def test_a_build_deleted_between_record_and_pod_makes_no_noise(
    cluster: FakeCluster, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.fail("POST", 403)
    cluster.apply()
    await process.settle()
    cluster.hold_events()
    cluster.remove_build()
    await at(cluster, process, 5)
    assert cluster.pod_names() == [], "the build was read before its Pod was asked for"
    cluster.release_events()
    await process.settle()
    assert not process.store.keys()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_supersede_removes_the_old_pod_before_the_new_one_is_asked_for(
    cluster: FakeCluster, process: Process
) -> None:
    old = await started(cluster, process)
    cluster.requests.clear()
    cluster.apply(**other_inputs("FROM other"))
    await process.settle()
    assert cluster.asked() == ["PATCH web", f"DELETE {old}"]
    cluster.remove_leaving_pods()
    await process.settle()
    new = cluster.status()["run"]["podName"]
    assert cluster.asked("POST") == [f"POST {new}"]
    assert cluster.most_live == 1
    cluster.start_pod()
    await process.settle()
    await ended(cluster, process)
    assert (cluster.status()["run"]["number"], cluster.status()["phase"]) == (2, "Succeeded")


async def test_a_supersede_whose_old_pod_fails_on_its_way_and_is_not_heard_of_again_goes_on_at_the_resync(
    cluster: FakeCluster, process: Process
) -> None:
    old = await started(cluster, process)
    cluster.apply(**other_inputs("FROM other"))
    await process.settle()
    cluster.end_pod(old, exit_code=143)
    await process.settle()
    cluster.hold_events()
    cluster.remove_pod(old)
    cluster.lose_events()
    await process.resync.once()
    await process.settle()
    assert [pod["metadata"]["name"] for pod in cluster.live()] == [cluster.status()["run"]["podName"]]


# --- logs and events that cannot be had -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 403, 500, 504])
async def test_a_log_that_cannot_be_read_does_not_keep_the_result_from_being_recorded(
    cluster: FakeCluster, process: Process, status: int
) -> None:
    cluster.fail("LOG", status, times=10**9)
    await started(cluster, process)
    await ended(cluster, process, exit_code=3, message="")
    assert (cluster.status()["phase"], cluster.status()["failure"]["exitCode"]) == ("Failed", 3)


@pytest.mark.parametrize("status", [0, 403, 500])
async def test_an_event_that_cannot_be_posted_does_no_harm(cluster: FakeCluster, process: Process, status: int) -> None:
    cluster.fail("EVENT", status, times=2)
    await started(cluster, process)
    await ended(cluster, process)
    assert cluster.status()["phase"] == "Succeeded"
    assert cluster.events == []


async def test_a_run_that_follows_at_once_is_announced_like_any(cluster: FakeCluster, process: Process) -> None:
    await started(cluster, process)
    cluster.hold_events()
    cluster.apply(**other_inputs("FROM other"))
    cluster.end_pod()
    cluster.release_events()
    await process.settle()
    assert cluster.asked("PATCH") == ["PATCH web"] * 2
    assert [(event["reason"], event["note"].split()[1]) for event in cluster.events] == [
        ("Started", "1"),
        ("Succeeded", "1"),
        ("Started", "2"),
    ]


# --- restarts and stale copies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", range(12))
async def test_a_process_killed_anywhere_is_taken_over_by_the_next(cluster: FakeCluster, steps: int) -> None:
    process = await Process(cluster).start()
    cluster.apply()
    for _ in range(steps):
        await asyncio.sleep(0)
    await process.kill()
    process = await Process(cluster).start()
    await process.settle()
    cluster.start_pod()
    await process.settle()
    await ended(cluster, process)
    await process.stop()
    assert len(cluster.pod_names()) == 1
    assert (cluster.status()["phase"], cluster.status()["run"]["attempt"]) == ("Succeeded", 1)


@pytest.mark.parametrize("seed", range(4))
async def test_twenty_builds_survive_ten_kills_a_bad_network_and_lame_watches(cluster: FakeCluster, seed: int) -> None:
    chance = random.Random(seed)
    cluster.pods_take = 0.005
    for number in range(20):
        cluster.apply(f"build-{number:02}")
    process = await Process(cluster, limit=5).start()
    for _ in range(10):
        for verb in ("PATCH", "POST", "GET-BUILD", "GET-POD", "EVENT"):
            if chance.random() < 0.6:
                when: Any = chance.choice(["before", "after"])
                cluster.fail(verb, chance.choice([0, 500, 503]), when=when, times=chance.randint(1, 3))
        await asyncio.sleep(chance.uniform(0, 0.01))
        cluster.hold_events()
        await asyncio.sleep(chance.uniform(0, 0.004))
        chance.choice([cluster.release_events, cluster.lose_events])()
        await process.kill()
        process = await Process(cluster, limit=5).start()
    await until(process, lambda: set(cluster.phases()) == {"Succeeded"})
    await process.stop()
    assert len(cluster.pod_names()) == 20
    assert cluster.most_live <= 5
    for number in range(20):
        status = cluster.status(f"build-{number:02}")
        assert (status["run"]["number"], status["run"]["attempt"]) == (1, 1)
        assert status["digest"] == pushed_by(status["run"]["podName"])


async def test_a_pod_that_ended_while_no_operator_ran_is_recorded_by_the_next(cluster: FakeCluster) -> None:
    process = await Process(cluster).start()
    await started(cluster, process)
    await process.kill()
    cluster.end_pod()
    process = await Process(cluster).start()
    cluster.requests.clear()
    await process.settle()
    assert cluster.asked() == ["PATCH web"]
    assert cluster.status()["digest"] == DIGEST
    await process.stop()


async def test_a_stale_copy_of_a_finished_build_never_makes_a_pod(cluster: FakeCluster, process: Process) -> None:
    await started(cluster, process)
    stale = {**cluster.build(), "metadata": dict(cluster.build()["metadata"]), "status": dict(cluster.status())}
    await ended(cluster, process)
    cluster.remove_pod()
    await process.settle()
    assert not process.store.keys()
    cluster.requests.clear()
    process.intake.build(None, stale)
    await process.settle()
    assert cluster.asked() == ["GET-BUILD web"]
    assert cluster.pod_names() == []


# --- memory --------------------------------------------------------------------------------------------------------


async def test_finished_builds_are_forgotten(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=None).start()
    cluster.pods_take = 0.002
    cluster.fail("PATCH", 500, times=5)
    cluster.fail("POST", 403, times=5)
    for number in range(30):
        cluster.apply(f"build-{number}")
    await process.settle()
    cluster.now += timedelta(seconds=5)
    for number in range(30):
        process.look(f"build-{number}")
    await until(process, lambda: set(cluster.phases()) == {"Succeeded"})
    admission = process.admission
    queue = (admission._line.waiting, admission._line.holding, admission._line._ranks, admission._told)
    for part in (process.store.keys(), process.store._standings, *queue, process.reconciler._refusals):
        assert not part
    assert not process.store._pods
    for waiting in (process.queue._timers, process.queue._failures, process.admission._granted):
        assert not waiting
    await process.stop()


async def until(process: Process, done: Any) -> None:
    async with asyncio.timeout(20):
        while not done():
            await process.settle()
            await asyncio.sleep(0.002)
    await process.settle()


# --- timers --------------------------------------------------------------------------------------------------------


async def test_a_build_is_looked_at_again_at_its_deadlines_and_no_more_when_it_has_ended(
    cluster: FakeCluster, process: Process
) -> None:
    def due_in() -> float:
        return process.queue._timers[KEY].when() - asyncio.get_running_loop().time()

    cluster.apply(timeout="30m", startTimeout="10s")
    await process.settle()
    assert due_in() == pytest.approx(10, abs=1)
    cluster.start_pod()
    process.queue.unschedule(KEY)
    await process.settle()
    assert due_in() == pytest.approx(1830, abs=1)
    await ended(cluster, process)
    assert not process.queue._timers


# --- workers -------------------------------------------------------------------------------------------------------


async def test_a_bug_in_one_pass_is_logged_and_counted_and_the_worker_lives_on(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    process = await Process(cluster, workers=1).start()
    broken = iter([True, True])

    def failing(*arguments: Any) -> Any:
        if next(broken, False):
            raise ZeroDivisionError("a bug")
        return decide(*arguments)

    monkeypatch.setattr(reconciler, "decide", failing)
    await started(cluster, process)
    await ended(cluster, process)
    assert cluster.status()["phase"] == "Succeeded"
    assert process.sample("imagebuild_reconcile_errors_total") == 2
    assert "a bug" in caplog.text
    assert not process.tasks[0].done()
    await process.stop()


async def test_a_status_that_cannot_be_read_is_left_alone_and_stops_nobody_else(
    cluster: FakeCluster, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    broken = cluster.apply("broken")
    await process.settle()
    cluster.hold_events()
    broken["status"] = {"phase": "Abandoned"}
    cluster._store_build(broken, "MODIFIED")
    cluster.start_pod()
    process.look("broken")
    await process.settle()
    cluster.release_events()
    await process.settle()
    cluster.remove_pod()
    cluster.requests.clear()
    await started(cluster, process)
    await ended(cluster, process)
    assert cluster.status()["phase"] == "Succeeded"
    assert not [entry for entry in cluster.requests if "broken" in entry]
    assert "The status of ns/broken cannot be read at phase" in caplog.text
    assert process.sample("imagebuild_reconcile_errors_total") == 0


async def test_decisions_that_undo_each_other_are_a_bug_and_not_a_busy_loop(
    cluster: FakeCluster, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "decide", lambda *_: AskSlot())
    process.store.see_build(cluster.apply())
    with pytest.raises(EndlessPassError):
        await process.reconciler.reconcile(KEY)


async def test_workers_end_at_the_shutdown_after_the_pass_they_are_in(cluster: FakeCluster) -> None:
    process = await Process(cluster, workers=2).start()
    cluster.on_create = lambda pod: process.queue.shutdown()
    cluster.apply()
    await asyncio.wait_for(asyncio.gather(*process.tasks), 1)
    assert len(cluster.live()) == 1, "the pass that was under way is finished"
    assert [event["reason"] for event in cluster.events] == ["Started"]


async def test_a_refusal_that_only_time_can_mend_reaches_the_caller(cluster: FakeCluster) -> None:
    process = Process(cluster)
    process.store.see_build(cluster.apply())
    cluster.fail("PATCH", 503)
    with pytest.raises(ApiRefusal):
        await process.reconciler.reconcile(KEY)
    assert process.admission._granted, "the record may be stored though the answer was an error"
    await process.reconciler.reconcile(KEY)
    assert cluster.asked("GET-BUILD", "PATCH") == ["PATCH web", "GET-BUILD web", "PATCH web"]
    assert not process.admission._granted, "what is recorded holds the slot now"


async def test_a_record_whose_answer_was_lost_keeps_its_slot(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=1).start()
    cluster.fail("PATCH", 500, when="after")
    cluster.apply("first")
    cluster.apply("second")
    await process.settle()
    assert cluster.most_live == 1
    assert {cluster.status(name)["phase"] for name in ("first", "second")} == {"Building", "Queued"}


# --- a Pod that does not start --------------------------------------------------------------------------------------


async def test_what_keeps_a_pod_from_starting_is_told_within_thirty_seconds(
    cluster: FakeCluster, process: Process
) -> None:
    cluster.warnings = ['MountVolume.SetUp failed for volume "docker": secret "login" not found']
    cluster.apply()
    await process.settle()
    await at(cluster, process, 16)
    assert 'secret "login" not found' in cluster.status()["conditions"][0]["message"]
    assert cluster.status()["phase"] == "Pending"
    writes = len(cluster.asked("PATCH"))
    for _ in range(10):
        await at(cluster, process, 16)
    assert len(cluster.asked("PATCH")) == writes
    cluster.start_pod()
    await process.settle()
    assert cluster.status()["phase"] == "Building"


async def test_a_long_fetch_of_the_source_costs_no_extra_requests(cluster: FakeCluster, process: Process) -> None:
    cluster.apply()
    await process.settle()
    prepare = {"name": "prepare", "state": {"running": {}}}
    cluster.set_pod_status(None, {"phase": "Pending", "initContainerStatuses": [prepare]})
    cluster.requests.clear()
    for _ in range(5):
        await at(cluster, process, 60)
    done = {"terminated": {"exitCode": 0, "finishedAt": format_time(cluster.now)}}
    cluster.set_pod_status(None, {"phase": "Pending", "initContainerStatuses": [{"name": "prepare", "state": done}]})
    await process.settle()
    await at(cluster, process, 5)
    cluster.start_pod()
    await process.settle()
    assert cluster.requests == []


async def test_every_line_about_a_build_says_which(
    cluster: FakeCluster, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    caplog.handler.setFormatter(TextFormatter())
    name = await started(cluster, process)
    told = [line[line.index("[") :] for line in caplog.text.splitlines()]
    assert told == [
        "[ns/web run 1] Status written: phase Building, reason Building",
        f"[ns/web run 1] Pod {name} created",
    ]


async def test_a_server_that_cannot_take_the_pod_is_told_after_a_few_tries(
    cluster: FakeCluster, process: Process
) -> None:
    cluster.fail("POST", 500, times=PATIENCE + 1, message="failed calling webhook")
    cluster.apply()
    await process.settle()
    assert cluster.status()["phase"] == "Pending"
    assert "failed calling webhook" in cluster.status()["conditions"][0]["message"]
    await at(cluster, process, BACKOFF_SECONDS[0])
    assert len(cluster.live()) == 1


# --- the end of an ImageBuild ----------------------------------------------------------------------------------------


async def test_a_finished_build_is_deleted_when_its_time_is_over(cluster: FakeCluster, process: Process) -> None:
    cluster.apply(ttlSecondsAfterFinished=60)
    await process.settle()
    await ended(cluster, process)
    cluster.now += timedelta(seconds=59)
    process.look()
    await process.settle()
    assert cluster.status()["phase"] == "Succeeded"
    cluster.requests.clear()
    cluster.now += timedelta(seconds=2)
    process.look()
    await process.settle()
    assert cluster.requests == ["GET-BUILD web", "DELETE-BUILD web", "GET-BUILD web"]
    assert process.store.build(KEY) is None


async def test_an_edit_that_comes_while_the_build_is_deleted_is_built(
    cluster: FakeCluster, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.apply(ttlSecondsAfterFinished=60)
    await process.settle()
    await ended(cluster, process)
    delete = cluster.delete_build

    async def late(**which: str) -> None:
        cluster.apply(dockerfile="Other")
        await asyncio.sleep(0)
        await delete(**which)

    monkeypatch.setattr(cluster, "delete_build", late)
    cluster.now += timedelta(seconds=61)
    process.look()
    await process.settle()
    assert cluster.status()["run"]["number"] == 2


# --- groups ----------------------------------------------------------------------------------------------------------


async def test_who_comes_later_is_newer_in_a_group_though_the_clock_went_back(
    cluster: FakeCluster, process: Process
) -> None:
    cluster.apply("old", concurrencyGroup="g", concurrencyPolicy="Replace")
    await process.settle()
    cluster.now -= timedelta(seconds=3)
    cluster.apply("new", concurrencyGroup="g", concurrencyPolicy="Replace")
    await process.settle()
    assert cluster.status("old")["run"]["reason"] == Reason.SUPERSEDED
    assert cluster.status("new")["run"]["queuedTime"] > cluster.status("old")["run"]["queuedTime"]
    assert cluster.status("new")["phase"] in ("Queued", "Building")


async def test_a_retry_comes_before_the_newer_builds_of_its_group(cluster: FakeCluster, process: Process) -> None:
    cluster.apply("old", concurrencyGroup="g")
    await process.settle()
    cluster.apply("new", concurrencyGroup="g")
    await process.settle()
    (first,) = cluster.pod_names()
    cluster.remove_pod(first)
    await process.settle()
    assert cluster.status("old")["conditions"][0]["reason"] == Reason.RETRYING
    assert cluster.pod_names() == []
    assert cluster.status("new")["phase"] == "Queued"
    cluster.now += timedelta(seconds=10)
    process.look("old")
    await process.settle()
    (second,) = cluster.pod_names()
    assert second == cluster.status("old")["run"]["podName"]
    cluster.end_pod(second)
    await process.settle()
    assert cluster.status("new")["phase"] == "Building"


@pytest.mark.parametrize("crashes", [False, True])
@pytest.mark.parametrize("group", ["a", None])
async def test_an_edit_of_the_group_between_the_record_and_the_pod_lets_nobody_in_who_has_not_asked(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, *, group: str | None, crashes: bool
) -> None:
    process = await Process(cluster).start()
    create, asked_for = cluster.create_pod, asyncio.Event()

    async def edited_meanwhile(*_: Any) -> Any:
        monkeypatch.setattr(cluster, "create_pod", create)
        cluster.apply(concurrencyGroup="b")
        asked_for.set()
        if crashes:
            await asyncio.Event().wait()
        raise ApiRefusal(status=503, reason="ServiceUnavailable", message="busy")

    cluster.apply("other", concurrencyGroup="b")
    await process.settle()
    monkeypatch.setattr(cluster, "create_pod", edited_meanwhile)
    cluster.apply(**({"concurrencyGroup": group} if group else {}))
    await asyncio.wait_for(asked_for.wait(), 5)
    if crashes:
        await process.kill()
        process = await Process(cluster).start()
    await process.settle()
    (pod,) = cluster.pods_of()
    assert pod["metadata"]["labels"].get(LABEL_CONCURRENCY_GROUP) == group
    cluster.end_pod(pod["metadata"]["name"])
    await process.settle()
    cluster.apply(**other_inputs("FROM other"))
    await process.settle()
    assert cluster.status()["phase"] == "Queued", "its next run waits for the one of its new group"
    (others,) = cluster.pods_of("other")
    cluster.end_pod(others["metadata"]["name"])
    await process.settle()
    assert cluster.status()["run"]["concurrencyGroup"] == "b"
    await process.stop()


async def test_a_retry_that_was_moved_to_another_group_keeps_its_old_one_until_it_asks(
    cluster: FakeCluster, process: Process
) -> None:
    cluster.apply("old", concurrencyGroup="a")
    cluster.apply("other", concurrencyGroup="b")
    await process.settle()
    cluster.apply("new", concurrencyGroup="a")
    await process.settle()
    cluster.remove_pod(cluster.status("old")["run"]["podName"])
    await process.settle()
    cluster.apply("old", concurrencyGroup="b")
    await process.settle()
    assert (cluster.status("old")["phase"], cluster.status("new")["phase"]) == ("Pending", "Queued")
    cluster.now += timedelta(seconds=10)
    process.look("old")
    await process.settle()
    assert (cluster.status("old")["phase"], cluster.status("new")["phase"]) == ("Queued", "Building")
    cluster.end_pod(cluster.status("other")["run"]["podName"])
    await process.settle()
    assert cluster.status("old")["phase"] == "Building"


# --- a Pod that does not go -----------------------------------------------------------------------------------------


async def test_a_pod_that_outlives_its_run_is_told_of_once_and_its_build_is_kept_until_it_goes(
    cluster: FakeCluster, process: Process
) -> None:
    cluster.apply(concurrencyGroup="g")
    await process.settle()
    cluster.apply("next", concurrencyGroup="g")
    await process.settle()
    cluster.cancel("now")
    await process.settle()
    assert cluster.status()["phase"] == "Cancelled"
    assert process.store.build(KEY) is not None
    cluster.requests.clear()
    cluster.now += timedelta(seconds=60)
    process.look()
    process.look("next")
    await process.settle()
    assert cluster.requests.count("EVENT PodTerminating") == 1
    assert (cluster.events[-1]["type"], cluster.events[-1]["regarding"]["name"]) == ("Warning", "web")
    told = "Run 1 waits, next in line, for the Pod of build web of its concurrency group to go."
    assert cluster.status("next")["conditions"][0]["message"] == told
    cluster.requests.clear()
    for _ in range(12):
        cluster.now += timedelta(minutes=5)
        await process.resync.once()
        await process.settle()
    assert set(cluster.requests) == {"LIST-BUILDS ", "LIST-PODS "}, "each look would post it anew"
    cluster.now += timedelta(minutes=5)
    process.look()
    await process.settle()
    assert cluster.requests[-1] == "EVENT PodTerminating", "the one of before is gone by now"
    assert cluster.events[-1]["metadata"] == cluster.events[-2]["metadata"]
    cluster.remove_leaving_pods()
    await process.settle()
    assert process.store.build(KEY) is None
    assert cluster.status("next")["phase"] == "Building"


async def test_a_new_process_tells_of_a_pod_that_outlived_its_run(cluster: FakeCluster) -> None:
    process = await Process(cluster).start()
    await started(cluster, process)
    cluster.cancel("now")
    await process.settle()
    await process.kill()
    process = await Process(cluster).start()
    await process.settle()
    cluster.requests.clear()
    process.look()
    await process.settle()
    assert cluster.requests == [], "it may still go in time"
    cluster.now += timedelta(seconds=60)
    for _ in range(3):
        await process.resync.once()
        await process.settle()
    assert set(cluster.requests) == {"LIST-BUILDS ", "LIST-PODS ", "EVENT PodTerminating"}
    assert cluster.requests.count("EVENT PodTerminating") == 1
    cluster.remove_leaving_pods()
    await process.settle()
    assert process.store.keys() == set()
    await process.stop()


async def test_of_a_build_that_is_gone_nothing_is_told_though_its_pod_stays(
    cluster: FakeCluster, process: Process
) -> None:
    await started(cluster, process)
    cluster.remove_build()
    await process.settle()
    cluster.requests.clear()
    cluster.now += timedelta(seconds=60)
    for _ in range(3):
        await process.resync.once()
        await process.settle()
    assert set(cluster.requests) == {"LIST-BUILDS ", "LIST-PODS "}
