import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.probes import Probes


class Health:
    """What the checks answer, to be changed while the server runs."""

    healthy: str | None = None
    ready: str | None = None


@asynccontextmanager
async def served(health: Health) -> AsyncIterator[tuple[Probes, aiohttp.ClientSession]]:
    probes = Probes(
        host="127.0.0.1",
        port=0,
        metrics=Metrics("1.2.3"),
        healthy=lambda: health.healthy,
        ready=lambda: health.ready,
    )
    await probes.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{probes.port}") as session:
            yield probes, session
    finally:
        await probes.stop()


async def answer(session: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    async with session.get(path) as response:
        return response.status, await response.text()


async def test_each_check_answers_for_itself_and_says_why_not() -> None:
    health = Health()
    async with served(health) as (_, session):
        assert await answer(session, "/healthz") == (200, "ok\n")
        assert await answer(session, "/readyz") == (200, "ok\n")
        health.ready = "the first look at all builds is not done"
        assert await answer(session, "/readyz") == (503, "the first look at all builds is not done\n")
        assert await answer(session, "/healthz") == (200, "ok\n")
        health.healthy = "a worker died"
        assert await answer(session, "/healthz") == (503, "a worker died\n")


async def test_metrics_come_in_the_format_that_is_asked_for() -> None:
    async with served(Health()) as (_, session):
        async with session.get("/metrics", headers={"Accept": "text/plain;version=0.0.4"}) as response:
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4; charset=utf-8")
            assert 'imagebuild_operator_info{version="1.2.3"} 1.0' in (await response.text()).splitlines()
        async with session.get(
            "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
        ) as response:
            assert response.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
            assert (await response.text()).splitlines()[-1] == "# EOF"


async def test_nothing_else_is_served_and_nothing_after_stop() -> None:
    health = Health()
    async with served(health) as (probes, session):
        assert (await answer(session, "/"))[0] == 404
        await probes.stop()
        try:
            await answer(session, "/healthz")
        except aiohttp.ClientConnectionError:
            return
        raise AssertionError("still answered")


async def test_stop_without_start_is_harmless() -> None:
    probes = Probes(host="", port=0, metrics=Metrics("1"), healthy=lambda: None, ready=lambda: None)
    await probes.stop()


async def test_no_host_means_every_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    probes = Probes(host="", port=port, metrics=Metrics("1"), healthy=lambda: None, ready=lambda: None)
    await probes.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{probes.port}") as session:
            assert await answer(session, "/healthz") == (200, "ok\n")
    finally:
        await probes.stop()
