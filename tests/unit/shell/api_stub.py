"""A small HTTP server in the place of the API server: gives prepared answers and remembers what it was asked."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from kubernetes.aio import client

from imagebuild_operator.shell.cluster import KubernetesCluster
from imagebuild_operator.shell.connection import Connection
from imagebuild_operator.shell.metrics import Metrics

Answer = web.StreamResponse | Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    """One request as the server saw it."""

    method: str
    path: str
    query: dict[str, str]
    content_type: str
    authorization: str
    body: Any


@dataclass
class ApiStub:
    """Answers in the prepared order; asked once too often, it answers 418, which nothing takes for success."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    metrics: Metrics = field(default_factory=lambda: Metrics("test"))
    url: str = ""

    def will(self, *answers: Answer) -> None:
        """Answer the next requests with these."""
        self.answers.extend(answers)

    def requests(self, **labels: str) -> float | None:
        """How many requests the metrics counted."""
        return self.metrics.registry.get_sample_value("imagebuild_api_requests_total", labels)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        text = await request.text()
        self.asked.append(
            Asked(
                method=request.method,
                path=request.raw_path.split("?")[0],
                query=dict(request.query),
                content_type=request.content_type,
                authorization=request.headers.get("Authorization", ""),
                body=json.loads(text) if text else None,
            )
        )
        if not self.answers:
            return status(418, "Unexpected", "no answer was prepared")
        answer = self.answers.pop(0)
        return answer if isinstance(answer, web.StreamResponse) else await answer(request)


def ok(document: Any, code: int = 200) -> web.Response:
    """A successful answer."""
    return web.json_response(document, status=code)


def status(code: int, reason: str, message: str, *, retry_after: str | None = None) -> web.Response:
    """A refusal as the API server words it."""
    document = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}
    headers = {"Retry-After": retry_after} if retry_after else {}
    return web.json_response({**document, "code": code}, status=code, headers=headers)


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Drop the connection in the place of an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def api_stub(
    *namespaces: str, page: int = 500, patience: float = 5.0
) -> AsyncIterator[tuple[ApiStub, KubernetesCluster]]:
    """A running stub and a cluster port that speaks to it, with short pauses between tries."""
    stub = ApiStub()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", stub.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    configuration = client.Configuration(host=stub.url, api_key={"BearerToken": "Bearer let-me-in"})
    connection = Connection(
        configuration, metrics=stub.metrics, random=lambda: 0.5, timeout=patience, first_delay=0.001
    )
    cluster = KubernetesCluster(connection, namespaces, page=page)
    try:
        yield stub, cluster
    finally:
        await cluster.close()
        await runner.cleanup()
