"""One operator process over the fake cluster: the same parts as the composition root wires, without kopf."""

import asyncio
from dataclasses import dataclass, field

from imagebuild_operator.core.cleanup import Keeping
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.queueing import Key, Limits
from imagebuild_operator.shell.admission import Admission
from imagebuild_operator.shell.cleanup import Cleanup
from imagebuild_operator.shell.handlers import Intake
from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.reconciler import Reconciler
from imagebuild_operator.shell.resync import Resync
from imagebuild_operator.shell.store import Store
from imagebuild_operator.shell.workqueue import WorkQueue
from tests.unit.core.world import pod_settings
from tests.unit.shell.fake_cluster import NAMESPACE, FakeCluster

# A timer that is due within this is waited for: the back-off of failed passes, not the deadlines of builds.
SOON_SECONDS = 0.5


@dataclass
class Process:
    """Make, `start`, and `stop` or `kill` it."""

    cluster: FakeCluster
    limit: int | None = 10
    per_namespace: int | None = None
    workers: int = 4
    policy: Policy = field(default_factory=lambda: Policy(pod=pod_settings()))
    keeping: Keeping = field(default_factory=Keeping)

    def __post_init__(self) -> None:
        self.metrics = Metrics("test")
        self.queue: WorkQueue[Key] = WorkQueue(random=lambda: 0.5, first=0.001, longest=0.004)
        self.store = Store()
        limits = Limits(self.limit, self.per_namespace)
        self.admission = Admission(
            self.store,
            limits,
            self.queue.add,
            self.metrics,
            clock=lambda: self.cluster.now.timestamp(),  # noqa: PLW0108  the time moves on
        )
        self.cleanup = Cleanup(
            cluster=self.cluster,
            store=self.store,
            wake=self.queue.add,
            keeping=self.keeping,
            clock=lambda: self.cluster.now,
            random=lambda: 0.5,
            pause=0,
            first_put_off=0.001,
        )
        self.intake = Intake(self.store, self.queue, self.cleanup)
        self.resync = Resync(self.cluster, self.store, self.queue, self.admission, self.cleanup)
        self.reconciler = Reconciler(
            cluster=self.cluster,
            store=self.store,
            admission=self.admission,
            queue=self.queue,
            policy=self.policy,
            metrics=self.metrics,
            clock=lambda: self.cluster.now,
            instance="operator-0",
        )
        self.tasks: list[asyncio.Task[None]] = []
        self.cleaning: list[asyncio.Task[None]] = []

    async def start(self) -> "Process":
        """The first look, then workers, then the watches."""
        await self.resync.once()
        self.cluster.attach(self.intake)
        self.tasks = [asyncio.create_task(self.reconciler.work()) for _ in range(self.workers)]
        self.cleaning = [asyncio.create_task(self.cleanup.work())]
        return self

    async def stop(self) -> None:
        """As on SIGTERM: workers finish the pass they are in."""
        self.queue.shutdown()
        self.cleanup.shutdown()
        await asyncio.wait_for(asyncio.gather(*self.tasks, *self.cleaning), 5)

    async def kill(self) -> None:
        """As on SIGKILL: wherever they are."""
        self.cluster.attach(None)
        everything = [*self.tasks, *self.cleaning]
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
        self.queue.shutdown()
        self.cleanup.shutdown()

    async def settle(self) -> None:
        """Until nobody has anything to do, retries included."""
        async with asyncio.timeout(20):
            rounds = 0
            while rounds < 3:
                await asyncio.sleep(0.001 if self._retries() else 0)
                rounds = 0 if self._busy() or self._retries() else rounds + 1

    def look(self, name: str = "web") -> None:
        """Have a build looked at, as a timer would."""
        self.queue.add((NAMESPACE, name))

    def sample(self, metric: str, **labels: str) -> float:
        """The value of a metric."""
        return self.metrics.registry.get_sample_value(metric, labels) or 0.0

    def _busy(self) -> bool:
        return bool(self.queue._dirty or self.queue._processing or not self.cluster.quiet)

    def _retries(self) -> bool:
        soon = asyncio.get_running_loop().time() + SOON_SECONDS
        return any(timer.when() < soon for timer in self.queue._timers.values())
