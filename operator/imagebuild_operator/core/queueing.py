"""The words of the queue: who waits, who holds a slot, what limits them, and the answer to a build that asks."""

from dataclasses import dataclass

Key = tuple[str, str]
# What the order goes by: the priority (negated), turn, queuedTime, key.
Rank = tuple[int, int, str, Key]

# Sorts after every time: of two with the same turn, the one that is recorded already came first.
NOT_RECORDED = "~"


@dataclass(frozen=True)
class Slot:
    """The answer to a build that wants to start an attempt.

    Attributes:
        granted: whether it may start now.
        turn: its place in the order between namespaces, to be recorded with the run.
        why: what it waits for, as the middle of a sentence that begins with the run.
        newest: queuedTime of the newest run of its concurrency group: one that comes now is newer, whatever the clock.
        group: the concurrency group that it asked in, to be recorded with the attempt; empty for none.
    """

    granted: bool
    turn: int = 0
    why: str = ""
    newest: str = ""
    group: str = ""


@dataclass(frozen=True)
class Limits:
    """How many builds may run at once; None for no limit."""

    total: int | None = None
    per_namespace: int | None = None


@dataclass(frozen=True)
class Waiting:
    """A build in line, or one that would take this place in it. Turns count from 1; 0 stands for none yet."""

    key: Key
    turn: int = 0
    queued_time: str = NOT_RECORDED
    priority: int = 0
    group: str = ""

    @property
    def rank(self) -> Rank:
        """What it is sorted by: the lowest comes first."""
        return -self.priority, self.turn, self.queued_time, self.key


@dataclass(frozen=True)
class Holding:
    """A build that takes up a slot, and the concurrency groups that it keeps busy.

    It is leaving when its run has ended or is held, and only a Pod of it has still to go.
    """

    key: Key
    turn: int = 0
    priority: int = 0
    groups: frozenset[str] = frozenset()
    leaving: bool = False


@dataclass(frozen=True)
class Obstacle:
    """What a build that may not start waits for: its group, or one of so many running builds.

    Attributes:
        place: its own among those that could start before it, from 1.
        limit: of running builds; None when it waits for its concurrency group.
        in_namespace: whether that limit is the one of its namespace.
        build: the one build that keeps its group busy; empty when there are more before it.
        leaving: whether only the Pod of that build has still to go.
    """

    place: int
    limit: int | None = None
    in_namespace: bool = False
    build: str = ""
    leaving: bool = False
