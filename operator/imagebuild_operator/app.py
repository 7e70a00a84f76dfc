"""The composition root: makes every part, and owns the order in which they start and stop.

Start: settings, probes, permissions, the first look at the cluster, workers, then kopf. Nothing is created before the
first look is complete, so limits hold from the first second. Stop (SIGTERM): kopf stops watching, workers finish the
pass they are in, and what they were about to do is taken up again from the status by the next process.
"""

import asyncio
import logging
import os
import random
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, cast

import kopf

from imagebuild_operator import __version__
from imagebuild_operator.config import Settings
from imagebuild_operator.core.cleanup import Keeping
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.queueing import Key, Limits
from imagebuild_operator.shell import handlers
from imagebuild_operator.shell.admission import Admission
from imagebuild_operator.shell.cleanup import Cleanup
from imagebuild_operator.shell.cluster import KubernetesCluster
from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.permissions import missing_permissions
from imagebuild_operator.shell.port import ApiRefusal, Missing
from imagebuild_operator.shell.probes import Probes
from imagebuild_operator.shell.reconciler import Reconciler
from imagebuild_operator.shell.resync import Resync
from imagebuild_operator.shell.store import Store
from imagebuild_operator.shell.workqueue import WorkQueue

logger = logging.getLogger(__name__)

EXIT_FAILED: Final = 1
# When a watch fails, or a signal comes, kopf ends within seconds, or never.
END_SECONDS: Final = 20.0
# Within the 10 s that SIGTERM leaves: a pass is a few requests, each of which is safe to lose.
LAST_PASS_SECONDS: Final = 6.0
CUT_SHORT_SECONDS: Final = 0.5


class Operator:
    """One process: connected to a cluster, it serves ImageBuilds until it is told to stop."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._instance = environ.get("POD_NAME") or socket.gethostname()
        self._metrics = Metrics(__version__)
        self._started = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []
        self._probes = Probes(
            host=settings.http_host,
            port=settings.http_port,
            metrics=self._metrics,
            healthy=self._unhealthy,
            ready=self._unready,
        )

    def _unhealthy(self) -> str | None:
        ended = [task for task in self._workers if task.done()]
        return f"{len(ended)} of {len(self._workers)} workers have ended" if ended else None

    def _unready(self) -> str | None:
        return None if self._started.is_set() else "the first look at the cluster is not complete"

    async def run(self) -> int:
        """Serve until SIGTERM or SIGINT.

        Returns:
            The exit code: 0 after a signal, 1 when permissions are missing or the cluster cannot be reached.
        """
        await self._probes.start()
        try:
            cluster = await KubernetesCluster.connect(
                self._environ, namespaces=self._settings.watch_namespaces, metrics=self._metrics, random=random.random
            )
            try:
                return await self._serve(cluster)
            finally:
                await cluster.close()
        except Missing:
            logger.error(
                "The cluster does not know ImageBuilds: install the chart with crds.install=true, or crds/ first"
            )
            return EXIT_FAILED
        except ApiRefusal as refusal:
            logger.error("The cluster cannot be reached: %s", refusal)
            return EXIT_FAILED
        finally:
            await self._probes.stop()

    async def _serve(self, cluster: KubernetesCluster) -> int:
        missing = await missing_permissions(cluster, self._settings.watch_namespaces)
        for sentence in missing:
            logger.error("A permission is missing: %s", sentence)
        if missing:
            return EXIT_FAILED
        queue: WorkQueue[Key] = WorkQueue(random=random.random)
        self._metrics.watch_queue(lambda: len(queue))
        store = Store()
        limits = Limits(self._settings.max_concurrent_builds, self._settings.max_concurrent_builds_per_namespace)
        admission = Admission(store, limits, queue.add, self._metrics, time.monotonic)
        cleanup = self._cleanup(cluster, store, queue)
        resync = Resync(cluster, store, queue, admission, cleanup)
        await resync.once()
        reconciler = self._reconciler(cluster, store, admission, queue)
        self._workers = [
            asyncio.create_task(reconciler.work(), name=f"worker-{n}") for n in range(self._settings.workers)
        ]
        self._workers.append(asyncio.create_task(cleanup.work(), name="worker-cleanup"))
        looking = asyncio.create_task(resync.forever(self._settings.resync_seconds), name="resync")
        try:
            await self._watch(handlers.Intake(store, queue, cleanup))
        except Exception as error:
            # Whatever it is: a new process begins with a list.
            logger.error("The watch ended: %s", error)
            return EXIT_FAILED
        finally:
            cleanup.shutdown()
            await self._stop(queue, looking)
        return 0

    def _reconciler(
        self, cluster: KubernetesCluster, store: Store, admission: Admission, queue: WorkQueue[Key]
    ) -> Reconciler:
        settings = self._settings
        return Reconciler(
            cluster=cluster,
            store=store,
            admission=admission,
            queue=queue,
            policy=Policy(
                pod=settings.pod_settings(),
                timeout=settings.timeout,
                start_timeout=settings.start_timeout,
                retry_limit=settings.retry_limit,
                memory_factor=settings.memory_factor,
                memory_limit=settings.memory_limit,
                memory_raises=settings.memory_raises,
                memory_decay=settings.memory_decay,
            ),
            metrics=self._metrics,
            clock=lambda: datetime.now(UTC),
            instance=self._instance,
        )

    def _cleanup(self, cluster: KubernetesCluster, store: Store, queue: WorkQueue[Key]) -> Cleanup:
        keeping = Keeping(succeeded=self._settings.keep_succeeded_pods, failed=self._settings.keep_failed_pods)
        return Cleanup(
            cluster=cluster,
            store=store,
            wake=queue.add,
            keeping=keeping,
            clock=lambda: datetime.now(UTC),
            random=random.random,
        )

    async def _watch(self, intake: handlers.Intake) -> None:
        """Run kopf until a signal; it installs the handlers of SIGTERM and SIGINT itself."""
        registry = kopf.OperatorRegistry()
        handlers.register(registry, intake)
        ends: list[asyncio.TimerHandle] = []

        @kopf.on.cleanup(registry=registry)
        async def end(**_: Any) -> None:
            # A watch that is just asking again swallows its cancellation, and kopf waits for it without a limit (kopf,
            # _cogs/clients/api.py, stream): the process would live on and hear of nothing.
            ends.append(asyncio.get_running_loop().call_later(END_SECONDS, os._exit, EXIT_FAILED))

        announce = asyncio.create_task(self._announce_start())
        try:
            await kopf.operator(
                registry=registry,
                settings=handlers.settings(kopf.OperatorSettings()),
                # kopf would look up the name of the user it runs as, and a bare uid has none.
                identity=cast("Any", self._instance),
                standalone=True,
                clusterwide=not self._settings.watch_namespaces,
                namespaces=self._settings.watch_namespaces,
                ready_flag=self._started,
            )
        finally:
            for timer in ends:
                timer.cancel()
            announce.cancel()

    async def _announce_start(self) -> None:
        await self._started.wait()
        where = ", ".join(self._settings.watch_namespaces) or "all namespaces"
        logger.info("Version %s serves ImageBuilds in %s", __version__, where)

    async def _stop(self, queue: WorkQueue[Key], looking: asyncio.Task[None]) -> None:
        queue.shutdown()
        looking.cancel()
        workers, self._workers = self._workers, []
        _, late = await asyncio.wait(workers, timeout=LAST_PASS_SECONDS)
        for task in late:
            task.cancel()
        # The connections are closed next: nobody should be using them any more.
        await asyncio.wait([looking, *workers], timeout=CUT_SHORT_SECONDS)
        logger.info("Stopped%s", f"; {len(late)} passes were cut short" if late else "")


async def serve(settings: Settings, environ: Mapping[str, str] | None = None) -> int:
    """Run the operator with these settings; returns the exit code."""
    serving = asyncio.current_task()
    assert serving is not None, "a coroutine runs in a task"  # noqa: S101
    # Until kopf takes the signals over: the kernel drops a signal for process 1 that it has no handler for.
    with suppress(RuntimeError):  # only the main thread may
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    try:
        return await Operator(settings, os.environ if environ is None else environ).run()
    except asyncio.CancelledError:
        logger.info("Stopped before the start was complete")
        return 0
