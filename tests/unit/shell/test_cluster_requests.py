"""What each call of the cluster port asks the API server, and what it makes of the answers."""

import asyncio
import json
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from imagebuild_operator.shell.pod_logs import LOG_BYTES
from imagebuild_operator.shell.port import ApiRefusal, Cluster, Conflict, Missing
from tests.unit.shell.api_stub import api_stub, ok, status

BUILD: dict[str, Any] = {
    "kind": "ImageBuild",
    "metadata": {"name": "web", "uid": "u-1"},
    "status": {"phase": "Building"},
}
NAMESPACES = "/apis/imagebuild.dev/v1alpha1/namespaces"


def listed(kind: str, *names: str, version: str = "100", token: str = "") -> web.Response:
    items = [{"metadata": {"name": name}} for name in names]
    metadata = {"resourceVersion": version, **({"continue": token} if token else {})}
    return ok({"kind": f"{kind}List", "apiVersion": "v1", "metadata": metadata, "items": items})


def names_of(items: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


async def test_implements_the_port() -> None:
    async with api_stub() as (_, cluster):
        port: Cluster = cluster
        assert port is cluster


async def test_get_build_and_pod() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(ok(BUILD), ok({"metadata": {"name": "web-1"}}))
        assert await cluster.get_build("shop", "web") == BUILD
        assert await cluster.get_pod("shop", "web-1") == {"metadata": {"name": "web-1"}}
        assert [request.path for request in stub.asked] == [
            f"{NAMESPACES}/shop/imagebuilds/web",
            "/api/v1/namespaces/shop/pods/web-1",
        ]
        assert stub.asked[0].authorization == "Bearer let-me-in"


async def test_what_is_not_there_is_none() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(status(404, "NotFound", "gone"), status(404, "NotFound", "gone"))
        assert await cluster.get_build("shop", "web") is None
        assert await cluster.get_pod("shop", "web-1") is None


async def test_names_cannot_leave_their_place_in_the_path() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(status(404, "NotFound", "gone"))
        await cluster.get_pod("shop", "../../secrets/x?y=1")
        assert stub.asked[0].path == "/api/v1/namespaces/shop/pods/..%2F..%2Fsecrets%2Fx%3Fy=1"
        assert stub.asked[0].query == {}


async def test_unfinished_builds_are_selected_by_the_server_page_by_page() -> None:
    async with api_stub(page=2) as (stub, cluster):
        stub.will(
            listed("ImageBuild", "a", "b", version="100", token="more/1+="),
            listed("ImageBuild", "c", version="100"),
        )
        items, version = await cluster.list_unfinished_builds()
        assert (names_of(items), version) == (["a", "b", "c"], "100")
        finished = ("Succeeded", "Failed", "Cancelled")
        selector = ",".join(f"status.phase!={phase}" for phase in finished)
        assert [request.path for request in stub.asked] == ["/apis/imagebuild.dev/v1alpha1/imagebuilds"] * 2
        assert [request.query for request in stub.asked] == [
            {"fieldSelector": selector, "limit": "2"},
            {"fieldSelector": selector, "limit": "2", "continue": "more/1+="},
        ]


async def test_build_pods_are_selected_by_label_and_keep_their_kind() -> None:
    async with api_stub("shop", "lab") as (stub, cluster):
        stub.will(listed("Pod", "web-1", version="7"), listed("Pod", "lib-1", version="9"))
        items, version = await cluster.list_build_pods()
        assert (names_of(items), version) == (["web-1", "lib-1"], "7")
        assert {(item["apiVersion"], item["kind"]) for item in items} == {("v1", "Pod")}
        assert [request.path for request in stub.asked] == [
            "/api/v1/namespaces/shop/pods",
            "/api/v1/namespaces/lab/pods",
        ]
        assert stub.asked[0].query == {
            "labelSelector": "app.kubernetes.io/managed-by=imagebuild-operator",
            "limit": "500",
        }


async def test_an_expired_page_starts_over_in_one_piece() -> None:
    async with api_stub(page=1) as (stub, cluster):
        stub.will(
            listed("Pod", "a", version="1", token="t"),
            status(410, "Expired", "the continue token is too old"),
            listed("Pod", "a", "b", version="5"),
        )
        items, version = await cluster.list_build_pods()
        assert (names_of(items), version) == (["a", "b"], "5")
        assert "limit" not in stub.asked[2].query
        assert "continue" not in stub.asked[2].query


async def test_a_refused_list_is_told() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(status(403, "Forbidden", "pods is forbidden"))
        with pytest.raises(ApiRefusal, match="403 Forbidden: pods is forbidden"):
            await cluster.list_build_pods()


async def test_the_status_is_applied_whole_under_uid_and_resource_version() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(ok(BUILD))
        status_document = {"phase": "Building", "observedGeneration": 2}
        written = await cluster.write_status(
            namespace="shop", name="web", uid="u-1", resource_version="41", status=status_document
        )
        assert written == BUILD
        [request] = stub.asked
        assert (request.method, request.path) == ("PATCH", f"{NAMESPACES}/shop/imagebuilds/web/status")
        assert request.query == {"fieldManager": "imagebuild-operator", "force": "true"}
        assert request.content_type == "application/apply-patch+yaml"
        assert request.body == {
            "apiVersion": "imagebuild.dev/v1alpha1",
            "kind": "ImageBuild",
            "metadata": {"namespace": "shop", "name": "web", "uid": "u-1", "resourceVersion": "41"},
            "status": status_document,
        }


@pytest.mark.parametrize(("code", "kind"), [(409, Conflict), (404, Missing), (422, ApiRefusal), (500, ApiRefusal)])
async def test_a_refused_write_is_told_once_and_not_repeated(code: int, kind: type[ApiRefusal]) -> None:
    async with api_stub() as (stub, cluster):
        stub.will(status(code, "Reason", "the words of the server"))
        with pytest.raises(ApiRefusal) as caught:
            await cluster.write_status(namespace="shop", name="web", uid="u-1", resource_version="1", status={})
        assert type(caught.value) is kind
        refusal = caught.value
        assert (refusal.status, refusal.reason, refusal.message) == (code, "Reason", "the words of the server")
        assert len(stub.asked) == 1
        assert stub.requests(verb="patch", resource="imagebuilds/status", code=str(code)) == 1


async def test_create_pod_posts_the_manifest_as_it_is() -> None:
    async with api_stub() as (stub, cluster):
        manifest = {"kind": "Pod", "metadata": {"name": "web-1"}, "spec": {"hostUsers": False, "priority": None}}
        stub.will(ok(manifest, 201), status(409, "AlreadyExists", "exists"), status(403, "Forbidden", "exceeded quota"))
        assert await cluster.create_pod("shop", manifest) == manifest
        assert (stub.asked[0].method, stub.asked[0].path) == ("POST", "/api/v1/namespaces/shop/pods")
        assert stub.asked[0].body == manifest
        with pytest.raises(Conflict):
            await cluster.create_pod("shop", manifest)
        with pytest.raises(ApiRefusal, match="exceeded quota"):
            await cluster.create_pod("shop", manifest)


async def test_delete_pod_names_its_uid_and_takes_gone_for_done() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(
            ok({}),
            status(404, "NotFound", "gone"),
            status(409, "Conflict", "Precondition failed: UID in precondition: a, UID in object meta: b"),
            status(403, "Forbidden", "no"),
        )
        for _ in range(3):
            await cluster.delete_pod("shop", "web-1", "u-9")
        assert stub.asked[0].method == "DELETE"
        assert stub.asked[0].body["preconditions"] == {"uid": "u-9"}
        with pytest.raises(ApiRefusal, match="no"):
            await cluster.delete_pod("shop", "web-1", "u-9")


async def test_delete_build_names_uid_and_resource_version_and_takes_gone_and_changed_for_done() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(
            ok({"kind": "Status", "status": "Success"}),
            status(404, "NotFound", "gone"),
            status(409, "Conflict", "the ResourceVersion in the precondition (41) does not match the ResourceVersion"),
            status(403, "Forbidden", "no"),
        )
        build = {"namespace": "shop", "name": "web", "uid": "u-1", "resource_version": "41"}
        for _ in range(3):
            await cluster.delete_build(**build)
        assert (stub.asked[0].method, stub.asked[0].path) == ("DELETE", f"{NAMESPACES}/shop/imagebuilds/web")
        assert stub.asked[0].body["preconditions"] == {"uid": "u-1", "resourceVersion": "41"}
        with pytest.raises(ApiRefusal, match="no"):
            await cluster.delete_build(**build)
        assert stub.requests(verb="delete", resource="imagebuilds", code="409") == 1


async def test_the_log_is_asked_for_by_lines_and_never_by_bytes() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(web.Response(body="erste Zeile\nzweite ü\n".encode()))
        assert await cluster.read_log("shop", "web-1", "build") == "erste Zeile\nzweite ü\n"
        assert stub.asked[0].path == "/api/v1/namespaces/shop/pods/web-1/log"
        assert stub.asked[0].query == {"container": "build", "tailLines": "5000"}


@pytest.mark.parametrize("lines", [2_100, 2_900, 9_000])
async def test_of_a_long_log_the_last_mebibyte_is_kept_in_whole_lines(lines: int) -> None:
    written = [f"{number:06d} {'x' * 493}\n" for number in range(lines)]

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, lines, 70):
            await response.write("".join(written[start : start + 70]).encode())
        return response

    async with api_stub() as (stub, cluster):
        stub.will(stream)
        kept = (await cluster.read_log("shop", "web-1", "build")).splitlines(keepends=True)
    assert kept == written[-len(kept) :]
    assert LOG_BYTES - 501 <= sum(map(len, kept)) <= LOG_BYTES


async def test_a_log_that_fits_is_kept_from_its_first_byte() -> None:
    async with api_stub() as (stub, cluster):
        text = "y" * (LOG_BYTES - 1) + "\n"
        stub.will(web.Response(text=text))
        assert await cluster.read_log("shop", "web-1", "build") == text


@pytest.mark.parametrize("end", ["", "\n", "error building image: exit status 8\n"])
async def test_of_a_line_that_is_longer_than_what_is_kept_the_end_is_kept(end: str) -> None:
    async with api_stub() as (stub, cluster):
        text = f"{'z' * (3 * LOG_BYTES)}{end}"
        stub.will(web.Response(text=text))
        assert await cluster.read_log("shop", "web-1", "build") == text[-LOG_BYTES:]


async def test_of_a_hundred_megabytes_no_more_is_held_than_what_is_kept() -> None:
    block = b"0123456789abcde\n" * 65_536

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(block)
        await response.write(b"the end\n")
        return response

    async with api_stub() as (stub, cluster):
        stub.will(stream)
        tracemalloc.start()
        kept = await cluster.read_log("shop", "web-1", "build")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert kept.endswith("0123456789abcde\nthe end\n")
    assert len(kept) <= LOG_BYTES
    assert most < 16 * LOG_BYTES


@pytest.mark.parametrize(
    ("then", "log"),
    [
        (status(404, "NotFound", 'pods "web-1" not found'), ""),
        (web.Response(text="unable to retrieve container logs for containerd://0e31c139a997"), ""),
        (web.Response(text="all of it\n"), "all of it\n"),
    ],
)
async def test_a_log_that_breaks_off_is_asked_for_again_and_its_beginning_is_not_taken_for_its_end(
    then: web.Response, log: str
) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"error building image: an old one, and then\n")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with api_stub() as (stub, cluster):
        stub.will(broken, then)
        assert await cluster.read_log("shop", "web-1", "build") == log
        assert len(stub.asked) == 2


async def test_bytes_that_are_no_text_do_not_lose_the_log() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(web.Response(body=b"before \xff\xfe after\n"))
        assert await cluster.read_log("shop", "web-1", "build") == "before \ufffd\ufffd after\n"


@pytest.mark.parametrize(
    "answer",
    [
        (404, "NotFound", 'pods "web-1" not found'),
        (400, "BadRequest", 'container "build" in pod "web-1" is waiting to start: PodInitializing'),
        (400, "BadRequest", 'previous terminated container "build" in pod "web-1" not found'),
    ],
)
async def test_a_log_that_cannot_be_had_is_empty(answer: tuple[int, str, str]) -> None:
    async with api_stub() as (stub, cluster):
        stub.will(status(*answer))
        assert await cluster.read_log("shop", "web-1", "build") == ""


@pytest.mark.parametrize(
    "gone",
    [
        "unable to retrieve container logs for containerd://0e31c139a997",
        'failed to try resolving symlinks in path "/var/log/pods/shop_web-1/build/0.log": lstat 0.log: no such file',
        'failed to open log file "/var/log/pods/shop_web-1/build/0.log": open 0.log: no such file or directory',
    ],
)
async def test_the_kubelets_word_on_a_log_that_is_gone_is_not_the_log(gone: str) -> None:
    async with api_stub() as (stub, cluster):
        stub.will(web.Response(text=gone), web.Response(text=f"{gone}\nsaid the build\n"))
        assert await cluster.read_log("shop", "web-1", "build") == ""
        assert await cluster.read_log("shop", "web-1", "build") == f"{gone}\nsaid the build\n"


async def test_a_log_behind_a_silent_kubelet_is_told() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(*(status(500, "InternalError", "dial tcp 10.0.0.7:10250: connect: refused") for _ in range(4)))
        with pytest.raises(ApiRefusal, match="refused"):
            await cluster.read_log("shop", "web-1", "build")
        assert len(stub.asked) == 4


SAID_AT = datetime(2026, 1, 1, 0, 10, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("log", "time"),
    [
        ("2026-01-01T00:10:00.123456789Z INFO[0003] Taking snapshot of full filesystem...\n", SAID_AT),
        ("2026-01-01T02:10:00.123456789+02:00 \n", SAID_AT),
        (f"2026-01-01T00:10:00.123456Z {'no end ' * 100_000}", SAID_AT),
        ("", None),
        ("unable to retrieve container logs for containerd://0e31c139a997", None),
        ("x" * 100_000, None),
    ],
    ids=["a line", "another zone", "an endless line", "nothing said", "log is gone", "no time"],
)
async def test_the_time_of_the_last_output_is_that_of_its_last_line(log: str, time: datetime | None) -> None:
    async with api_stub() as (stub, cluster):
        stub.will(web.Response(text=log))
        assert await cluster.last_output("shop", "web-1", "build") == time
        assert stub.asked[0].path == "/api/v1/namespaces/shop/pods/web-1/log"
        assert stub.asked[0].query == {"container": "build", "tailLines": "1", "timestamps": "true"}


async def test_a_time_that_comes_in_pieces_is_read_whole() -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b"2026-01-01T00:", b"10:00.1234", b"56Z", b" INFO[0003] x\n"):
            await response.write(piece)
            await asyncio.sleep(0.01)
        return response

    async with api_stub() as (stub, cluster):
        stub.will(stream)
        assert await cluster.last_output("shop", "web-1", "build") == SAID_AT


@pytest.mark.parametrize("answer", [(404, "NotFound", "gone"), (400, "BadRequest", "PodInitializing")])
async def test_a_container_that_never_ran_has_said_nothing(answer: tuple[int, str, str]) -> None:
    async with api_stub() as (stub, cluster):
        stub.will(status(*answer))
        assert await cluster.last_output("shop", "web-1", "build") is None


async def test_a_kubelet_that_cannot_be_asked_is_no_silent_build() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(*(status(500, "InternalError", "dial tcp 10.0.0.7:10250: connect: refused") for _ in range(4)))
        with pytest.raises(ApiRefusal, match="refused"):
            await cluster.last_output("shop", "web-1", "build")


async def test_pod_warnings_come_newest_first_each_once_and_at_most_five() -> None:
    events = [
        {"message": "old", "lastTimestamp": "2026-01-01T00:00:00Z"},
        {"message": " twice ", "lastTimestamp": "2026-01-01T00:00:05Z"},
        {"message": "twice", "lastTimestamp": "2026-01-01T00:00:01Z"},
        {
            "message": "series",
            "eventTime": "2026-01-01T00:00:00Z",
            "series": {"lastObservedTime": "2026-01-01T00:00:09.5Z"},
        },
        {"message": "whole second", "lastTimestamp": "2026-01-01T00:00:09Z"},
        {"message": "new api", "lastTimestamp": None, "eventTime": "2026-01-01T00:00:04.000001Z", "series": None},
        {"message": "created only", "metadata": {"creationTimestamp": "2026-01-01T00:00:03Z"}},
        {"message": "", "lastTimestamp": "2026-01-01T00:01:00Z"},
        {"message": "no node", "lastTimestamp": "2026-01-01T00:01:00Z", "reason": "FailedScheduling"},
        {"message": None},
    ]
    async with api_stub() as (stub, cluster):
        stub.will(ok({"kind": "EventList", "metadata": {}, "items": events}))
        warnings = await cluster.pod_warnings("shop", "u-9")
        assert warnings == ["series", "whole second", "twice", "new api", "created only"]
        assert stub.asked[0].path == "/api/v1/namespaces/shop/events"
        assert stub.asked[0].query["fieldSelector"] == "involvedObject.uid=u-9,type=Warning"


async def test_no_warnings() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(ok({"kind": "EventList", "metadata": {}, "items": None}))
        assert await cluster.pod_warnings("shop", "u-9") == []


async def test_an_event_that_is_already_there_is_fine() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(ok({}, 201), status(409, "AlreadyExists", "exists"), status(403, "Forbidden", "terminating"))
        await cluster.create_event("shop", {"kind": "Event"})
        await cluster.create_event("shop", {"kind": "Event"})
        assert stub.asked[0].path == "/apis/events.k8s.io/v1/namespaces/shop/events"
        with pytest.raises(ApiRefusal, match="terminating"):
            await cluster.create_event("shop", {"kind": "Event"})


@pytest.mark.parametrize(("answer", "allowed"), [({"allowed": True}, True), ({"allowed": False}, False), ({}, False)])
@pytest.mark.parametrize("namespace", ["shop", None])
async def test_may_asks_for_the_operators_own_account(
    answer: dict[str, bool], *, allowed: bool, namespace: str | None
) -> None:
    async with api_stub() as (stub, cluster):
        stub.will(status(503, "ServiceUnavailable", "starting"), ok({"status": answer}, 201))
        permission = {"verb": "patch", "group": "imagebuild.dev", "resource": "imagebuilds", "subresource": "status"}
        assert await cluster.may(**permission, namespace=namespace) is allowed
        assert stub.asked[1].path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        assert stub.asked[1].body["spec"]["resourceAttributes"] == {**permission, "namespace": namespace or ""}


async def test_requests_carry_json_that_survives_any_text() -> None:
    async with api_stub() as (stub, cluster):
        stub.will(ok({}, 201))
        manifest = {"metadata": {"annotations": {"imagebuild.dev/file-1": 'FROM "ü" \n\t漢\u2028'}}}
        await cluster.create_pod("shop", manifest)
        assert json.dumps(stub.asked[0].body) == json.dumps(manifest)
