"""The limit of running builds: never exceeded, in its order, no slot left idle, restarts included."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from tests.unit.shell.fake_cluster import FakeCluster
from tests.unit.shell.process import Process

MANY = 50
NAMES = [f"build-{number:02}" for number in range(MANY)]


def watched(cluster: FakeCluster, limit: int) -> list[str]:
    """Note the builds in the order of their Pods, and check the limit at each one."""
    order: list[str] = []

    def created(pod: dict[str, dict[str, list[dict[str, str]]]]) -> None:
        assert len(cluster.live()) <= limit
        order.append(pod["metadata"]["ownerReferences"][0]["name"])

    cluster.on_create = created
    return order


async def finished(cluster: FakeCluster, process: Process) -> None:
    async with asyncio.timeout(30):
        while set(cluster.phases()) != {"Succeeded"}:
            await process.settle()
            await asyncio.sleep(0.001)
    await process.settle()


@pytest.mark.parametrize(("limit", "workers"), [(1, 1), (3, 16), (10, 4)])
async def test_fifty_builds_at_once_run_in_their_order_and_never_above_the_limit(
    cluster: FakeCluster, limit: int, workers: int
) -> None:
    order = watched(cluster, limit)
    process = await Process(cluster, limit=limit, workers=workers).start()
    for name in NAMES:
        cluster.apply(name)
    await process.settle()
    assert Counter(cluster.phases()) == {"Building": limit, "Queued": MANY - limit}
    cluster.pods_take = 0.001
    for pod in cluster.live():
        cluster.end_pod(pod["metadata"]["name"])
    await finished(cluster, process)
    assert order == NAMES
    assert cluster.most_live == limit
    assert process.sample("imagebuild_builds_active") == process.sample("imagebuild_builds_queued") == 0
    await process.stop()


async def test_the_limit_and_the_order_outlive_restarts(cluster: FakeCluster) -> None:
    limit = 3
    order = watched(cluster, limit)
    process = await Process(cluster, limit=limit).start()
    for name in NAMES[:25]:
        cluster.apply(name)
    for _ in range(60):
        await asyncio.sleep(0)
    await process.kill()
    for name in NAMES[25:]:
        cluster.apply(name)
    for _ in range(4):
        process = await Process(cluster, limit=limit).start()
        await process.settle()
        assert len(cluster.live()) == limit
        for pod in cluster.live():
            cluster.end_pod(pod["metadata"]["name"])
        for _ in range(25):
            await asyncio.sleep(0)
        await process.kill()
    process = await Process(cluster, limit=limit).start()
    cluster.pods_take = 0.001
    for pod in cluster.live():
        cluster.end_pod(pod["metadata"]["name"])
    await finished(cluster, process)
    assert sorted(order) == NAMES, "one Pod for each build"
    assert cluster.most_live == limit
    await process.stop()


async def test_nothing_starts_before_the_first_look_knows_who_runs(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=2).start()
    for name in NAMES[:2]:
        cluster.apply(name)
    await process.settle()
    await process.kill()
    cluster.apply("a-newcomer")
    process = await Process(cluster, limit=2).start()
    await process.settle()
    assert cluster.status("a-newcomer")["phase"] == "Queued"
    assert cluster.most_live == 2
    await process.stop()


async def test_without_a_limit_nobody_waits(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=None).start()
    for name in NAMES:
        cluster.apply(name)
    await process.settle()
    assert Counter(cluster.phases()) == {"Building": MANY}
    await process.stop()


async def test_a_waiting_build_costs_one_write_and_then_as_much_as_any(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=1).start()
    cluster.apply("first")
    cluster.apply("second")
    await process.settle()
    process.look("second")
    await process.settle()
    assert cluster.asked("PATCH").count("PATCH second") == 1
    cluster.end_pod()
    await process.settle()
    cluster.end_pod()
    await process.settle()
    assert cluster.asked("PATCH").count("PATCH second") == 3
    assert not [entry for entry in cluster.requests if entry.startswith("GET")]
    await process.stop()


async def test_a_deleted_build_leaves_the_line(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=1).start()
    for name in ("first", "second", "third"):
        cluster.apply(name)
    await process.settle()
    cluster.remove_build("second")
    cluster.end_pod()
    await process.settle()
    assert cluster.status("third")["phase"] == "Building"
    await process.stop()


async def test_the_slot_of_a_deleted_build_is_free_when_its_pod_is_gone(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=1).start()
    cluster.apply("first")
    cluster.apply("second")
    await process.settle()
    cluster.remove_build("first")
    await process.settle()
    assert cluster.status("second")["phase"] == "Queued"
    cluster.remove_leaving_pods()
    await process.settle()
    assert cluster.status("second")["phase"] == "Building"
    assert cluster.most_live == 1
    await process.stop()


async def test_a_build_deleted_without_its_pod_does_not_keep_the_slot(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=1).start()
    cluster.apply("first")
    cluster.apply("second")
    await process.settle()
    cluster.remove_build("first", orphan=True)
    await process.settle()
    assert cluster.status("second")["phase"] == "Building"
    await process.stop()


async def test_an_edit_in_the_line_keeps_the_place(cluster: FakeCluster) -> None:
    order = watched(cluster, 1)
    process = await Process(cluster, limit=1).start()
    for name in ("first", "second", "third"):
        cluster.apply(name)
        await process.settle()
    cluster.apply("second", target="other")
    await process.settle()
    cluster.pods_take = 0.001
    cluster.end_pod()
    await finished(cluster, process)
    assert order == ["first", "second", "third"]
    assert cluster.status("second")["run"]["number"] == 1
    await process.stop()


async def test_a_build_that_asks_again_while_it_runs_keeps_its_slot(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=1).start()
    cluster.apply()
    cluster.apply("waiting")
    await process.settle()
    cluster.request("again")
    await process.settle()
    cluster.remove_leaving_pods()
    await process.settle()
    assert (cluster.status()["phase"], cluster.status("waiting")["phase"]) == ("Building", "Queued")
    assert cluster.most_live == 1
    await process.stop()


async def test_who_was_called_and_lost_the_turn_is_called_again(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=1).start()
    cluster.apply("first")
    cluster.apply("second")
    await process.settle()
    cluster.fail("PATCH", 500, times=3)
    cluster.end_pod()
    await process.settle()
    assert cluster.phases() == ["Succeeded", "Building"]
    await process.stop()


async def test_a_group_runs_one_after_another_also_across_a_restart(cluster: FakeCluster) -> None:
    process = await Process(cluster).start()
    for name in ("first", "second", "third"):
        cluster.apply(name, concurrencyGroup="web")
    cluster.apply("apart")
    await process.settle()
    assert cluster.phases() == ["Building", "Building", "Queued", "Queued"]
    told = "Run 1 waits, next in line, for build first of its concurrency group to end."
    assert cluster.status("second")["conditions"][0]["message"] == told
    await process.kill()
    process = await Process(cluster).start()
    await process.settle()
    assert cluster.phases() == ["Building", "Building", "Queued", "Queued"]
    for name in ("first", "second", "third"):
        (pod,) = [pod for pod in cluster.live() if pod in cluster.pods_of(name)]
        assert not [other for other in cluster.live() if other not in (pod, *cluster.pods_of("apart"))]
        cluster.end_pod(pod["metadata"]["name"])
        await process.settle()
    assert cluster.phases() == ["Building", "Succeeded", "Succeeded", "Succeeded"]
    await process.stop()


async def test_the_newest_build_that_replaces_starts_when_the_pods_of_the_older_ones_are_gone(
    cluster: FakeCluster,
) -> None:
    process = await Process(cluster).start()
    for name in ("first", "second", "third"):
        cluster.apply(name, concurrencyGroup="web")
    await process.settle()
    cluster.now += timedelta(seconds=1)
    cluster.apply("newest", concurrencyGroup="web", concurrencyPolicy="Replace")
    await process.settle()
    assert {name: cluster.status(name)["phase"] for name in ("first", "second", "third", "newest")} == {
        "first": "Cancelled",
        "second": "Cancelled",
        "third": "Cancelled",
        "newest": "Queued",
    }
    assert cluster.status("second")["run"]["reason"] == "Superseded"
    assert [pod["metadata"]["ownerReferences"][0]["name"] for pod in cluster.live()] == ["first"]
    cluster.remove_leaving_pods()
    await process.settle()
    assert cluster.status("newest")["phase"] == "Building"
    assert len(cluster.live()) == 1
    await process.stop()


async def test_a_place_is_written_at_most_once_a_minute(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=1).start()
    names = NAMES[:6]
    for name in names:
        cluster.apply(name)
    await process.settle()
    told = cluster.status(names[-1])["conditions"][0]["message"]
    assert told == "Run 1 waits, 5th in line, for the running build to end."
    cluster.requests.clear()
    for _ in range(3):
        cluster.end_pod()
        cluster.now += timedelta(seconds=15)
        for name in names:
            process.look(name)
        await process.settle()
    assert not [entry for entry in cluster.asked("PATCH") if entry.endswith(names[-1])]
    cluster.now += timedelta(seconds=15)
    process.look(names[-1])
    process.look(names[-1])
    await process.settle()
    told = cluster.status(names[-1])["conditions"][0]["message"]
    assert told == "Run 1 waits, 2nd in line, for the running build to end."
    assert len([entry for entry in cluster.asked("PATCH") if entry.endswith(names[-1])]) == 1
    await process.stop()


async def test_the_limit_of_a_namespace_leaves_slots_to_the_others(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=4, per_namespace=3).start()
    for name in NAMES[:10]:
        cluster.apply(name)
    cluster.apply("small", namespace="other")
    await process.settle()
    assert Counter(cluster.phases()) == {"Building": 4, "Queued": 7}
    assert {pod["metadata"]["namespace"] for pod in cluster.live()} == {"ns", "other"}
    await process.stop()
