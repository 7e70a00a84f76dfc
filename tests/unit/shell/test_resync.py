"""The operator's own look at the cluster: what the watches missed is found and mended."""

import asyncio

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.shell.port import ApiRefusal
from tests.unit.shell.fake_cluster import NAMESPACE, FakeCluster
from tests.unit.shell.process import Process

KEY = (NAMESPACE, "web")


async def running(cluster: FakeCluster, process: Process) -> str:
    cluster.apply()
    await process.settle()
    cluster.start_pod()
    await process.settle()
    return cluster.pod_names()[0]


async def look(process: Process) -> None:
    await process.resync.once()
    await process.settle()


async def test_a_new_process_knows_what_runs_before_it_starts_anything(cluster: FakeCluster) -> None:
    first = await Process(cluster).start()
    await running(cluster, first)
    await first.kill()
    second = Process(cluster)
    await second.resync.once()
    assert second.store.standing(KEY).holding
    assert len(second.queue) == 1
    assert [view.live for view in second.store.pods(KEY)] == [True]


async def test_finished_builds_are_not_read(cluster: FakeCluster) -> None:
    first = await Process(cluster).start()
    await running(cluster, first)
    cluster.end_pod()
    await first.settle()
    await first.kill()
    second = Process(cluster)
    await second.resync.once()
    assert second.store.build(KEY) is None
    assert not second.store.standing(KEY).holding


async def test_a_look_at_a_cluster_at_rest_costs_two_lists(cluster: FakeCluster, process: Process) -> None:
    await running(cluster, process)
    cluster.requests.clear()
    await look(process)
    assert cluster.requests == ["LIST-BUILDS ", "LIST-PODS "]


async def test_the_end_of_a_pod_that_no_watch_told_of_is_found(cluster: FakeCluster, process: Process) -> None:
    await running(cluster, process)
    cluster.hold_events()
    cluster.end_pod()
    cluster.lose_events()
    await look(process)
    assert cluster.status()["phase"] == "Succeeded"


async def test_the_loss_of_a_pod_that_no_watch_told_of_is_found(cluster: FakeCluster, process: Process) -> None:
    name = await running(cluster, process)
    cluster.hold_events()
    cluster.remove_pod()
    cluster.lose_events()
    cluster.requests.clear()
    await look(process)
    assert cluster.status()["failure"]["reason"] == Reason.POD_LOST
    assert f"GET-POD {name}" in cluster.requests, "a list alone does not prove that a Pod is gone"


async def test_a_build_that_no_watch_told_of_is_found(cluster: FakeCluster, process: Process) -> None:
    cluster.hold_events()
    cluster.apply()
    cluster.lose_events()
    await look(process)
    assert cluster.status()["phase"] == "Building"


async def test_the_deletion_of_a_build_that_no_watch_told_of_is_found(cluster: FakeCluster, process: Process) -> None:
    await running(cluster, process)
    cluster.hold_events()
    cluster.remove_build()
    cluster.remove_leaving_pods()
    cluster.lose_events()
    await look(process)
    assert not process.store.keys()
    assert not process.store.standing(KEY).holding


async def test_a_build_finished_by_another_operator_is_read_and_forgotten(
    cluster: FakeCluster, process: Process
) -> None:
    await running(cluster, process)
    cluster.hold_events()
    other = Process(cluster)
    other.cluster = cluster
    cluster.end_pod()
    await other.resync.once()
    await other.reconciler.reconcile(KEY)
    assert cluster.status()["phase"] == "Succeeded"
    cluster.lose_events()
    cluster.requests.clear()
    await look(process)
    assert cluster.asked("GET-BUILD") == ["GET-BUILD web"]
    assert cluster.asked("PATCH", "POST") == []
    assert not process.store.keys()


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Cancelled", "Suspended"])
async def test_a_build_that_waits_for_its_own_deletion_costs_nothing(cluster: FakeCluster, phase: str) -> None:
    """It is not in the list of the unfinished, but neither is that a reason to read it each time."""
    process = Process(cluster)
    cluster.apply()["status"]["phase"] = phase
    process.store.see_build(cluster.build())
    await process.resync.once()
    assert cluster.requests == ["LIST-BUILDS ", "LIST-PODS "]
    assert process.store.build(KEY) is not None


async def test_what_is_newer_than_the_lists_is_not_taken_for_lost(
    cluster: FakeCluster, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = cluster.list_build_pods

    async def slow_list() -> object:
        answer = await listed()
        await running(cluster, process)
        return answer

    monkeypatch.setattr(cluster, "list_build_pods", slow_list)
    await look(process)
    assert cluster.status()["phase"] == "Building"
    assert len(cluster.live()) == 1
    assert not cluster.asked("GET-POD", "GET-BUILD")


async def test_a_list_that_cannot_be_had_is_told_at_the_start(cluster: FakeCluster) -> None:
    cluster.fail("LIST-PODS", 403)
    with pytest.raises(ApiRefusal):
        await Process(cluster).resync.once()


async def test_whatever_fails_the_next_look_comes(
    cluster: FakeCluster, process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = iter([ApiRefusal(status=500, reason="x", message="away"), ZeroDivisionError("a bug"), None])
    done = asyncio.Event()

    async def once() -> None:
        outcome = next(outcomes, None)
        if outcome is not None:
            raise outcome
        done.set()

    monkeypatch.setattr(process.resync, "once", once)
    looking = asyncio.create_task(process.resync.forever(0.001))
    await asyncio.wait_for(done.wait(), 5)
    looking.cancel()
    assert "The resync is put off: away" in caplog.text
    assert "a bug" in caplog.text


async def test_a_status_that_cannot_be_read_does_not_end_the_look(cluster: FakeCluster, process: Process) -> None:
    cluster.hold_events()
    cluster.apply("broken")["status"] = {"phase": "Building", "run": "one"}
    cluster.apply()
    cluster.lose_events()
    await look(process)
    assert cluster.status()["phase"] == "Building"
