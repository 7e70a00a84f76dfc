"""Who may start now: first come, first served, under one limit. Pure: the same facts give the same answer."""

import heapq
from collections.abc import Collection, Iterable
from dataclasses import dataclass

Key = tuple[str, str]


@dataclass(frozen=True, order=True)
class Waiting:
    """A run recorded as queued: its place is its queuedTime, ties broken by name."""

    queued_time: str
    key: Key


def may_start(key: Key, *, limit: int | None, active: Collection[Key], waiting: Collection[Waiting]) -> bool:
    """Whether the build may start an attempt.

    Args:
        key: the build that asks.
        limit: how many builds may run at once; None for no limit.
        active: builds that hold a slot: a live Pod, or an attempt recorded and not finished.
        waiting: all recorded waiting runs, the asking one included if it is recorded.

    Returns:
        True when it holds a slot already, or when a slot is left after everyone who came before it.
    """
    if limit is None or key in active:
        return True
    mine = next((entry for entry in waiting if entry.key == key), None)
    before = len(waiting) if mine is None else sum(entry < mine for entry in waiting)
    return len(active) + before < limit


def next_in_line(*, limit: int | None, active: Collection[Key], waiting: Iterable[Waiting]) -> list[Key]:
    """The waiting builds that may start now, in their order."""
    if limit is None:
        return [entry.key for entry in sorted(waiting)]
    return [entry.key for entry in heapq.nsmallest(max(limit - len(active), 0), waiting)]
