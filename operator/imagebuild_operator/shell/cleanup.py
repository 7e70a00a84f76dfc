"""Removes build Pods some time after their end, with what every watch event and list tells anyway.

Only timers are kept, less than a kilobyte a Pod, and none of them matters: after a restart the first list starts them
again. The result of a Pod is in the status before the Pod may go; that is asked of the API server, not of a copy.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from imagebuild_operator.core.cleanup import EndedPod, Fate, Keeping, awaited, fate, removable, time_left
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.pods import ENDED_PHASES, PodView
from imagebuild_operator.core.queueing import Key
from imagebuild_operator.core.reading import JSON, mapping, text
from imagebuild_operator.shell.logs import build_log_context
from imagebuild_operator.shell.port import ApiRefusal, Cluster
from imagebuild_operator.shell.store import Store
from imagebuild_operator.shell.workqueue import QueueClosed, WorkQueue

logger = logging.getLogger(__name__)

# After a long stop thousands may be due at once: builds need the API server more than this does.
PAUSE_SECONDS: Final = 0.25
# For a Pod whose result is not recorded yet, and after a refusal: doubled up to the longest.
FIRST_PUT_OFF_SECONDS: Final = 1.0
LONGEST_PUT_OFF_SECONDS: Final = 60.0


class Cleanup:
    """Knows the ended Pods and deletes each when its time has come.

    Args:
        cluster: to delete from.
        store: copies of the unfinished builds; what they wait for is not asked about.
        wake: has a build looked at that still waits for the result of a Pod.
        keeping: how long Pods are kept.
        clock: the time of day.
        random: numbers in [0, 1) for the jitter of what is put off.
        pause: seconds between two Pods.
        first_put_off: seconds for which a Pod is put off at first.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        store: Store,
        wake: Callable[[Key], None],
        keeping: Keeping,
        clock: Callable[[], datetime],
        random: Callable[[], float],
        pause: float = PAUSE_SECONDS,
        first_put_off: float = FIRST_PUT_OFF_SECONDS,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._wake = wake
        self._keeping = keeping
        self._clock = clock
        self._pause = pause
        self._queue: WorkQueue[str] = WorkQueue(random=random, first=first_put_off, longest=LONGEST_PUT_OFF_SECONDS)
        self._ended: dict[str, EndedPod] = {}

    def __len__(self) -> int:
        """How many Pods are to be deleted some time."""
        return len(self._ended)

    def see(self, raw: JSON, *, gone: bool = False) -> None:
        """A build Pod was listed, changed or deleted; of several looks at a Pod the earliest time wins."""
        uid = text(mapping(raw, "metadata"), "uid")
        if text(mapping(raw, "status"), "phase") not in ENDED_PHASES and uid not in self._ended:
            return
        view = PodView.parse(raw, gone=gone)
        ended, left = removable(view), time_left(view, self._keeping, self._clock())
        if ended is None or left is None:
            self._forget(uid)
        elif uid not in self._ended:
            self._ended[uid] = ended
            self._queue.add_after(uid, left)

    async def work(self) -> None:
        """Delete what is due, one Pod at a time, until `shutdown`; whatever fails is tried again later."""
        while True:
            try:
                uid = await self._queue.get()
            except QueueClosed:
                return
            if (pod := self._ended.get(uid)) is not None:
                with build_log_context(*pod.key):
                    await self._work_on(pod)
            self._queue.done(uid)

    def shutdown(self) -> None:
        """End `work` after the Pod it is at."""
        self._queue.shutdown()

    async def _work_on(self, pod: EndedPod) -> None:
        try:
            decided = await self._remove(pod)
        except ApiRefusal as refusal:
            logger.warning("Pod %s cannot be cleaned up yet: %s", pod.name, refusal.message)
            decided = Fate.KEEP
        except Exception:
            logger.exception("Pod %s cannot be cleaned up; trying again", pod.name)
            decided = Fate.KEEP
        if decided is Fate.KEEP and pod.uid in self._ended:
            self._queue.retry(pod.uid)
        else:
            self._forget(pod.uid)

    async def _remove(self, pod: EndedPod) -> Fate:
        known = self._store.build(pod.key)
        if known is not None and awaited(pod, known):
            return Fate.KEEP
        await asyncio.sleep(self._pause)
        raw = await self._cluster.get_build(*pod.key)
        try:
            decided = fate(pod, BuildView.parse(raw) if raw is not None else None)
        except ValidationError:
            # Somebody else wrote this status: it is left alone, and its Pods with it.
            return Fate.LEAVE
        if decided is Fate.DELETE:
            await self._cluster.delete_pod(pod.namespace, pod.name, pod.uid)
            logger.info("Pod %s was kept long enough after its end: deleted", pod.name)
        elif decided is Fate.KEEP and raw is not None:
            self._store.see_build(raw)
            self._wake(pod.key)
        return decided

    def _forget(self, uid: str) -> None:
        self._ended.pop(uid, None)
        self._queue.unschedule(uid)
        self._queue.forget(uid)
