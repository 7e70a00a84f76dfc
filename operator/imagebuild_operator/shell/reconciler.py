"""Observe, decide, execute: one pass over one build, repeated until there is nothing to do."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from imagebuild_operator.core.decide import decide
from imagebuild_operator.core.decisions import (
    Announcement,
    CreatePod,
    Decision,
    DeleteBuild,
    DeletePod,
    Effect,
    Look,
    Tell,
    Wait,
    WriteStatus,
)
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.queueing import Key
from imagebuild_operator.shell.admission import Admission
from imagebuild_operator.shell.events import build_event
from imagebuild_operator.shell.evidence import Evidence
from imagebuild_operator.shell.logs import build_log_context
from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.port import ApiRefusal, Cluster, Conflict, Missing
from imagebuild_operator.shell.refusals import Refusals
from imagebuild_operator.shell.store import Store
from imagebuild_operator.shell.workqueue import QueueClosed, WorkQueue

logger = logging.getLogger(__name__)

# A pass is a handful of looks and effects; more means two decisions undo each other, which is a bug.
STEPS_PER_PASS: Final = 20

# A build as it was when something happened to it, and what is to be told of that.
_Told = tuple[BuildView, Announcement]


class EndlessPassError(Exception):
    """A pass did not come to rest."""


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
        # Whose last write may have been stored though no answer came: a grant of theirs stands until a read tells.
        self._unsure: set[Key] = set()

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
        evidence, told = self._evidence(key), list[_Told]()
        try:
            if key in self._unsure:
                await evidence.read_build()
                self._unsure.discard(key)
            for _ in range(STEPS_PER_PASS):
                build = await evidence.build()
                if build is None:
                    self._let_go(key)
                    return
                decision = decide(evidence.observation(build), self._policy, self._clock())
                if isinstance(decision, Wait):
                    self._rest(key, build, decision)
                    return
                with build_log_context(*key, run=_run_of(build, decision)):
                    told += await self._execute(key, build, decision, evidence)
            raise EndlessPassError(f"no rest after {STEPS_PER_PASS} steps for {key[0]}/{key[1]}")
        finally:
            if key not in self._unsure:
                self._admission.settle(key)
            for about, announcement in told:
                await self._announce(about, announcement)

    def _evidence(self, key: Key) -> Evidence:
        return Evidence(
            key,
            cluster=self._cluster,
            store=self._store,
            admission=self._admission,
            refusals=self._refusals,
            clock=self._clock,
        )

    def _rest(self, key: Key, build: BuildView, wait: Wait) -> None:
        if wait.after is not None:
            self._queue.add_after(key, wait.after)
        elif build.at_rest and not self._has_pod(build):
            self._let_go(key)
            self._store.forget(key)

    def _has_pod(self, build: BuildView) -> bool:
        """Whether a Pod of it has still to go: should it not, that has to be told."""
        return any(pod.live and pod.owner_uid == build.uid for pod in self._store.pods(build.key))

    def _let_go(self, key: Key) -> None:
        self._refusals.forget(key)
        self._queue.unschedule(key)

    async def _execute(
        self, key: Key, build: BuildView, decision: Look | Effect, evidence: Evidence
    ) -> Iterable[_Told]:
        """One look or effect; returns what is to be told of it once the pass is over."""
        match decision:
            case WriteStatus():
                return await self._write(build, decision, evidence)
            case Tell(pod_uid, announcement):
                self._store.note_told(key, pod_uid, self._clock())
                return ((build, announcement),)
            case CreatePod():
                return await self._create(build, decision)
            case DeletePod(name, uid):
                await self._cluster.delete_pod(key[0], name, uid)
                self._store.request_delete(key, uid)
                logger.info("Pod %s is no longer wanted: deleted", name)
            case DeleteBuild():
                await self._delete(build, evidence)
            case _:
                await evidence.look(decision)
        return ()

    async def _write(self, build: BuildView, decision: WriteStatus, evidence: Evidence) -> Iterable[_Told]:
        known = evidence.known_pods
        try:
            raw = await self._cluster.write_status(
                namespace=build.namespace,
                name=build.name,
                uid=build.uid,
                resource_version=build.resource_version,
                status=decision.status.model_dump(by_alias=True, exclude_none=True, mode="json"),
            )
        except (Conflict, Missing):
            await evidence.read_build()
            return ()
        except ApiRefusal as refusal:
            if not refusal.status or refusal.status >= 500:
                self._unsure.add(build.key)
            raise
        self._store.see_build(raw)
        evidence.changed(known)
        logger.info("Status written: %s", _summary(decision))
        if decision.result is not None:
            self._metrics.finished(decision.result)
        if decision.waited is not None:
            self._metrics.waited(decision.waited)
        return ((build, announcement) for announcement in decision.announcements)

    async def _delete(self, build: BuildView, evidence: Evidence) -> None:
        """Deleted, or changed meanwhile: the next look tells which."""
        await self._cluster.delete_build(
            namespace=build.namespace, name=build.name, uid=build.uid, resource_version=build.resource_version
        )
        if await evidence.read_build() is None:
            logger.info("spec.ttlSecondsAfterFinished is over: deleted")

    async def _create(self, build: BuildView, decision: CreatePod) -> Iterable[_Told]:
        try:
            raw = await self._cluster.create_pod(build.namespace, decision.manifest)
        except ApiRefusal as refusal:
            if self._refusals.passing(build.key, refusal):
                raise
            self._refusals.note(build.key, decision.name, refusal, self._clock())
            logger.info("The API server refused Pod %s with %s: %s", decision.name, refusal.status, refusal.message)
            return ()
        self._refusals.forget(build.key)
        self._store.see_pod(raw, build.key)
        logger.info("Pod %s created", decision.name)
        return ((build, decision.announcement),)

    async def _announce(self, build: BuildView, announcement: Announcement) -> None:
        """Events are for people: one that cannot be posted is logged, and nothing else suffers."""
        manifest = build_event(
            build,
            about=announcement.about,
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
