"""The composition root: what is started and stopped, in which order, and with which exit code."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import kopf
import pytest

from imagebuild_operator import app
from imagebuild_operator.config import Settings, load_settings
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.shell import handlers
from imagebuild_operator.shell.cluster import KubernetesCluster
from imagebuild_operator.shell.port import ApiRefusal
from imagebuild_operator.shell.reconciler import Reconciler
from tests.unit.shell.fake_cluster import FakeCluster
from tests.unit.shell.process import SOON_SECONDS

Script = Callable[[], Awaitable[None]]


def settings(**changes: str) -> Settings:
    environ = {
        "IMAGEBUILD_OPERATOR_IMAGE": "operator:1",
        "IMAGEBUILD_HTTP_HOST": "127.0.0.1",
        "IMAGEBUILD_HTTP_PORT": "0",
    }
    return load_settings({**environ, **{f"IMAGEBUILD_{name.upper()}": value for name, value in changes.items()}})


class Watching:
    """In the place of kopf: feeds the fake cluster's events and plays a script until it ends, as if by a signal."""

    def __init__(self, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = cluster
        self.asked_before: list[str] = []
        self.arguments: dict[str, Any] = {}
        self.script: Script = self._nothing
        self.intake: handlers.Intake | None = None
        monkeypatch.setattr(handlers, "register", lambda registry, intake: setattr(self, "intake", intake))
        monkeypatch.setattr(kopf, "operator", self.operator)

    async def _nothing(self) -> None:
        return None

    async def operator(self, **arguments: Any) -> None:
        self.arguments = arguments
        self.asked_before = list(self.cluster.requests)
        self.cluster.attach(self.intake)
        arguments["ready_flag"].set()
        try:
            await self.script()
        finally:
            self.cluster.attach(None)


@pytest.fixture
def watching(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> Watching:
    async def connect(*_: Any, **__: Any) -> FakeCluster:
        return cluster

    monkeypatch.setattr(KubernetesCluster, "connect", connect)
    return Watching(cluster, monkeypatch)


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  the fake cluster has no event to wait for
            await asyncio.sleep(0.001)


async def test_a_build_is_served_and_the_end_is_clean(cluster: FakeCluster, watching: Watching) -> None:
    async def script() -> None:
        cluster.pods_take = 0.001
        cluster.apply()
        await eventually(lambda: cluster.status()["phase"] == "Succeeded")

    watching.script = script
    assert await app.serve(settings(), {}) == 0
    assert cluster.closed
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith(("worker", "resync"))]


async def test_the_limits_are_those_of_the_settings(cluster: FakeCluster, watching: Watching) -> None:
    async def script() -> None:
        for name in ("a", "b", "c"):
            cluster.apply(name)
        await eventually(lambda: sorted(cluster.phases()) == ["Building", "Queued", "Queued"])

    watching.script = script
    assert await app.serve(settings(max_concurrent_builds_per_namespace="1"), {}) == 0
    assert cluster.most_live == 1


async def test_what_decisions_depend_on_is_that_of_the_settings(
    cluster: FakeCluster, watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Policy] = []

    def reconciler(**parts: Any) -> Reconciler:
        seen.append(parts["policy"])
        return Reconciler(**parts)

    monkeypatch.setattr(app, "Reconciler", reconciler)
    changed = settings(
        timeout="2h",
        start_timeout="3m",
        retry_limit="7",
        memory_factor="3",
        memory_limit="16Gi",
        memory_raises="1",
        memory_decay="1h",
    )
    assert await app.serve(changed, {}) == 0
    expected = Policy(
        pod=changed.pod_settings(),
        timeout=7200.0,
        start_timeout=180.0,
        retry_limit=7,
        memory_factor=3,
        memory_limit=16 * 1024**3,
        memory_raises=1,
        memory_decay=3600.0,
    )
    assert seen == [expected]


async def test_ended_pods_are_kept_as_the_settings_say(cluster: FakeCluster, watching: Watching) -> None:
    async def script() -> None:
        cluster.pods_take = 0.001
        cluster.apply()
        await eventually(lambda: bool(cluster.asked("DELETE")))

    watching.script = script
    assert await app.serve(settings(keep_succeeded_pods="0s"), {}) == 0
    assert cluster.status()["phase"] == "Succeeded"
    assert [entry.split()[0] for entry in cluster.asked("PATCH", "POST", "DELETE")] == [
        "PATCH",
        "POST",
        "PATCH",
        "DELETE",
    ]


async def test_by_default_an_ended_pod_stays_for_a_while_and_holds_up_no_end(
    cluster: FakeCluster, watching: Watching
) -> None:
    async def script() -> None:
        cluster.pods_take = 0.001
        cluster.apply()
        await eventually(lambda: cluster.status()["phase"] == "Succeeded")

    watching.script = script
    async with asyncio.timeout(SOON_SECONDS + 5):
        assert await app.serve(settings(), {}) == 0
    assert cluster.asked("DELETE") == []


async def test_nothing_is_made_before_permissions_and_the_first_look(cluster: FakeCluster, watching: Watching) -> None:
    cluster.apply()

    async def script() -> None:
        await eventually(lambda: bool(cluster.asked("POST")))

    watching.script = script
    assert await app.serve(settings(), {}) == 0
    verbs = [entry.split()[0] for entry in cluster.requests]
    assert set(verbs[: verbs.index("LIST-BUILDS")]) == {"MAY"}
    assert verbs.index("LIST-PODS") < verbs.index("PATCH") < verbs.index("POST")


async def test_a_missing_permission_is_told_and_ends_the_start(
    cluster: FakeCluster, watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.denied = {"pods"}
    cluster.apply()
    assert await app.serve(settings(), {}) == app.EXIT_FAILED
    assert 'the operator may not create "pods"' in caplog.text
    assert {entry.split()[0] for entry in cluster.requests} == {"MAY"}
    assert watching.arguments == {}
    assert cluster.closed


@pytest.mark.parametrize("verb", ["MAY", "LIST-BUILDS", "LIST-PODS"])
async def test_a_cluster_that_does_not_answer_ends_the_start(
    cluster: FakeCluster, watching: Watching, caplog: pytest.LogCaptureFixture, verb: str
) -> None:
    cluster.fail(verb, 0, times=1000, message="connection refused")
    assert await app.serve(settings(), {}) == app.EXIT_FAILED
    assert "connection refused" in caplog.text
    assert watching.arguments == {}
    assert cluster.closed


async def test_no_configuration_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_: Any, **__: Any) -> FakeCluster:
        raise ApiRefusal(status=0, reason="NoConfiguration", message="no kubeconfig")

    monkeypatch.setattr(KubernetesCluster, "connect", connect)
    assert await app.serve(settings(), {}) == app.EXIT_FAILED


@pytest.mark.parametrize(
    ("namespaces", "clusterwide", "watched"), [("", True, ()), ("team-a,team-b", False, ("team-a", "team-b"))]
)
async def test_which_namespaces_are_watched(
    watching: Watching, namespaces: str, clusterwide: bool, watched: tuple[str, ...]
) -> None:
    assert await app.serve(settings(watch_namespaces=namespaces), {}) == 0
    assert (watching.arguments["clusterwide"], tuple(watching.arguments["namespaces"])) == (clusterwide, watched)


async def test_a_watch_that_crashes_ends_the_process_and_the_workers(
    cluster: FakeCluster, watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    async def script() -> None:
        raise RuntimeError("the watch is dead")

    watching.script = script
    assert await app.serve(settings(), {}) == app.EXIT_FAILED
    assert "The watch ended: the watch is dead" in caplog.text
    assert cluster.closed
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("worker")]


async def test_a_pass_that_hangs_is_cut_short_at_the_end(
    cluster: FakeCluster, watching: Watching, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(app, "LAST_PASS_SECONDS", 0.05)
    hanging = asyncio.Event()

    async def create_pod(*_: Any) -> Any:
        hanging.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(cluster, "create_pod", create_pod)
    watching.script = lambda: _wait(hanging)
    cluster.apply()
    async with asyncio.timeout(SOON_SECONDS + 2):
        assert await app.serve(settings(), {}) == 0
    assert "1 passes were cut short" in caplog.text
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("worker")]
    assert cluster.closed
    assert cluster.status()["phase"] == "Building", "the next process takes it up from the record"


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def test_a_signal_during_the_start_ends_it(
    cluster: FakeCluster, watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(**_: Any) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(60)
        return True

    monkeypatch.setattr(cluster, "may", never)
    try:
        serving = asyncio.create_task(app.serve(settings(), {}))
        assert await asyncio.wait_for(serving, 5) == 0
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    assert cluster.closed
    assert watching.arguments == {}


async def test_health_and_readiness_follow_the_start_and_the_workers(
    cluster: FakeCluster, watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = app.Operator(settings(), {"POD_NAME": "operator-0"})
    seen: list[tuple[str, int]] = []

    async def ask(moment: str) -> None:
        async with aiohttp.ClientSession() as session:
            for path in ("healthz", "readyz"):
                async with session.get(f"http://127.0.0.1:{operator._probes.port}/{path}") as answer:
                    seen.append((f"{moment} {path}", answer.status))

    listed = cluster.list_unfinished_builds

    async def list_unfinished_builds() -> Any:
        await ask("first look")
        return await listed()

    async def script() -> None:
        await ask("serving")
        operator._workers[0].cancel()
        await asyncio.wait([operator._workers[0]])
        await ask("worker lost")

    monkeypatch.setattr(cluster, "list_unfinished_builds", list_unfinished_builds)
    watching.script = script
    assert await operator.run() == 0
    assert seen == [
        ("first look healthz", 200),
        ("first look readyz", 503),
        ("serving healthz", 200),
        ("serving readyz", 200),
        ("worker lost healthz", 503),
        ("worker lost readyz", 200),
    ]
