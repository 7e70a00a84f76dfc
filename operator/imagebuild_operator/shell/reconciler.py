"""Observe, decide, execute: one pass over one build, repeated until there is nothing to do."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, assert_never

from imagebuild_operator.core.decide import Policy, decide
from imagebuild_operator.core.decisions import (
    Announcement,
    AskSlot,
    CreatePod,
    Decision,
    DeletePod,
    FetchBuild,
    FetchLog,
    FetchPod,
    FetchWarnings,
    Wait,
    WriteStatus,
)
from imagebuild_operator.core.observe import BuildView, Observation
from imagebuild_operator.core.queueing import Key
from imagebuild_operator.shell.admission import Admission
from imagebuild_operator.shell.events import build_event
from imagebuild_operator.shell.logs import build_log_context
from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.port import ApiRefusal, Cluster, Conflict, Missing
from imagebuild_operator.shell.refusals import Refusals
from imagebuild_operator.shell.store import Store
from imagebuild_operator.shell.workqueue import QueueClosed, WorkQueue

logger = logging.getLogger(__name__)

# A pass is a handful of looks and effects; more means two decisions undo each other, which is a bug.
STEPS_PER_PASS: Final = 20


class EndlessPassError(Exception):
    """A pass did not come to rest."""


@dataclass
class _Pass:
    """What one pass has gathered beyond the store."""

    fresh: bool = False
    looked_up: set[str] = field(default_factory=set)
    slot: bool | None = None
    log: str | None = None
    warnings: tuple[str, ...] | None = None
    announcements: list[tuple[BuildView, Announcement]] = field(default_factory=list)

    def changed(self) -> None:
        """The build changed under the pass: what was asked for the old one counts no more."""
        self.fresh, self.slot, self.log, self.warnings = True, None, None, None


class Reconciler:
    """Runs the workers' passes; holds no truth, only copies and the refusals of the last POSTs."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        store: Store,
        admission: Admission,
        queue: WorkQueue[Key],
        policy: Policy,
        metrics: Metrics,
        clock: Callable[[], datetime],
        instance: str,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._admission = admission
        self._queue = queue
        self._policy = policy
        self._metrics = metrics
        self._clock = clock
        self._instance = instance
        self._refusals = Refusals()

    async def work(self) -> None:
        """One worker: takes keys until the queue shuts down. A pass that fails is tried again with back-off."""
        while True:
            try:
                key = await self._queue.get()
            except QueueClosed:
                return
            with build_log_context(*key):
                await self._work_on(key)

    async def _work_on(self, key: Key) -> None:
        try:
            await self.reconcile(key)
        except ApiRefusal as refusal:
            logger.warning("The API server answered %s: %s; trying again", refusal.status, refusal.message)
            self._queue.retry(key)
        except Exception:
            self._metrics.reconcile_error()
            logger.exception("A pass failed; trying again")
            self._queue.retry(key)
        else:
            self._queue.forget(key)
        finally:
            self._queue.done(key)

    async def reconcile(self, key: Key) -> None:
        """One pass.

        Raises:
            ApiRefusal: the API server refused something that only trying again can mend.
            EndlessPassError: the decisions did not come to rest.
        """
        gathered = _Pass()
        try:
            for _ in range(STEPS_PER_PASS):
                build = self._store.build(key) or await self._unknown(key, gathered)
                if build is None:
                    self._let_go(key)
                    return
                decision = decide(self._observe(build, gathered), self._policy, self._clock())
                if isinstance(decision, Wait):
                    self._rest(key, build, decision)
                    return
                with build_log_context(*key, run=_run_of(build, decision)):
                    await self._execute(key, build, decision, gathered)
            raise EndlessPassError(f"no rest after {STEPS_PER_PASS} steps for {key[0]}/{key[1]}")
        finally:
            self._admission.settle(key)
            for build, announcement in gathered.announcements:
                await self._announce(build, announcement)

    async def _unknown(self, key: Key, gathered: _Pass) -> BuildView | None:
        """A Pod of a build that is not in the store: only a live one is worth a GET."""
        if not any(pod.live and not pod.deleting for pod in self._store.pods(key)):
            return None
        return await self._read_build(key, gathered)

    async def _read_build(self, key: Key, gathered: _Pass) -> BuildView | None:
        raw = await self._cluster.get_build(*key)
        gathered.changed()
        if raw is None:
            self._store.drop_build(key)
            return None
        return self._store.see_build(raw)

    def _observe(self, build: BuildView, gathered: _Pass) -> Observation:
        return Observation(
            build=build,
            pods=self._store.pods(build.key),
            fresh=gathered.fresh,
            looked_up=frozenset(gathered.looked_up),
            slot=gathered.slot,
            log=gathered.log,
            warnings=gathered.warnings,
            refusal=self._refusals.of(build.key),
        )

    def _rest(self, key: Key, build: BuildView, wait: Wait) -> None:
        if wait.after is not None:
            self._queue.add_after(key, wait.after)
        elif build.status.phase is not None and build.status.phase.finished:
            self._let_go(key)
            self._store.forget(key)

    def _let_go(self, key: Key) -> None:
        self._refusals.forget(key)
        self._queue.unschedule(key)

    async def _execute(self, key: Key, build: BuildView, decision: Decision, gathered: _Pass) -> None:
        match decision:
            case Wait():
                return
            case AskSlot():
                gathered.slot = self._admission.ask(key)
            case FetchBuild():
                await self._read_build(key, gathered)
            case FetchPod(name):
                await self._look_up(key, name, gathered)
            case FetchLog(pod_name, container):
                gathered.log = await self._read_log(key, pod_name, container)
            case FetchWarnings(pod_uid):
                gathered.warnings = tuple(await self._cluster.pod_warnings(key[0], pod_uid))
            case WriteStatus():
                await self._write(key, build, decision, gathered)
            case CreatePod(name, manifest):
                await self._create(key, CreatePod(name, manifest))
            case DeletePod(name, uid):
                await self._cluster.delete_pod(key[0], name, uid)
                self._store.request_delete(key, uid)
                logger.info("Pod %s is no longer wanted: deleted", name)
            case _:
                assert_never(decision)

    async def _read_log(self, key: Key, pod_name: str, container: str) -> str:
        """A log that cannot be had, as from a node that is away, must not keep the result from being recorded."""
        try:
            return await self._cluster.read_log(key[0], pod_name, container)
        except ApiRefusal as refusal:
            logger.warning("The log of Pod %s cannot be read: %s", pod_name, refusal.message)
            return ""

    async def _look_up(self, key: Key, name: str, gathered: _Pass) -> None:
        raw = await self._cluster.get_pod(key[0], name)
        gathered.looked_up.add(name)
        known = [pod for pod in self._store.pods(key) if pod.name == name]
        found = (raw.get("metadata") or {}).get("uid") if raw else None
        for pod in known:
            if pod.uid != found:
                self._store.lose_pod(key, pod.uid)
        if raw is not None:
            self._store.see_pod(raw, key)

    async def _write(self, key: Key, build: BuildView, decision: WriteStatus, gathered: _Pass) -> None:
        try:
            raw = await self._cluster.write_status(
                namespace=build.namespace,
                name=build.name,
                uid=build.uid,
                resource_version=build.resource_version,
                status=decision.status.model_dump(by_alias=True, exclude_none=True, mode="json"),
            )
        except (Conflict, Missing):
            await self._read_build(key, gathered)
            return
        self._store.see_build(raw)
        gathered.changed()
        logger.info("Status written: %s", _summary(decision))
        gathered.announcements.extend((build, announcement) for announcement in decision.announcements)
        if decision.result is not None:
            self._metrics.finished(decision.result)

    async def _create(self, key: Key, decision: CreatePod) -> None:
        try:
            raw = await self._cluster.create_pod(key[0], decision.manifest)
        except ApiRefusal as refusal:
            if self._refusals.passing(key, refusal):
                raise
            self._refusals.note(key, decision.name, refusal, self._clock())
            logger.info("The API server refused Pod %s with %s: %s", decision.name, refusal.status, refusal.message)
            return
        self._refusals.forget(key)
        self._store.see_pod(raw, key)
        logger.info("Pod %s created", decision.name)

    async def _announce(self, build: BuildView, announcement: Announcement) -> None:
        """Events are for people: one that cannot be posted is logged, and nothing else suffers."""
        manifest = build_event(
            build,
            run=announcement.run,
            reason=announcement.reason,
            note=announcement.note,
            action="Build",
            warning=announcement.warning,
            reporting_instance=self._instance,
            event_time=self._clock(),
        )
        try:
            await self._cluster.create_event(build.namespace, manifest)
        except ApiRefusal as refusal:
            logger.warning("An Event could not be posted: %s", refusal.message)


def _run_of(build: BuildView, decision: Decision) -> int | None:
    status = decision.status if isinstance(decision, WriteStatus) else build.status
    return status.run.number if status.run else None


def _summary(decision: WriteStatus) -> str:
    status = decision.status
    reason = status.conditions[0].reason if status.conditions else ""
    return f"phase {status.phase}, reason {reason}"
