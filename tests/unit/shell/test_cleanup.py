"""Ended Pods go when their time has come: never before their result is recorded, and never somebody else's."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from imagebuild_operator.core.cleanup import Keeping
from imagebuild_operator.core.times import format_time
from imagebuild_operator.shell.cleanup import Cleanup
from tests.unit.core.world import START
from tests.unit.shell.fake_cluster import NAMESPACE, FakeCluster
from tests.unit.shell.process import Process

KEY = (NAMESPACE, "web")
AT_ONCE = Keeping(succeeded=0.0, failed=0.0)
A_WHILE = Keeping(succeeded=3600.0, failed=86400.0)


@pytest.fixture
async def process(cluster: FakeCluster) -> AsyncIterator[Process]:
    process = await Process(cluster, keeping=AT_ONCE).start()
    yield process
    await process.stop()


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  the fake cluster has no event to wait for
            await asyncio.sleep(0.001)


async def ended(cluster: FakeCluster, process: Process, **result: Any) -> str:
    """A build whose only Pod has ended, with everything told."""
    cluster.apply()
    await process.settle()
    name = cluster.pod_names()[0]
    cluster.end_pod(name, **result)
    await process.settle()
    return name


def due(cleanup: Cleanup) -> list[float]:
    """In how many seconds each known Pod's time comes."""
    now = asyncio.get_running_loop().time()
    return [round(timer.when() - now) for timer in cleanup._queue._timers.values()]


async def test_a_pod_goes_after_its_result_is_recorded(
    cluster: FakeCluster, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    name = await ended(cluster, process)
    await eventually(lambda: cluster.asked("DELETE") == [f"DELETE {name}"])
    verbs = [entry.split()[0] for entry in cluster.asked("PATCH", "POST", "DELETE")]
    assert verbs == ["PATCH", "POST", "PATCH", "DELETE"]
    assert cluster.status()["phase"] == "Succeeded"
    assert f"Pod {name} was kept long enough after its end: deleted" in caplog.text
    cluster.remove_leaving_pods()
    await process.settle()
    assert cluster.status()["phase"] == "Succeeded"
    assert len(process.cleanup) == 0


async def test_each_result_is_kept_for_its_own_time(cluster: FakeCluster) -> None:
    for exit_code, seconds in ((0, 3600 - 60), (1, 86400 - 60)):
        process = await Process(cluster, keeping=A_WHILE).start()
        name = await ended(cluster, process)
        await process.kill()
        cluster.end_pod(name, exit_code=exit_code)
        cluster.now += timedelta(seconds=60)
        process = Process(cluster, keeping=A_WHILE)
        await process.resync.once()
        assert due(process.cleanup) == [seconds]
        process.cleanup.shutdown()
        process.queue.shutdown()
        cluster.now -= timedelta(seconds=60)


async def test_what_is_kept_for_ever_costs_nothing(cluster: FakeCluster) -> None:
    process = await Process(cluster, keeping=Keeping()).start()
    await ended(cluster, process)
    await process.resync.once()
    assert len(process.cleanup) == 0
    assert cluster.asked("DELETE") == []
    await process.stop()


async def test_a_restart_loses_no_pod(cluster: FakeCluster) -> None:
    first = await Process(cluster, keeping=A_WHILE).start()
    name = await ended(cluster, first)
    await first.kill()
    cluster.now += timedelta(days=2)
    second = await Process(cluster, keeping=A_WHILE).start()
    await eventually(lambda: cluster.asked("DELETE") == [f"DELETE {name}"])
    await second.stop()


async def test_a_result_that_cannot_be_recorded_keeps_its_pod(cluster: FakeCluster, process: Process) -> None:
    cluster.apply()
    await process.settle()
    name = cluster.pod_names()[0]
    cluster.fail("PATCH", 500, times=10**6)
    cluster.end_pod(name)
    uid = cluster.pods_of()[0]["metadata"]["uid"]
    await eventually(lambda: process.cleanup._queue._failures.get(uid, 0) > 3)
    assert cluster.asked("DELETE") == [], "it is waited for"
    cluster.recover()
    await eventually(lambda: cluster.asked("DELETE") == [f"DELETE {name}"])
    assert cluster.status()["phase"] == "Succeeded"


async def test_a_build_that_no_watch_told_of_is_read_and_waited_for(cluster: FakeCluster) -> None:
    """Another operator made the Pod; this one only ever hears of its end."""
    other = await Process(cluster).start()
    cluster.apply()
    await other.settle()
    await other.kill()
    process = await Process(cluster, keeping=AT_ONCE).start()
    await process.settle()
    cluster.hold_events()
    process.store.forget(KEY)
    cluster.end_pod()
    document = copy.deepcopy(cluster.pods_of()[0])
    cluster.lose_events()
    cluster.requests.clear()
    process.intake.pod("MODIFIED", document)
    await eventually(lambda: bool(cluster.asked("DELETE")))
    assert cluster.requests[0] == "GET-BUILD web"
    assert [entry.split()[0] for entry in cluster.asked("PATCH", "DELETE")] == ["PATCH", "DELETE"]
    assert cluster.status()["phase"] == "Succeeded"
    await process.stop()


async def test_a_stale_copy_of_the_build_deletes_nothing(cluster: FakeCluster, process: Process) -> None:
    """The copy tells of run 1, the API server of run 2, which waits for the Pod that has ended."""
    await ended(cluster, process)
    await eventually(lambda: bool(cluster.asked("DELETE")))
    cluster.remove_leaving_pods()
    await process.settle()
    old = copy.deepcopy(cluster.build())
    cluster.request("again")
    await process.settle()
    cluster.hold_events()
    cluster.fail("PATCH", 500, times=10**6)
    cluster.end_pod()
    document = copy.deepcopy(cluster.pods_of()[0])
    process.store.forget(KEY)
    process.store.see_build(old)
    cluster.requests.clear()
    process.intake.pod("MODIFIED", document)
    await eventually(lambda: bool(cluster.asked("PATCH")))
    assert cluster.asked("DELETE") == []
    cluster.recover()
    cluster.release_events()
    await eventually(lambda: bool(cluster.asked("DELETE")))
    assert cluster.status()["run"]["number"] == 2
    assert cluster.status()["phase"] == "Succeeded"


async def test_a_pod_without_its_build_is_the_garbage_collectors(cluster: FakeCluster, process: Process) -> None:
    await ended(cluster, process)
    document = copy.deepcopy(cluster.pods_of()[0])
    document["metadata"].pop("deletionTimestamp", None)
    await eventually(lambda: len(process.cleanup) == 0)
    cluster.remove_build()
    cluster.requests.clear()
    process.cleanup.see(document)
    await eventually(lambda: len(process.cleanup) == 0)
    assert cluster.requests == ["GET-BUILD web"]


async def test_a_pod_without_an_owner_is_left_alone(cluster: FakeCluster) -> None:
    process = await Process(cluster, keeping=A_WHILE).start()
    await ended(cluster, process)
    assert len(process.cleanup) == 1
    cluster.remove_build(orphan=True)
    await process.settle()
    assert len(process.cleanup) == 0
    assert due(process.cleanup) == []
    await process.stop()


@pytest.mark.parametrize("leave", [FakeCluster.ask_to_go, FakeCluster.remove_pod, FakeCluster.unlabel_pod])
async def test_a_pod_that_goes_by_itself_is_forgotten(
    cluster: FakeCluster, leave: Callable[[FakeCluster, str], None]
) -> None:
    process = await Process(cluster, keeping=A_WHILE).start()
    name = await ended(cluster, process)
    assert len(process.cleanup) == 1
    leave(cluster, name)
    await process.settle()
    assert len(process.cleanup) == 0
    assert due(process.cleanup) == []
    await process.stop()


async def test_looking_again_puts_nothing_off(cluster: FakeCluster) -> None:
    process = await Process(cluster, keeping=A_WHILE).start()
    await ended(cluster, process)
    for _ in range(3):
        await process.resync.once()
    assert due(process.cleanup) == [3600]
    await process.stop()


@pytest.mark.parametrize("verb", ["GET-BUILD", "DELETE"])
@pytest.mark.parametrize("status", [0, 403, 500])
async def test_a_refusal_is_told_and_tried_again(
    cluster: FakeCluster, process: Process, caplog: pytest.LogCaptureFixture, verb: str, status: int
) -> None:
    cluster.fail(verb, status, times=2, message="not now")
    name = await ended(cluster, process)
    await eventually(lambda: bool(cluster.pods_of()[0]["metadata"].get("deletionTimestamp")))
    assert caplog.text.count(f"Pod {name} cannot be cleaned up yet: not now") == 2


async def test_a_bug_does_not_end_it(
    cluster: FakeCluster, process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    delete_pod, failures = cluster.delete_pod, iter([ZeroDivisionError("a bug")])

    async def failing(*arguments: str) -> None:
        if (failure := next(failures, None)) is not None:
            raise failure
        await delete_pod(*arguments)

    monkeypatch.setattr(cluster, "delete_pod", failing)
    await ended(cluster, process)
    await eventually(lambda: bool(cluster.asked("DELETE")))
    assert "a bug" in caplog.text


async def test_a_status_of_somebody_else_keeps_its_pods(cluster: FakeCluster) -> None:
    first = await Process(cluster).start()
    await ended(cluster, first)
    await first.kill()
    cluster.build()["status"]["run"] = "one"
    process = Process(cluster, keeping=AT_ONCE)
    await process.resync.once()
    assert len(process.cleanup) == 1
    await process.start()
    await eventually(lambda: len(process.cleanup) == 0)
    assert cluster.asked("GET-BUILD") == ["GET-BUILD web"]
    assert cluster.asked("DELETE") == []
    await process.stop()


async def test_no_two_pods_go_at_once(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(cluster, keeping=AT_ONCE)
    for number in range(5):
        cluster.apply(f"b{number}")
    cluster.pods_take = 0.001
    first = await Process(cluster).start()
    await eventually(lambda: set(cluster.phases()) == {"Succeeded"})
    await first.kill()
    process.cleanup._pause = 0.25
    pauses: list[float] = []

    async def sleep(seconds: float, actually: Any = asyncio.sleep) -> None:
        if seconds >= 0.2:
            pauses.append(seconds)
        await actually(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await process.start()
    async with asyncio.timeout(5):
        while len(cluster.asked("DELETE")) < 5:  # noqa: ASYNC110  the fake cluster has no event to wait for
            await asyncio.sleep(0)
    assert pauses == [0.25] * 5
    await process.stop()


async def test_the_end_is_clean_with_pods_to_go(cluster: FakeCluster) -> None:
    process = await Process(cluster, keeping=A_WHILE).start()
    await ended(cluster, process)
    await process.stop()
    assert due(process.cleanup) == []
    assert all(task.done() for task in process.cleaning)


async def test_a_time_that_no_container_tells_is_counted_from_now(cluster: FakeCluster) -> None:
    process = await Process(cluster, keeping=A_WHILE).start()
    cluster.apply()
    await process.settle()
    cluster.set_pod_status(None, {"phase": "Failed", "reason": "Evicted", "message": "low on memory"})
    await process.settle()
    assert due(process.cleanup)[:1] == [86400]
    assert format_time(START) == format_time(cluster.now)
    await process.stop()
