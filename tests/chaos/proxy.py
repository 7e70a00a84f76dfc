"""Stands between the operator and a real API server: passes everything on, watches as they come, but for the faults."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from tests.chaos.api import JSON, Api
from tests.chaos.faults import Call, Ending, Fault, Plan, Stream
from tests.cluster.certificates import Authority
from tests.cluster.kubeconfig import write_kubeconfig

LOOPBACK: Final = "127.0.0.1"
# What a connection or the administrator's certificate decides is not the operator's to say.
NOT_PASSED_ON: Final = frozenset({"host", "authorization", "connection", "content-length", "accept-encoding"})
PASSED_BACK: Final = ("Content-Type", "Retry-After", "Warning")
RETRY_AFTER_SECONDS: Final = 1
# When a stream's fault comes, and how long one that swallows stays open after it.
FIRST_SECONDS, LAST_SECONDS = 0.3, 3.0
SWALLOWING_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 0.2

REASONS: Final = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError"}


@dataclass(frozen=True)
class Write:
    """A write that reached the API server.

    Attributes:
        call: what was asked for; the name of a created object is the one in its answer.
        code: the API server's answer, whether or not it was passed back.
        fault: what became of the answer; empty when it was passed back.
    """

    call: Call
    code: int
    fault: str = ""


class FaultProxy:
    """The proxy's handler, and its book of the writes."""

    def __init__(self, api: Api, plan: Plan) -> None:
        self._api = api
        self.plan = plan
        self.writes: list[Write] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request of the operator."""
        call = Call.parse(request.method, request.raw_path)
        body = await request.read()
        fault = self.plan.draw(call)
        try:
            if fault is not None and not fault.stored:
                return await _end(request, fault)
            if call.verb == "watch":
                return await self._watch(request, fault)
            answer = await self._pass_on(request, call, body, fault)
            return await _end(request, fault) if fault is not None else answer
        except (aiohttp.ClientError, ConnectionError):
            # The operator was killed meanwhile, or the API server is at its end.
            return _cut(request)

    async def _pass_on(self, request: web.Request, call: Call, body: bytes, fault: Fault | None) -> web.Response:
        async with self._ask(request, body) as answer:
            content = await answer.read()
        if call.writes:
            name = call.name or _name_in(content)
            named = Call(call.verb, call.resource, call.namespace, name)
            self.writes.append(Write(named, answer.status, fault.name if fault else ""))
        headers = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
        return web.Response(status=answer.status, body=content, headers=headers)

    @asynccontextmanager
    async def _ask(self, request: web.Request, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        url = URL(self._api.url + request.raw_path, encoded=True)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in NOT_PASSED_ON}
        async with self._api.session.request(request.method, url, data=body or None, headers=headers) as answer:
            yield answer

    async def _watch(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        async with self._ask(request, b"") as answer:
            stream = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await stream.prepare(request)
            if fault is None:
                await _copy(answer, stream)
                return stream
            with suppress(TimeoutError):
                async with asyncio.timeout(self.plan.random.uniform(FIRST_SECONDS, LAST_SECONDS)):
                    await _copy(answer, stream)
                    return stream
            return await self._break(request, answer, stream, fault)

    async def _break(
        self, request: web.Request, answer: aiohttp.ClientResponse, stream: web.StreamResponse, fault: Fault
    ) -> web.StreamResponse:
        match fault.ending:
            case Stream.CUT:
                await stream.write(b'{"type":"MODIFIED","object":{"apiVer')
                return _cut(request)
            case Stream.EXPIRED:
                gone = {"type": "ERROR", "object": _status(410, "too old resource version")}
                await stream.write(json.dumps(gone).encode() + b"\n")
            case Stream.SWALLOWING:
                await _drop(request, SWALLOWING_SECONDS)
                return _cut(request)
            case Stream.SILENT:
                await _drop(request, None)
        return stream


async def _copy(answer: aiohttp.ClientResponse, stream: web.StreamResponse) -> None:
    """Pass events on, whole ones only, until the API server ends the stream."""
    rest = b""
    async for chunk in answer.content.iter_any():
        whole, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            await stream.write(whole + newline)


async def _drop(request: web.Request, seconds: float | None) -> None:
    """Say nothing for a time, or until the operator hangs up."""
    loop = asyncio.get_running_loop()
    end = None if seconds is None else loop.time() + seconds
    while request.transport is not None and not request.transport.is_closing():
        if end is not None and loop.time() > end:
            return
        await asyncio.sleep(PATIENCE_SECONDS)


async def _end(request: web.Request, fault: Fault) -> web.StreamResponse:
    match fault.ending:
        case Ending.CUT:
            return _cut(request)
        case Ending.SILENCE:
            await _drop(request, None)
            return _cut(request)
        case Ending():
            code = int(fault.ending.value)
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if fault.ending is Ending.TOO_MANY_REQUESTS else {}
            return web.json_response(_status(code, f"injected: {fault.name}"), status=code, headers=headers)
    raise AssertionError(f"{fault.name} ends no request")


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _status(code: int, message: str) -> JSON:
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "reason": REASONS[code],
        "message": message,
        "code": code,
    }


def _name_in(content: bytes) -> str:
    document = json.loads(content)
    if document.get("kind") == "Status":
        return str((document.get("details") or {}).get("name", ""))
    return str(document["metadata"]["name"])


@asynccontextmanager
async def fault_proxy(api: Api, plan: Plan, folder: Path) -> AsyncIterator[tuple[FaultProxy, Path]]:
    """Serve on the loopback, over TLS as an API server does.

    Args:
        api: where requests go, with the administrator's rights.
        plan: of the faults.
        folder: for the certificates.

    Yields:
        The proxy, and the kubeconfig that leads to it.
    """
    authority = Authority(folder)
    server = authority.issue("fault-proxy", "fault-proxy", names=[LOOPBACK])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(server.certificate, server.key)
    proxy = FaultProxy(api, plan)
    application = web.Application(client_max_size=16 * 1024**2)
    application.router.add_route("*", "/{path:.*}", proxy.handle)
    # 0 would mean to wait for ever.
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, 0, ssl_context=tls)
        await site.start()
        host, port = runner.addresses[0][:2]
        kubeconfig = folder / "kubeconfig"
        client = authority.issue("client", "operator")
        write_kubeconfig(kubeconfig, server=f"https://{host}:{port}", ca=authority.pair.certificate, client=client)
        yield proxy, kubeconfig
    finally:
        await runner.cleanup()
