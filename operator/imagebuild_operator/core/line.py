"""Who may start now, and in which order: priority, then the namespaces in turn, then first come, first served.

`Line` is an index over who waits and who holds a slot. The same facts, put in in any order, give the same answers, so
a process that starts anew from the recorded status goes on where the last one stopped.

The turns are start-time fair queueing with namespaces as the flows (Goyal, Vin and Cheng, 1996). A run gets its turn
once, when it is recorded: one more than the last of its namespace, and than the level that the line has reached.
As no newcomer gets the level that is being served, that level runs empty and the next follows, so that everybody's
turn comes, however many others arrive.
"""

import heapq
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from operator import itemgetter
from typing import Final, TypeVar

from imagebuild_operator.core.queueing import Holding, Key, Limits, Obstacle, Rank, Waiting

Bucket = TypeVar("Bucket")
Entry = TypeVar("Entry", Rank, int)

_PRIORITY: Final = itemgetter(0)


class Line:
    """Kept so that a change costs little, and a question hardly more than its answer."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: dict[Key, Waiting] = {}
        self._holding: dict[Key, Holding] = {}
        self._passed_over: set[Key] = set()
        # Those in line, sorted, by namespace and group.
        self._ranks: dict[tuple[str, str], list[Rank]] = {}
        self._running: Counter[str] = Counter()
        self._busy: dict[tuple[str, str], set[Key]] = {}
        # Groups of those who hold no slot between two attempts: nobody else of the group shall come in between.
        self._kept: dict[tuple[str, str], set[Key]] = {}
        self._keeps: dict[Key, str] = {}
        # The turns of those who hold a slot, sorted, by priority and namespace.
        self._turns: dict[tuple[int, str], list[int]] = {}
        self._next: dict[Key, None] | None = None

    @property
    def waiting(self) -> Mapping[Key, Waiting]:
        """The builds that wait, in no order."""
        return self._waiting

    @property
    def holding(self) -> Mapping[Key, Holding]:
        """The builds that hold a slot."""
        return self._holding

    def put(self, key: Key, waiting: Waiting | None, holding: Holding | None, *, keeps: str = "") -> None:
        """Note all that is known of one build; None for what it does not do.

        Args:
            key: of the build.
            waiting: its place in line.
            holding: the slot it takes up.
            keeps: the group that it keeps to itself without a slot.
        """
        known = (self._waiting.get(key), self._holding.get(key), self._keeps.get(key, ""))
        if known == (waiting, holding, keeps) and key not in self._passed_over:
            return
        self._next = None
        self._take_out(key)
        if keeps:
            self._keeps[key] = keeps
            self._kept.setdefault((key[0], keeps), set()).add(key)
        if waiting is not None:
            self._waiting[key] = waiting
            insort(self._ranks.setdefault((key[0], waiting.group), []), waiting.rank)
        if holding is not None:
            self._holding[key] = holding
            self._running[key[0]] += 1
            insort(self._turns.setdefault((holding.priority, key[0]), []), holding.turn)
            for group in holding.groups:
                self._busy.setdefault((key[0], group), set()).add(key)

    def pass_over(self, key: Key) -> None:
        """Have nobody wait for a build that does not come when it is called, until it is put in again."""
        waiting = self._waiting.get(key)
        if waiting is not None and key not in self._passed_over:
            self._next = None
            self._passed_over.add(key)
            _remove(self._ranks, (key[0], waiting.group), waiting.rank)

    def _take_out(self, key: Key) -> None:
        waiting, holding = self._waiting.pop(key, None), self._holding.pop(key, None)
        kept = self._keeps.pop(key, "")
        if kept:
            _discard(self._kept, (key[0], kept), key)
        if waiting is not None and key not in self._passed_over:
            _remove(self._ranks, (key[0], waiting.group), waiting.rank)
        self._passed_over.discard(key)
        if holding is None:
            return
        self._running -= Counter([key[0]])
        _remove(self._turns, (holding.priority, key[0]), holding.turn)
        for group in holding.groups:
            _discard(self._busy, (key[0], group), key)

    def next(self) -> Mapping[Key, None]:
        """Those who may start now, in their order: when all of them do, no limit is exceeded and no slot is left."""
        if self._next is None:
            self._next = dict.fromkeys(self._called())
        return self._next

    def _called(self) -> Iterator[Key]:
        free = None if self._limits.total is None else self._limits.total - len(self._holding)
        if free is not None and free <= 0:
            return
        running = self._running.copy()
        # No namespace has room for more of one flow than its limit.
        for *_, key in heapq.merge(*(islice(ranks, self._limits.per_namespace) for ranks in self._contenders())):
            if self._full(running[key[0]]):
                continue
            yield key
            running[key[0]] += 1
            free = None if free is None else free - 1
            if free == 0:
                return

    def _full(self, running: int) -> bool:
        return self._limits.per_namespace is not None and running >= self._limits.per_namespace

    def _contenders(self, only: str | None = None) -> Iterator[list[Rank]]:
        """Those in line who wait for nothing but a slot, of one namespace or of all that have room.

        Of a group that is idle, that is the first, or who keeps it: the others wait for that one.
        """
        for (namespace, group), ranks in self._ranks.items():
            if namespace != only and (only is not None or self._full(self._running[namespace])):
                continue
            if not group:
                yield ranks
            elif (namespace, group) not in self._busy:
                kept = self._kept.get((namespace, group))
                yield [rank for rank in ranks if rank[3] in kept][:1] if kept else ranks[:1]

    def new_turn(self, namespace: str, priority: int) -> int:
        """The turn of a run that comes into the line now. Only runs of the same priority count."""
        held = (turns[-1] for (its_priority, _), turns in self._turns.items() if its_priority == priority)
        mine = (ranks for (its_namespace, _), ranks in self._ranks.items() if its_namespace == namespace)
        last = (turns[-1] for turns in _turns_of(mine, priority))
        served = [turns[0] for turns in _turns_of(self._contenders(), priority)]
        # Nobody can be served: those who are blocked say what the level is.
        served = served or [turns[0] for turns in _turns_of(self._ranks.values(), priority)]
        return 1 + max([*held, *last, min(served, default=0)], default=0)

    def obstacle(self, asks: Waiting) -> Obstacle | None:
        """What keeps a build from starting, be it in line already or not; None when nothing does."""
        key, rank, held = asks.key, asks.rank, self._holding.get(asks.key)
        if asks.group and (held is None or asks.group not in held.groups):
            kept = self._kept.get((key[0], asks.group), set())
            before = 0 if key in kept else bisect_left(self._ranks.get((key[0], asks.group), []), rank)
            busy = self._busy.get((key[0], asks.group), set()) | (set() if key in kept else kept)
            busy -= {key}
            if before:
                return Obstacle(before + 1)
            if busy:
                first = min(busy)
                return Obstacle(1, build=first[1], leaving=first in self._holding and self._holding[first].leaving)
        if held is not None or key in self.next():
            return None
        total, most, running = self._limits.total, self._limits.per_namespace, self._running[key[0]]
        full = total is not None and len(self._holding) >= total
        if most is not None and (running >= most or not full):
            place = _count_before(self._contenders(key[0]), rank) + 1
            if running + place > most:
                return Obstacle(place, limit=most, in_namespace=True)
        return Obstacle(_count_before(self._contenders(), rank) + 1, limit=total) if total is not None else None


def _remove(index: dict[Bucket, list[Entry]], bucket: Bucket, entry: Entry) -> None:
    entries = index[bucket]
    del entries[bisect_left(entries, entry)]
    if not entries:
        del index[bucket]


def _discard(index: dict[tuple[str, str], set[Key]], bucket: tuple[str, str], key: Key) -> None:
    index[bucket].discard(key)
    if not index[bucket]:
        del index[bucket]


def _turns_of(flows: Iterable[list[Rank]], priority: int) -> Iterator[tuple[int, int]]:
    """The lowest and the highest turn of this priority in each flow that has one."""
    for ranks in flows:
        start = bisect_left(ranks, -priority, key=_PRIORITY)
        end = bisect_right(ranks, -priority, start, key=_PRIORITY)
        if start < end:
            yield ranks[start][1], ranks[end - 1][1]


def _count_before(flows: Iterable[list[Rank]], rank: Rank) -> int:
    return sum(bisect_left(ranks, rank) for ranks in flows)
