"""The work queue against client-go's promises: no key twice, none with two workers, none forgotten."""

import asyncio
import random

import pytest

from imagebuild_operator.shell.workqueue import QueueClosed, WorkQueue


def queue(jitter: float = 0.0, *, first: float = 0.01, longest: float = 60.0) -> WorkQueue[str]:
    return WorkQueue(random=lambda: jitter, first=first, longest=longest)


async def idle(waiting: WorkQueue[str]) -> bool:
    """Whether a worker would find nothing."""
    try:
        await asyncio.wait_for(waiting.get(), 0.02)
    except TimeoutError:
        return True
    return False


async def test_a_key_waits_once_and_keys_come_in_order() -> None:
    q = queue()
    for key in ("b", "a", "b"):
        q.add(key)
    assert len(q) == 2
    assert [await q.get(), await q.get()] == ["b", "a"]
    assert len(q) == 0


async def test_a_key_added_while_processed_comes_again_after_done_and_not_before() -> None:
    q = queue()
    q.add("a")
    assert await q.get() == "a"
    q.add("a")
    q.add("a")
    assert len(q) == 0
    assert await idle(q)
    q.done("a")
    assert len(q) == 1
    assert await q.get() == "a"
    q.done("a")
    assert await idle(q)


async def test_no_key_is_ever_with_two_workers_and_the_last_add_is_always_seen() -> None:
    source = random.Random(7)
    q = queue()
    keys = [f"key-{number}" for number in range(10)]
    held: set[str] = set()
    added = dict.fromkeys(keys, 0)
    seen = dict.fromkeys(keys, 0)
    settled = asyncio.Event()

    async def work() -> None:
        while True:
            key = await q.get()
            assert key not in held
            held.add(key)
            seen[key] = added[key]
            await asyncio.sleep(source.random() / 500)
            held.remove(key)
            q.done(key)
            if added_all and not len(q) and not held:
                settled.set()

    added_all = False
    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(work()) for _ in range(5)]
        for _ in range(600):
            key = source.choice(keys)
            added[key] += 1
            q.add(key)
            if source.random() < 0.2:
                await asyncio.sleep(source.random() / 1000)
        added_all = True
        q.add(keys[0])
        await asyncio.wait_for(settled.wait(), 10)
        for worker in workers:
            worker.cancel()
    assert seen == added


async def test_get_waits_for_a_key() -> None:
    q = queue()
    worker = asyncio.create_task(q.get())
    await asyncio.sleep(0)
    assert not worker.done()
    q.add("a")
    assert await asyncio.wait_for(worker, 1) == "a"


async def test_a_worker_cancelled_at_its_wake_up_leaves_the_key_to_another() -> None:
    q = queue()
    first, second = asyncio.create_task(q.get()), asyncio.create_task(q.get())
    await asyncio.sleep(0)
    q.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 1) == "a"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_cancelled_worker_gets_nothing() -> None:
    q = queue()
    worker = asyncio.create_task(q.get())
    await asyncio.sleep(0)
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker
    q.add("a")
    assert await asyncio.wait_for(q.get(), 1) == "a"


async def test_add_after_comes_when_it_is_due() -> None:
    q = queue()
    q.add_after("a", 0.05)
    assert len(q) == 0
    assert await idle(q)
    assert await asyncio.wait_for(q.get(), 1) == "a"


@pytest.mark.parametrize("delays", [(0.03, 30.0), (30.0, 0.03)])
async def test_the_earlier_of_two_delays_wins_and_comes_once(delays: tuple[float, float]) -> None:
    q = queue()
    for delay in delays:
        q.add_after("a", delay)
    assert await asyncio.wait_for(q.get(), 1) == "a"
    q.done("a")
    assert await idle(q)


async def test_no_delay_is_now() -> None:
    q = queue()
    q.add_after("a", 0)
    q.add_after("b", -3)
    assert len(q) == 2


async def test_unschedule_drops_the_delay_and_nothing_else() -> None:
    q = queue()
    q.add("a")
    q.add_after("a", 0.01)
    q.unschedule("a")
    q.unschedule("never scheduled")
    assert await q.get() == "a"
    q.done("a")
    assert await idle(q)


async def test_retries_back_off_by_key_up_to_the_cap_and_start_again_after_forget() -> None:
    q = queue(jitter=1.0, first=10.0, longest=35.0)
    assert [q.retry("a") for _ in range(4)] == [10.0, 20.0, 35.0, 35.0]
    assert q.retry("b") == 10.0
    q.forget("a")
    assert q.retry("a") == 10.0
    q.shutdown()


async def test_jitter_takes_up_to_half() -> None:
    q = queue(jitter=0.0, first=10.0)
    assert q.retry("a") == 5.0
    assert 14.9 < WorkQueue[str](random=lambda: 0.99, first=15.0).retry("a") < 15.0


async def test_the_back_off_stays_finite() -> None:
    q = queue(jitter=1.0, first=1.0)
    assert {q.retry("a") for _ in range(5000)} == {1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0}


async def test_a_retried_key_comes_back() -> None:
    q = queue()
    q.add("a")
    key = await q.get()
    q.retry(key)
    q.done(key)
    assert await asyncio.wait_for(q.get(), 1) == "a"


async def test_shutdown_ends_workers_timers_and_adds() -> None:
    q = queue()
    workers = [asyncio.create_task(q.get()) for _ in range(3)]
    q.add_after("later", 0.01)
    await asyncio.sleep(0)
    q.shutdown()
    assert [type(end) for end in await asyncio.gather(*workers, return_exceptions=True)] == [QueueClosed] * 3
    q.add("a")
    q.add_after("b", 0.0)
    q.retry("c")
    await asyncio.sleep(0.03)
    assert len(q) == 0
    with pytest.raises(QueueClosed):
        await q.get()


async def test_shutdown_lets_a_worker_finish_its_key() -> None:
    q = queue()
    q.add("a")
    key = await q.get()
    q.add("a")
    q.shutdown()
    q.done(key)
    assert len(q) == 0
