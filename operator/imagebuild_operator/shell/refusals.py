"""The API server's last no to the POST of a build's Pod, and when to ask again."""

from datetime import datetime, timedelta
from typing import Final

from imagebuild_operator.core.observe import Refusal
from imagebuild_operator.core.queueing import Key
from imagebuild_operator.shell.port import ApiRefusal

# Those that mean what they say; of others (5xx, 429) the first few may pass by themselves.
MEANT: Final = frozenset({400, 403, 404, 409, 413, 422})
PATIENCE: Final = 5
BACKOFF_SECONDS: Final = (5.0, 10.0, 20.0, 40.0, 60.0)


class Refusals:
    """Kept in memory only: after a restart, the first POST tells again."""

    def __init__(self) -> None:
        self._last: dict[Key, tuple[Refusal, int]] = {}
        self._passing: dict[Key, int] = {}

    def __len__(self) -> int:
        """How many builds have one."""
        return len(self._last)

    def of(self, key: Key) -> Refusal | None:
        """The last one of a build."""
        entry = self._last.get(key)
        return entry[0] if entry else None

    def passing(self, key: Key, answer: ApiRefusal) -> bool:
        """Whether to just try again soon: there was no answer, or one that need not mean anything yet."""
        if answer.status in MEANT:
            return False
        self._passing[key] = self._passing.get(key, 0) + 1
        return not answer.status or self._passing[key] <= PATIENCE

    def note(self, key: Key, pod_name: str, answer: ApiRefusal, now: datetime) -> None:
        """Remember one; each further one for the same Pod waits longer."""
        before = self._last.get(key)
        times = before[1] + 1 if before and before[0].pod_name == pod_name else 0
        backoff = BACKOFF_SECONDS[min(times, len(BACKOFF_SECONDS) - 1)]
        wait = timedelta(seconds=max(backoff, min(answer.retry_after or 0.0, BACKOFF_SECONDS[-1])))
        seen = Refusal(pod_name, answer.status, answer.message, retry_at=now + wait)
        self._last[key] = (seen, times)

    def forget(self, key: Key) -> None:
        """It counts no more."""
        self._last.pop(key, None)
        self._passing.pop(key, None)
