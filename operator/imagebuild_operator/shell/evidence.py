"""What one pass looks at: evidence for the core, from the copies that are kept and, where it asks, from the cluster."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import assert_never

from imagebuild_operator.core.decisions import (
    AskSlot,
    FetchBuild,
    FetchLastOutput,
    FetchLog,
    FetchPod,
    FetchWarnings,
    Look,
)
from imagebuild_operator.core.observe import BuildView, Observation
from imagebuild_operator.core.queueing import Key, Slot
from imagebuild_operator.shell.admission import Admission
from imagebuild_operator.shell.port import ApiRefusal, Cluster
from imagebuild_operator.shell.refusals import Refusals
from imagebuild_operator.shell.store import Store

logger = logging.getLogger(__name__)


class Evidence:
    """Gathers for one build, for the length of one pass."""

    def __init__(
        self,
        key: Key,
        *,
        cluster: Cluster,
        store: Store,
        admission: Admission,
        refusals: Refusals,
        clock: Callable[[], datetime],
    ) -> None:
        self._key = key
        self._cluster = cluster
        self._store = store
        self._admission = admission
        self._refusals = refusals
        self._clock = clock
        self._looked_up: set[str] = set()
        self.changed(frozenset())
        self._fresh = False

    def changed(self, known: frozenset[str]) -> None:
        """The build was read or written: what was asked for the copy of before counts no more.

        Args:
            known: the Pods that were known when that was asked for; a younger one may be of a younger record.
        """
        self._fresh, self._known = True, known
        self._slot: Slot | None = None
        self._last_output: datetime | None = None
        self._log: str | None = None
        self._warnings: tuple[str, ...] | None = None

    async def build(self) -> BuildView | None:
        """The build to decide for; one that is not in the store is worth a GET only for the sake of a live Pod."""
        known = self._store.build(self._key)
        if known is not None:
            return known
        if not any(pod.live and not pod.deleting for pod in self._store.pods(self._key)):
            return None
        return await self.read_build()

    @property
    def known_pods(self) -> frozenset[str]:
        """The uids of the Pods that are known now."""
        return frozenset(pod.uid for pod in self._store.pods(self._key))

    async def read_build(self) -> BuildView | None:
        """The build as it is stored now; None when it is gone."""
        known = self.known_pods
        raw = await self._cluster.get_build(*self._key)
        self.changed(known)
        if raw is None:
            self._store.drop_build(self._key)
            return None
        return self._store.see_build(raw)

    def observation(self, build: BuildView) -> Observation:
        """All that is known by now."""
        return Observation(
            build=build,
            pods=self._store.pods(build.key),
            fresh=self._fresh and self.known_pods <= self._known,
            looked_up=frozenset(self._looked_up),
            slot=self._slot,
            superseded_by=self._admission.superseded_by(build.key),
            last_output=self._last_output,
            log=self._log,
            warnings=self._warnings,
            refusal=self._refusals.of(build.key),
        )

    async def look(self, at: Look) -> None:
        """Find out what the core asks for.

        Raises:
            ApiRefusal: it cannot be had now.
        """
        match at:
            case AskSlot():
                self._slot = self._admission.ask(self._key)
            case FetchBuild():
                await self.read_build()
            case FetchPod(name):
                await self._look_up(name)
            case FetchLog(pod_name, container):
                self._log = await self._read_log(pod_name, container)
            case FetchLastOutput():
                self._last_output = await self._heard(at)
            case FetchWarnings(pod_uid):
                self._warnings = tuple(await self._cluster.pod_warnings(self._key[0], pod_uid))
            case _:
                assert_never(at)

    async def _look_up(self, name: str) -> None:
        raw = await self._cluster.get_pod(self._key[0], name)
        self._looked_up.add(name)
        found = (raw.get("metadata") or {}).get("uid") if raw else None
        for pod in self._store.pods(self._key):
            if pod.name == name and pod.uid != found:
                self._store.lose_pod(self._key, pod.uid)
        if raw is not None:
            self._store.see_pod(raw, self._key)

    async def _read_log(self, pod_name: str, container: str) -> str:
        """A log that cannot be had, as from a node that is away, must not keep the result from being recorded."""
        try:
            return await self._cluster.read_log(self._key[0], pod_name, container)
        except ApiRefusal as refusal:
            logger.warning("The log of Pod %s cannot be read: %s", pod_name, refusal.message)
            return ""

    async def _heard(self, asked: FetchLastOutput) -> datetime:
        """A node that cannot be asked says nothing about its Pods: they count as alive."""
        try:
            last = await self._cluster.last_output(self._key[0], asked.pod_name, asked.container)
        except ApiRefusal as refusal:
            logger.warning("The log of Pod %s cannot be read: %s", asked.pod_name, refusal.message)
            return self._clock()
        return last or asked.since
