"""Puts a scenario together: users, kubelet, observer, fault proxy and operators around one API server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos.api import Api, builds_path, pods_path
from tests.chaos.faults import Plan
from tests.chaos.kubelet import kubelet
from tests.chaos.observer import Observer, observing
from tests.chaos.process import OperatorProcess
from tests.chaos.proxy import FaultProxy, fault_proxy
from tests.chaos.stories import Case
from tests.chaos.users import Users
from tests.chaos.verdict import losses
from tests.cluster.handle import ApiHandle

LIMIT: Final = 8
NAMESPACE_LIMIT: Final = 4
PATIENCE_SECONDS: Final = 120.0
SETTINGS: Final = {
    "IMAGEBUILD_MAX_CONCURRENT_BUILDS": str(LIMIT),
    "IMAGEBUILD_MAX_CONCURRENT_BUILDS_PER_NAMESPACE": str(NAMESPACE_LIMIT),
    "IMAGEBUILD_RESYNC_SECONDS": "2",
    # Soon enough for the clean-up to meet results that are not recorded yet.
    "IMAGEBUILD_KEEP_SUCCEEDED_PODS": "1s",
    "IMAGEBUILD_KEEP_FAILED_PODS": "2s",
}


@dataclass
class Scenario:
    """Everything that takes part, and what can be said of it in the end."""

    cases: list[Case]
    plan: Plan
    users: Users
    observer: Observer
    proxy: FaultProxy
    kubeconfig: Path
    settings: Mapping[str, str]
    operators: list[OperatorProcess] = field(default_factory=list)

    @property
    def builds(self) -> int:
        """How many there are."""
        return len(self.cases)

    async def start_operator(self) -> OperatorProcess:
        """One more replica; it is stopped in the end."""
        log = self.kubeconfig.parent / f"operator-{len(self.operators)}.log"
        operator = OperatorProcess(self.kubeconfig, log, self.settings)
        self.operators.append(operator)
        await operator.start()
        return operator

    async def until_done(self, share: float = 1.0) -> None:
        """Wait until that part of the builds is finished; far longer than it takes where all is well."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS + self.builds):
                await self.observer.until(lambda: self.observer.finished() >= share * self.builds)
        except TimeoutError:
            raise AssertionError("\n".join(["not all builds end:", *self.losses()])) from None

    def losses(self) -> list[str]:
        """Builds that did not come to their right end."""
        return losses(self.observer, self.cases)

    def doubles(self) -> list[str]:
        """Pods that should not have been made."""
        return self.observer.doubles({case.key for case in self.cases if case.story.first.deletes})

    def writes(self) -> Counter[str]:
        """How many writes reached the API server, by verb and resource."""
        return Counter(f"{write.call.verb} {write.call.resource}" for write in self.proxy.writes)

    def budget(self, seconds: float) -> int:
        """The writes that the builds may cost in that time, without Events, plus one for each fault.

        Record, Pod and result of a run are 3; an attempt more costs 2, a wait 1 and another each minute, a Pod that is
        no longer wanted 1, and what a user does to a run that goes on anyway 1.
        """
        runs = sum(self.observer.status(case.key)["run"]["number"] for case in self.cases)
        waits = len(self.observer.queued) * (1 + int(seconds / 60))
        attempts, deletions = self.observer.further_attempts(), self.observer.deletions()
        budget: int = 3 * runs + 2 * attempts + waits + deletions + self.users.acts + self.plan.counts.total()
        return budget

    def figures(self, seconds: float) -> str:
        """One line for the record."""
        writes = self.writes()
        facts: dict[str, int] = {
            "builds": self.builds,
            "pods": len(self.observer.pods),
            "kills": sum(operator.kills for operator in self.operators),
            "exits": sum(len(operator.exits) for operator in self.operators),
            "faults": self.plan.counts.total(),
            "doubles": len(self.doubles()),
            "losses": len(self.losses()),
            "writes": writes.total() - writes["create events"],
            "budget": self.budget(seconds),
            "events": writes["create events"],
            "seconds": round(seconds),
        }
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self.plan.counts.items()))
        return " ".join(f"{name}={value}" for name, value in facts.items()) + f" ({kinds})"


@asynccontextmanager
async def staged(
    plane: ApiHandle, cases: list[Case], plan: Plan, folder: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Scenario]:
    """Set the scenario up around an API server; no operator runs yet, and no build is made."""
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(Api.connect(plane))
        stack.push_async_callback(_clear, api, sorted({case.key[0] for case in cases}))
        observer = await stack.enter_async_context(observing(api))
        users = Users(api, observer, cases, plan.seed)
        await stack.enter_async_context(kubelet(api, users.fate))
        proxy, kubeconfig = await stack.enter_async_context(fault_proxy(api, plan, folder))
        scenario = Scenario(cases, plan, users, observer, proxy, kubeconfig, {**SETTINGS, **(settings or {})})
        try:
            yield scenario
        finally:
            for operator in scenario.operators:
                await operator.end()


async def _clear(api: Api, namespaces: Sequence[str]) -> None:
    """Leave nothing to the operators, the kubelet and the observer of the next scenario."""
    for namespace in namespaces:
        await api.send("DELETE", builds_path(namespace))
        await api.send("DELETE", pods_path(namespace), {"gracePeriodSeconds": 0})
