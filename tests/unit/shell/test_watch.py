"""kopf's watches with our settings, against a server whose watches go silent."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import kopf
import pytest
from aiohttp import web

from imagebuild_operator.api import names
from imagebuild_operator.shell import handlers
from tests.unit.shell.fake_cluster import FakeCluster
from tests.unit.shell.process import Process

PODS = "/api/v1/pods"
APIS = {
    "apiextensions.k8s.io": ("v1", "customresourcedefinitions", "CustomResourceDefinition"),
    names.GROUP: (names.VERSION, names.PLURAL, names.KIND),
}


def resource(plural: str, kind: str) -> dict[str, Any]:
    return {"name": plural, "kind": kind, "singularName": "", "namespaced": True, "verbs": ["get", "list", "watch"]}


def discovery() -> dict[str, dict[str, Any]]:
    """What kopf asks for before it watches anything."""
    core = [resource("pods", "Pod"), resource("namespaces", "Namespace"), resource("events", "Event")]
    answers: dict[str, dict[str, Any]] = {"/api": {"versions": ["v1"]}, "/api/v1": {"resources": core}}
    groups = []
    for group, (version, plural, kind) in APIS.items():
        groups.append({"name": group, "versions": [{"version": version}], "preferredVersion": {"version": version}})
        answers[f"/apis/{group}/{version}"] = {"resources": [resource(plural, kind)]}
    return {**answers, "/apis": {"groups": groups}}


class Silent:
    """Its first watch of Pods tells of one and then nothing; the second is never answered; the third tells of one."""

    def __init__(self) -> None:
        self.lists: list[str] = []
        self.watches: list[dict[str, str]] = []
        self.never = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if (answer := discovery().get(request.path)) is not None:
            return web.json_response(answer)
        if "watch" not in request.query:
            self.lists.append(request.path)
            return web.json_response({"kind": "List", "metadata": {"resourceVersion": "100"}, "items": []})
        response = web.StreamResponse()
        if request.path == PODS:
            self.watches.append(dict(request.query))
            number = len(self.watches)
            if number == 2:
                await self.never.wait()
            await response.prepare(request)
            await response.write(json.dumps({"type": "ADDED", "object": pod(number)}).encode() + b"\n")
        else:
            await response.prepare(request)
        await self.never.wait()
        return response


def pod(number: int) -> dict[str, Any]:
    owner = {"apiVersion": names.API_VERSION, "kind": names.KIND, "name": "web", "uid": "u", "controller": True}
    metadata = {"namespace": "ns", "name": f"web-1-{number}", "uid": f"pod-{number}", "ownerReferences": [owner]}
    return {"kind": "Pod", "metadata": {**metadata, "resourceVersion": str(100 + number)}, "status": {}}


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Silent]:
    server = Silent()
    application = web.Application()
    application.router.add_route("GET", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    cluster = {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    (tmp_path / "config").write_text(json.dumps(document))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    yield server
    await runner.cleanup()


async def test_a_watch_that_says_nothing_is_begun_anew_from_where_it_was(cluster: FakeCluster, server: Silent) -> None:
    process = Process(cluster)
    registry, stop = kopf.OperatorRegistry(), threading.Event()
    handlers.register(registry, process.intake)
    settings = handlers.settings(kopf.OperatorSettings())
    settings.watching.inactivity_timeout = 0.2
    # In a thread: kopf ends with every task of its loop that is younger than itself, and that would be the server's.
    watching = asyncio.create_task(
        asyncio.to_thread(
            kopf.run, registry=registry, settings=settings, standalone=True, clusterwide=True, stop_flag=stop
        )
    )
    try:
        async with asyncio.timeout(20):
            while len(process.store.pods(("ns", "web"))) < 2:  # noqa: ASYNC110  kopf tells nobody of its progress
                await asyncio.sleep(0.01)
    finally:
        stop.set()
        await asyncio.wait([watching])
    assert [view.name for view in process.store.pods(("ns", "web"))] == ["web-1-1", "web-1-3"]
    assert [watch["resourceVersion"] for watch in server.watches[:3]] == ["100", "101", "101"]
    assert {watch["timeoutSeconds"] for watch in server.watches} == {"600"}
    assert server.lists.count(PODS) == 1, "nothing is listed anew"
