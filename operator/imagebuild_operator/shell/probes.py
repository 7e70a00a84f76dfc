"""The operator's own HTTP server: liveness, readiness and metrics.

kopf's liveness endpoint is not used: it answers 200 while every list is forbidden, and knows no readiness.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from imagebuild_operator.shell.metrics import Metrics

Check = Callable[[], str | None]

# A scrape or probe under way at shutdown may finish, but must not hold the process up.
SHUTDOWN_SECONDS: Final = 1.0


class Probes:
    """Serves /healthz, /readyz and /metrics.

    Args:
        host: address to bind; empty for all, IPv4 and IPv6.
        port: port to bind; 0 takes a free one.
        metrics: what /metrics shows.
        healthy: what is wrong, or None; a reason makes /healthz answer 503 and the kubelet restart the operator.
        ready: the same for /readyz, without the restart.
    """

    def __init__(self, *, host: str, port: int, metrics: Metrics, healthy: Check, ready: Check) -> None:
        self._host = host
        self._wanted_port = port
        self._metrics = metrics
        application = web.Application()
        application.router.add_get("/healthz", _answer(healthy))
        application.router.add_get("/readyz", _answer(ready))
        application.router.add_get("/metrics", self._expose)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            OSError: when the address cannot be bound.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host or None, self._wanted_port).start()

    async def stop(self) -> None:
        """Stop serving; harmless when it was never started."""
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port that is served, once started."""
        return int(self._runner.addresses[0][1])

    async def _expose(self, request: web.Request) -> web.Response:
        body, content_type = self._metrics.expose(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})


def _answer(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        problem = check()
        return web.Response(text="ok\n") if problem is None else web.Response(status=503, text=f"{problem}\n")

    return handle
