"""Time-outs, repeats, refusals without words, and where the operator finds its cluster."""

import asyncio
import base64
import time
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from kubernetes.aio.config import incluster_config

from imagebuild_operator.shell import cluster as cluster_module
from imagebuild_operator.shell.connection import Connection
from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.port import ApiRefusal
from tests.unit.shell.api_stub import Answer, api_stub, hang_up, ok, status

POD = {"metadata": {"name": "web-1"}}


def hanging(*, begins: bool = False) -> Answer:
    """A server that says nothing, or nothing more."""

    async def hang(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if begins:
            await response.prepare(request)
            await response.write(b"2026-01-01")
        await asyncio.sleep(30)
        return response

    return hang


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_a_read_is_repeated_after_a_passing_refusal(code: int) -> None:
    async with api_stub() as (stub, cluster):
        stub.will(status(code, "Passing", "later"), status(code, "Passing", "later"), ok(POD))
        assert await cluster.get_pod("shop", "web-1") == POD
        assert stub.requests(verb="get", resource="pods", code=str(code)) == 2
        assert stub.requests(verb="get", resource="pods", code="200") == 1


async def test_a_read_is_repeated_after_a_lost_connection() -> None:
    async with api_stub() as (stub, cluster):
        # The HTTP library itself repeats a GET once on a reused connection; whatever it does, the answer arrives.
        stub.will(hang_up, hang_up, ok(POD))
        assert await cluster.get_pod("shop", "web-1") == POD


async def test_repeats_end_and_the_last_refusal_is_told() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(*(status(503, "ServiceUnavailable", f"no {number}") for number in range(4)), ok(POD))
        with pytest.raises(ApiRefusal, match="no 3"):
            await cluster.get_pod("shop", "web-1")
        assert len(stub.asked) == 4


@pytest.mark.parametrize("code", [400, 401, 403, 405, 422])
async def test_a_final_refusal_is_not_repeated(code: int) -> None:
    async with api_stub() as (stub, cluster):
        stub.will(status(code, "Final", "no"), ok(POD))
        with pytest.raises(ApiRefusal) as caught:
            await cluster.get_pod("shop", "web-1")
        assert caught.value.status == code
        assert len(stub.asked) == 1


async def test_a_write_is_never_repeated_even_without_an_answer() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(hang_up, ok({}))
        with pytest.raises(ApiRefusal) as caught:
            await cluster.create_pod("shop", POD)
        assert (caught.value.status, caught.value.reason) == (0, "ServerDisconnectedError")
        assert len(stub.asked) == 1
        assert stub.requests(verb="create", resource="pods", code="error") == 1


async def test_the_servers_own_pace_is_kept() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(status(429, "TooManyRequests", "slow down", retry_after="1"), ok(POD))
        started = time.monotonic()
        assert await cluster.get_pod("shop", "web-1") == POD
        assert 1.0 <= time.monotonic() - started < 2.0


async def test_a_long_pause_is_the_callers_to_make() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(status(429, "TooManyRequests", "slow down", retry_after="60"), ok(POD))
        with pytest.raises(ApiRefusal) as caught:
            await cluster.get_pod("shop", "web-1")
        assert caught.value.retry_after == 60.0
        assert len(stub.asked) == 1


async def test_a_date_to_retry_after_is_ignored() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(status(429, "TooManyRequests", "no", retry_after="Wed, 21 Oct 2026 07:28:00 GMT"))
        with pytest.raises(ApiRefusal) as caught:
            await cluster.create_pod("shop", POD)
        assert caught.value.retry_after is None


async def test_an_answer_that_never_comes_is_a_refusal_with_status_0() -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return ok(POD)

    async with api_stub(patience=0.1) as (stub, cluster):
        stub.will(never)
        with pytest.raises(ApiRefusal) as caught:
            await cluster.create_pod("shop", POD)
        assert (caught.value.status, caught.value.message) == (0, "TimeoutError")


@pytest.mark.parametrize("begins", [False, True])
async def test_a_log_that_does_not_come_is_given_up_soon_and_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, *, begins: bool
) -> None:
    monkeypatch.setattr(cluster_module, "LOG_SILENCE_SECONDS", 0.1)

    async with api_stub(patience=60.0) as (stub, cluster):
        stub.will(hanging(begins=begins), web.Response(text="too late\n"))
        with pytest.raises(ApiRefusal) as caught:
            await cluster.read_log("shop", "web-1", "build")
        assert (caught.value.status, caught.value.reason) == (0, "SocketTimeoutError")
        stub.answers.insert(0, hanging(begins=begins))
        with pytest.raises(ApiRefusal, match="imeout"):
            await cluster.last_output("shop", "web-1", "build")
        assert len(stub.asked) == 2


async def test_a_long_log_may_take_longer_than_its_silence_as_long_as_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster_module, "LOG_SILENCE_SECONDS", 2.0)

    async def drips(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(9):
            await response.write(f"line {number}\n".encode())
            await asyncio.sleep(0.25)
        return response

    async with api_stub() as (stub, cluster):
        stub.will(drips)
        assert (await cluster.read_log("shop", "web-1", "build")).count("\n") == 9


async def test_an_event_that_hangs_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "EVENT_SILENCE_SECONDS", 0.1)
    async with api_stub(patience=60.0) as (stub, cluster):
        stub.will(hanging())
        with pytest.raises(ApiRefusal) as caught:
            await cluster.create_event("shop", {"kind": "Event"})
        assert (caught.value.status, caught.value.reason) == (0, "SocketTimeoutError")
        assert len(stub.asked) == 1


async def test_an_answer_that_breaks_off_is_asked_for_again() -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half a log")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with api_stub() as (stub, cluster):
        stub.will(half, web.Response(text="the whole log\n"))
        assert await cluster.read_log("shop", "web-1", "build") == "the whole log\n"
        assert stub.requests(verb="get", resource="pods/log", code="error") == 1


async def test_a_proxy_without_manners_is_quoted() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(web.Response(status=400, text="<html>bad gateway</html>" + "x" * 5000))
        with pytest.raises(ApiRefusal) as caught:
            await cluster.create_pod("shop", POD)
        assert caught.value.reason == "Bad Request"
        assert caught.value.message.startswith("<html>bad gateway</html>")
        assert len(caught.value.message) == 1024


@pytest.mark.parametrize("text", ["", "not json", "[]"])
async def test_a_success_that_is_no_object_is_no_success(text: str) -> None:
    async with api_stub() as (stub, cluster):
        stub.will(web.Response(text=text))
        with pytest.raises(ApiRefusal) as caught:
            await cluster.create_pod("shop", POD)
        assert caught.value.status == 0


async def test_no_server_at_all() -> None:
    async with api_stub() as (stub, cluster):
        pass
    with pytest.raises(ApiRefusal) as caught:
        await cluster.create_pod("shop", POD)
    assert caught.value.status == 0
    assert stub.requests(verb="create", resource="pods", code="error") == 1
    await cluster.close()


async def test_latency_is_observed_for_each_try() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(status(500, "InternalError", "x"), ok(POD))
        await cluster.get_pod("shop", "web-1")
        count = stub.metrics.registry.get_sample_value(
            "imagebuild_api_request_duration_seconds_count", {"verb": "get", "resource": "pods"}
        )
        assert count == 2


def kubeconfig(path: Path, server: str) -> Path:
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "it",
                "contexts": [{"name": "it", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {"token": "from-the-file"}}],
            }
        )
    )
    return path


async def test_outside_a_cluster_the_kubeconfig_is_used(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "https://10.9.8.7:6443")
    connection = await Connection.open({"KUBECONFIG": str(path)}, metrics=Metrics("t"), random=lambda: 0.5)
    configuration = connection._client.configuration
    assert configuration.host == "https://10.9.8.7:6443"
    assert await configuration.get_api_key_with_prefix("BearerToken") == "Bearer from-the-file"
    assert configuration.connection_pool_maxsize == 32
    await connection.close()


async def test_inside_a_cluster_the_service_account_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("mounted")
    authority.write_bytes(b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(b"x") + b"\n")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority))
    loaded: list[str] = []

    def refuse(configuration: object) -> None:
        loaded.append(configuration.host)  # type: ignore[attr-defined]
        raise LookupError

    monkeypatch.setattr("kubernetes.aio.client.rest.RESTClientObject.__init__", lambda _, it: refuse(it))
    environ = {
        "KUBERNETES_SERVICE_HOST": "fd00::1",
        "KUBERNETES_SERVICE_PORT": "443",
        "KUBECONFIG": str(kubeconfig(tmp_path / "config", "https://10.9.8.7:6443")),
    }
    with pytest.raises(LookupError):
        await Connection.open(environ, metrics=Metrics("t"), random=lambda: 0.5)
    assert loaded == ["https://[fd00::1]:443"]


async def test_no_cluster_is_told_with_both_reasons(tmp_path: Path) -> None:
    missing = tmp_path / "nothing"
    with pytest.raises(ApiRefusal, match=r"no service account .* and no usable kubeconfig at .*nothing"):
        await Connection.open({"KUBECONFIG": str(missing)}, metrics=Metrics("t"), random=lambda: 0.5)
