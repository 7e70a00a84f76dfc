"""Slots: keeps the operator's limit of running builds, with the facts of the store and what is being written now."""

from collections.abc import Callable

from imagebuild_operator.core.queueing import Key, Waiting, may_start, next_in_line
from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.store import Store


class Admission:
    """Grants slots. A grant is only held in memory until the record that uses it is stored."""

    def __init__(self, store: Store, limit: int | None, wake: Callable[[Key], None], metrics: Metrics) -> None:
        self._store = store
        self._limit = limit
        self._wake = wake
        self._metrics = metrics
        self._granted: set[Key] = set()
        self._called: set[Key] = set()

    def ask(self, key: Key) -> bool:
        """Whether the build may start an attempt now; a yes is reserved until `settle`."""
        active = self._store.active | self._granted
        granted = may_start(key, limit=self._limit, active=active, waiting=self._waiting())
        if granted:
            self._granted.add(key)
        return granted

    def settle(self, key: Key) -> None:
        """A pass over the build ended: what it was granted is recorded by now, or free again."""
        self._granted.discard(key)
        self.refresh()

    def refresh(self) -> None:
        """Wake those whose turn has come, each once: a pass that failed comes again with the queue's back-off."""
        active, waiting = self._store.active | self._granted, self._waiting()
        self._metrics.active(len(active))
        self._metrics.queued(len(waiting))
        line = next_in_line(limit=self._limit, active=active, waiting=waiting)
        called, self._called = self._called, set(line)
        for key in line:
            if key not in called:
                self._wake(key)

    def _waiting(self) -> list[Waiting]:
        return [entry for key, entry in self._store.waiting.items() if key not in self._granted]
