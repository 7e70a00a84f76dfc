"""The limit of running builds: never exceeded, first come first served, no slot left idle, restarts included."""

import asyncio
from collections import Counter

import pytest

from tests.unit.shell.fake_cluster import NAMESPACE, FakeCluster
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
    cluster.delete_build("second")
    cluster.end_pod()
    await process.settle()
    assert cluster.status("third")["phase"] == "Building"
    await process.stop()


async def test_the_slot_of_a_deleted_build_is_free_when_its_pod_is_gone(cluster: FakeCluster) -> None:
    process = await Process(cluster, limit=1).start()
    cluster.apply("first")
    cluster.apply("second")
    await process.settle()
    cluster.delete_build("first")
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
    cluster.delete_build("first", orphan=True)
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


async def test_a_grant_that_was_not_used_is_free_again(cluster: FakeCluster) -> None:
    process = Process(cluster, limit=1)
    assert process.admission.ask((NAMESPACE, "a"))
    assert not process.admission.ask((NAMESPACE, "b"))
    assert process.admission.ask((NAMESPACE, "a")), "who holds it may ask again"
    process.admission.settle((NAMESPACE, "a"))
    assert process.admission.ask((NAMESPACE, "b"))


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
