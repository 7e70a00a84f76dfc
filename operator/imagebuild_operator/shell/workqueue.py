"""A keyed work queue with the semantics of client-go's rate-limiting queue, for one event loop.

- A key waits at most once, however often it is added.
- A key is never with two workers; when it is added meanwhile, it comes again after `done`.
- `add_after` adds it later (deadlines), `retry` after its own exponential back-off.

Nothing is persisted: on a restart, everything is added again from the objects themselves.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_RETRY_SECONDS: Final = 0.25
LONGEST_RETRY_SECONDS: Final = 60.0


class QueueClosed(Exception):  # noqa: N818  the normal end of a worker
    """The queue was shut down: the worker ends."""


class WorkQueue(Generic[K]):
    """Hands keys to workers; to be used from one event loop only.

    Args:
        random: numbers in [0, 1) for the jitter of `retry`.
        first: seconds before the first retry of a key, doubled for each further one.
        longest: upper bound of that, in seconds.
    """

    def __init__(
        self,
        *,
        random: Callable[[], float],
        first: float = FIRST_RETRY_SECONDS,
        longest: float = LONGEST_RETRY_SECONDS,
    ) -> None:
        self._random = random
        self._first = first
        self._longest = longest
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()
        self._processing: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def __len__(self) -> int:
        """How many keys wait for a worker now; delayed ones do not count."""
        return len(self._ready)

    def add(self, key: K) -> None:
        """Have the key looked at as soon as a worker is free."""
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._ready.append(key)
            self._wake_one()

    def add_after(self, key: K, seconds: float) -> None:
        """Add the key in that many seconds; of several such wishes for a key the earliest wins."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if (timer := self._timers.get(key)) is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._expire, key)

    def unschedule(self, key: K) -> None:
        """Drop the key's pending `add_after`, as when its object is finished or gone."""
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()

    async def get(self) -> K:
        """The next key; the caller owes a `done` for it.

        Raises:
            QueueClosed: after `shutdown`, even when keys still wait.
        """
        while not self._closed and not self._ready:
            await self._wait()
        if self._closed:
            raise QueueClosed
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._processing.add(key)
        return key

    def done(self, key: K) -> None:
        """The worker is finished with the key; it comes again if it was added meanwhile."""
        self._processing.discard(key)
        if key in self._dirty and not self._closed:
            self._ready.append(key)
            self._wake_one()

    def retry(self, key: K) -> float:
        """Add the key after its back-off, which doubles until `forget`.

        Returns:
            The delay in seconds, between half of the back-off and the whole of it.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # 2**30 seconds is beyond any cap and keeps the float finite.
        backoff: float = min(self._longest, self._first * 2 ** min(failures, 30))
        delay = backoff * (0.5 + self._random() / 2)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """The key went well: its next back-off starts from the beginning."""
        self._failures.pop(key, None)

    def shutdown(self) -> None:
        """End every worker at its next `get`; keys that wait are dropped, later ones ignored."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._ready.clear()
        self._dirty.clear()
        while self._getters:
            self._wake_one()

    def _expire(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def _wait(self) -> None:
        getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._getters.append(getter)
        try:
            await getter
        except asyncio.CancelledError:
            if getter in self._getters:
                self._getters.remove(getter)
            elif self._ready:
                # It was woken and cancelled at once: hand the wake-up on, or a key would wait beside an idle worker.
                self._wake_one()
            raise

    def _wake_one(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return
