"""Slots: keeps the limits of running builds, with the facts of the store and what is being written now."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from imagebuild_operator.core.line import Line
from imagebuild_operator.core.places import why
from imagebuild_operator.core.queueing import Holding, Key, Limits, Slot, Waiting
from imagebuild_operator.core.replacing import Groups
from imagebuild_operator.core.standing import Standing
from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.store import Store

# What a build that waits was told stays as it is for so long: each change is a write.
TOLD_SECONDS: Final = 60.0
# A build that was called and cannot come, as when its writes are refused, keeps its slot from others for so long.
PATIENCE_SECONDS: Final = 60.0


class Admission:
    """Grants slots. What is granted or promised is only held in memory until the record that uses it is stored."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        wake: Callable[[Key], None],
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._wake = wake
        self._metrics = metrics
        self._clock = clock
        self._line = Line(limits)
        self._groups = Groups()
        self._asked: dict[Key, Waiting] = {}
        self._granted: dict[Key, Holding] = {}
        self._called: dict[Key, float] = {}
        self._absent: set[Key] = set()
        self._told: dict[Key, tuple[str, float]] = {}

    def ask(self, key: Key) -> Slot:
        """Whether the build may start an attempt now; a yes, and the turn, are reserved until `settle`."""
        self._catch_up()
        asks = self._with_turn(key, self._store.standing(key))
        self._asked[key] = asks
        self._put(key)
        obstacle = self._line.obstacle(asks)
        newest = self._groups.newest(key[0], asks.group)
        if obstacle is not None:
            return Slot(granted=False, turn=asks.turn, why=self._tell(key, why(obstacle)), newest=newest)
        self._granted[key] = Holding(key, asks.turn, asks.priority, frozenset({asks.group} - {""}))
        self._put(key)
        return Slot(granted=True, turn=asks.turn, newest=newest, group=asks.group)

    def superseded_by(self, key: Key) -> str:
        """The name of a newer build of the concurrency group that takes this one's place; empty when there is none."""
        self._catch_up()
        return self._groups.superseded_by(key)

    def settle(self, key: Key) -> None:
        """A pass over the build ended: what it was granted is recorded by now, or free again."""
        asked, granted = self._asked.pop(key, None), self._granted.pop(key, None)
        if asked is not None and granted is None:
            self._absent.discard(key)
        self._put(key)
        self.refresh()

    def refresh(self) -> None:
        """Wake those whose turn has come, each once: a pass that failed comes again with the queue's back-off."""
        self._catch_up()
        now = self._clock()
        self._pass_over_absent(now)
        called, self._called = self._called, {}
        for key in self._line.next():
            if key not in self._asked:
                self._called[key] = called.get(key, now)
                if key not in called:
                    self._wake(key)
        self._metrics.active(len(self._line.holding))
        self._metrics.queued(len(self._line.waiting))

    def _pass_over_absent(self, now: float) -> None:
        called = self._line.next()
        late = [key for key, since in self._called.items() if key in called and now - since >= PATIENCE_SECONDS]
        for key in late:
            self._absent.add(key)
            self._line.pass_over(key)

    def _catch_up(self) -> None:
        """Take in what changed in the store."""
        for key in self._store.take_changes():
            self._put(key)
            for older in self._groups.put(key, self._store.standing(key).member):
                self._wake(older)

    def _put(self, key: Key) -> None:
        """Bring the line up to what is recorded of a build, and to what was granted or promised beyond that."""
        standing, asked = self._store.standing(key), self._asked.get(key)
        holding = _together(standing.holding, self._granted.get(key))
        waiting = None if holding else asked or (standing.asks if standing.waits else None)
        self._line.put(key, waiting, holding, keeps=standing.keeps)
        if waiting is None:
            self._absent.discard(key)
            if asked is None or key in self._granted:
                self._told.pop(key, None)
        elif key in self._absent and asked is None:
            self._line.pass_over(key)

    def _with_turn(self, key: Key, standing: Standing) -> Waiting:
        """What the build stands in line with: the turn that is recorded, was promised, or is given to it now."""
        asks, asked = standing.asks, self._asked.get(key)
        if asks.turn and not standing.backs_off:
            return asks
        if asked is not None:
            return replace(asks, turn=asked.turn)
        turn = max(self._line.new_turn(key[0], asks.priority), standing.last_turn + 1)
        # The line may have begun anew since a failed attempt got its turn: nobody is behind newcomers for that.
        return replace(asks, turn=min(asks.turn, turn) if asks.turn else turn)

    def _tell(self, key: Key, text: str) -> str:
        told, now = self._told.get(key), self._clock()
        if told is not None and (told[0] == text or now - told[1] < TOLD_SECONDS):
            return told[0]
        self._told[key] = (text, now)
        return text


def _together(recorded: Holding | None, granted: Holding | None) -> Holding | None:
    if recorded is None or granted is None:
        return recorded or granted
    return replace(granted, groups=granted.groups | recorded.groups)
