"""The operator's own look at the cluster: at the start, before anything is created, and every few minutes after.

kopf gives no signal that its first list is complete, and a list after a gap tells nobody what was deleted meanwhile
(kopf, _core/reactor/queueing.py), so both are read here.
"""

import asyncio
import logging

from imagebuild_operator.core.queueing import Key
from imagebuild_operator.core.reading import JSON
from imagebuild_operator.shell.admission import Admission
from imagebuild_operator.shell.cleanup import Cleanup
from imagebuild_operator.shell.port import ApiRefusal, Cluster
from imagebuild_operator.shell.store import Store, owner_of
from imagebuild_operator.shell.workqueue import WorkQueue

logger = logging.getLogger(__name__)


class Resync:
    """Brings the store in line with the cluster."""

    def __init__(
        self, cluster: Cluster, store: Store, queue: WorkQueue[Key], admission: Admission, cleanup: Cleanup
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._queue = queue
        self._admission = admission
        self._cleanup = cleanup

    async def once(self) -> None:
        """List the unfinished builds and the build Pods, and have everything they name looked at.

        Raises:
            ApiRefusal: a list could not be had.
        """
        builds, builds_version = await self._cluster.list_unfinished_builds()
        pods, pods_version = await self._cluster.list_build_pods()
        seen = {self._take_build(raw) for raw in builds}
        present = {str(raw["metadata"]["uid"]) for raw in pods}
        for raw in pods:
            self._store.see_pod(raw, listed=True)
            self._cleanup.see(raw)
        for key, uid, version in list(self._store.existing_pods()):
            if uid not in present and version <= _number(pods_version):
                self._store.lose_pod(key, uid)
        for key, version in list(self._store.builds()):
            if key not in seen and version <= _number(builds_version) and not self._at_rest(key):
                await self._reread(key)
        for key in self._store.keys() | {owner for raw in pods if (owner := owner_of(raw))}:
            self._queue.add(key)
        self._admission.refresh()

    def _take_build(self, raw: JSON) -> Key | None:
        view = self._store.see_build(raw)
        return view.key if view is not None else None

    def _at_rest(self, key: Key) -> bool:
        """Such a build is not in the list anyway: it only waits for the time of its own deletion."""
        build = self._store.build(key)
        return build is not None and build.at_rest

    async def _reread(self, key: Key) -> None:
        """It is finished or gone: a GET tells which."""
        raw = await self._cluster.get_build(*key)
        if raw is None:
            self._store.drop_build(key)
        else:
            self._take_build(raw)

    async def forever(self, seconds: float) -> None:
        """Do it again every so many seconds; whatever fails is left to the next time."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.once()
            except ApiRefusal as refusal:
                logger.warning("The resync is put off: %s", refusal.message)
            except Exception:
                logger.exception("The resync failed; it is put off")


def _number(version: str) -> int:
    return int(version) if version.isascii() and version.isdigit() else 0
