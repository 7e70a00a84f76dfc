"""The cluster port against a real API server: preconditions, selectors, paging, refusals and access reviews."""

import json
import random
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagebuild_operator.api import names
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.shell.cluster import KubernetesCluster
from imagebuild_operator.shell.connection import Connection
from imagebuild_operator.shell.events import build_event
from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.permissions import REQUIRED, missing_permissions
from imagebuild_operator.shell.port import ApiRefusal, Conflict, Missing
from tests.cluster.handle import ApiHandle

pytestmark = pytest.mark.integration

LABELS = {names.LABEL_MANAGED_BY: names.OPERATOR}


@asynccontextmanager
async def connected(kubeconfig: Path, *namespaces: str, page: int = 500) -> AsyncIterator[KubernetesCluster]:
    connection = await Connection.open(
        {"KUBECONFIG": str(kubeconfig)}, metrics=Metrics("test"), random=random.Random(1).random
    )
    cluster = KubernetesCluster(connection, namespaces, page=page)
    try:
        yield cluster
    finally:
        await cluster.close()


@pytest.fixture
def namespace(new_namespace: Callable[[str], str]) -> str:
    return new_namespace("port")


@pytest.fixture
async def cluster(control_plane: ApiHandle, namespace: str) -> AsyncIterator[KubernetesCluster]:
    async with connected(control_plane.kubeconfig, namespace, page=2) as cluster:
        yield cluster


def apply_build(plane: ApiHandle, namespace: str, name: str = "web") -> dict[str, Any]:
    plane.apply(
        {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"namespace": namespace, "name": name},
            "spec": {
                "source": {"git": {"url": "https://git.example.com/shop/web.git"}},
                "output": {"images": ["registry.example.com/shop/web:1"]},
            },
        }
    )
    return plane.get(names.PLURAL, name, "-n", namespace)


def pod(name: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": LABELS if labels is None else labels},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "build", "image": "registry.example.com/none:1"}]},
    }


async def write(cluster: KubernetesCluster, build: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    metadata = build["metadata"]
    return await cluster.write_status(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        status=status,
    )


def condition(kind: str, value: str) -> dict[str, Any]:
    return {
        "type": kind,
        "status": value,
        "reason": "Building",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }


async def test_a_build_is_read_as_stored_and_none_when_gone(
    control_plane: ApiHandle, cluster: KubernetesCluster, namespace: str
) -> None:
    stored = apply_build(control_plane, namespace)
    build = await cluster.get_build(namespace, "web")
    assert build is not None
    assert build["spec"] == stored["spec"]
    assert build["status"] == {"observedGeneration": -1, "phase": "Pending"}
    assert await cluster.get_build(namespace, "other") is None
    assert await cluster.get_pod(namespace, "other") is None


async def test_a_status_write_replaces_the_whole_status(
    control_plane: ApiHandle, cluster: KubernetesCluster, namespace: str
) -> None:
    build = apply_build(control_plane, namespace)
    both = [condition("Succeeded", "Unknown"), condition("Reconciling", "True")]
    first = await write(
        cluster, build, {"observedGeneration": 1, "phase": "Building", "digest": "sha256:1", "conditions": both}
    )
    assert first["status"]["digest"] == "sha256:1"
    assert first["metadata"]["generation"] == build["metadata"]["generation"]
    second = await write(cluster, first, {"observedGeneration": 1, "phase": "Failed", "conditions": both[:1]})
    assert second == await cluster.get_build(namespace, "web")
    assert "digest" not in second["status"]
    assert [entry["type"] for entry in second["status"]["conditions"]] == ["Succeeded"]
    assert second["spec"] == build["spec"]
    assert {entry["manager"] for entry in second["metadata"]["managedFields"] if "subresource" in entry} == {
        names.FIELD_MANAGER
    }


@pytest.mark.parametrize(
    "text",
    [
        "\U0001f600 done in 3 s",
        "\\ud83d\\ude00 and \\\U0001f600",
        "a\tb\nc \"d\" 'e' {{ - : # % \\",
        "".join(map(chr, (0x7F, 0x85, 0x2028, 0xE000, 0xFEFF, 0xFFFD))),
    ],
)
async def test_any_text_of_a_log_is_stored_as_it_is(
    control_plane: ApiHandle, cluster: KubernetesCluster, namespace: str, text: str
) -> None:
    build = apply_build(control_plane, namespace)
    failure = {"reason": "BuildFailed", "message": text, "logTail": text}
    stored = await write(cluster, build, {"observedGeneration": 1, "phase": "Failed", "failure": failure})
    assert stored["status"]["failure"] == failure


async def test_a_stale_writer_is_refused_and_changes_nothing(
    control_plane: ApiHandle, cluster: KubernetesCluster, namespace: str
) -> None:
    build = apply_build(control_plane, namespace)
    newer = await write(cluster, build, {"observedGeneration": 1, "phase": "Building"})
    with pytest.raises(Conflict):
        await write(cluster, build, {"observedGeneration": 1, "phase": "Failed"})
    assert await cluster.get_build(namespace, "web") == newer


async def test_the_successor_of_a_build_is_not_written_by_mistake(
    control_plane: ApiHandle, cluster: KubernetesCluster, namespace: str
) -> None:
    old = apply_build(control_plane, namespace)
    control_plane.kubectl("delete", names.PLURAL, "web", "-n", namespace)
    with pytest.raises((Missing, Conflict)):
        await write(cluster, old, {"observedGeneration": 1, "phase": "Failed"})
    apply_build(control_plane, namespace)
    new = await cluster.get_build(namespace, "web")
    # It is the resourceVersion that protects: on /status of a custom resource the API server ignores metadata.uid.
    with pytest.raises(Conflict):
        await write(cluster, old, {"observedGeneration": 1, "phase": "Failed"})
    assert await cluster.get_build(namespace, "web") == new


async def test_a_status_the_schema_refuses_is_told_in_its_words(
    control_plane: ApiHandle, cluster: KubernetesCluster, namespace: str
) -> None:
    build = apply_build(control_plane, namespace)
    with pytest.raises(ApiRefusal) as caught:
        await write(cluster, build, {"observedGeneration": 1, "phase": "Dancing"})
    assert caught.value.status == 422
    assert "status.phase" in caught.value.message


async def test_only_unfinished_builds_are_listed_over_all_pages(
    control_plane: ApiHandle, cluster: KubernetesCluster, namespace: str
) -> None:
    builds = {f"b{number}": apply_build(control_plane, namespace, f"b{number}") for number in range(7)}
    await write(cluster, builds["b1"], {"observedGeneration": 1, "phase": "Succeeded"})
    await write(cluster, builds["b2"], {"observedGeneration": 1, "phase": "Failed"})
    await write(cluster, builds["b3"], {"observedGeneration": 1, "phase": "Building"})
    await write(cluster, builds["b4"], {"observedGeneration": 1, "phase": "Cancelled"})
    await write(cluster, builds["b5"], {"observedGeneration": 1, "phase": "Suspended"})
    items, version = await cluster.list_unfinished_builds()
    assert [item["metadata"]["name"] for item in items] == ["b0", "b3", "b5", "b6"]
    assert {item["kind"] for item in items} == {names.KIND}
    assert int(version) >= int(builds["b6"]["metadata"]["resourceVersion"])


async def test_only_our_pods_are_listed_over_all_pages_and_namespaces(
    control_plane: ApiHandle, namespace: str, new_namespace: Callable[[str], str]
) -> None:
    other, unwatched = new_namespace("port"), new_namespace("port")
    async with connected(control_plane.kubeconfig, namespace, other, page=1) as cluster:
        for place, name in ((namespace, "a"), (namespace, "b"), (other, "c"), (unwatched, "d")):
            await cluster.create_pod(place, pod(name))
        await cluster.create_pod(namespace, pod("stranger", labels={"app": "web"}))
        items, _ = await cluster.list_build_pods()
    assert [item["metadata"]["name"] for item in items] == ["a", "b", "c"]
    assert {(item["apiVersion"], item["kind"]) for item in items} == {("v1", "Pod")}
    async with connected(control_plane.kubeconfig) as everywhere:
        items, _ = await everywhere.list_build_pods()
    assert {"a", "b", "c", "d"} <= {item["metadata"]["name"] for item in items}


async def test_a_second_pod_of_a_name_is_a_conflict(cluster: KubernetesCluster, namespace: str) -> None:
    created = await cluster.create_pod(namespace, pod("web-1"))
    assert created["metadata"]["uid"]
    with pytest.raises(Conflict) as caught:
        await cluster.create_pod(namespace, pod("web-1"))
    assert caught.value.reason == "AlreadyExists"
    assert await cluster.get_pod(namespace, "web-1") == created


async def test_a_pod_that_cannot_be_is_refused_in_the_servers_words(cluster: KubernetesCluster, namespace: str) -> None:
    with pytest.raises(ApiRefusal) as invalid:
        await cluster.create_pod(namespace, {**pod("web-1"), "spec": {"containers": []}})
    assert (invalid.value.status, invalid.value.reason) == (422, "Invalid")
    assert "spec.containers" in invalid.value.message
    with pytest.raises(ApiRefusal) as malformed:
        await cluster.create_pod(namespace, {**pod("web-1"), "spec": {"containers": "none"}})
    assert malformed.value.status == 400
    with pytest.raises(Missing):
        await cluster.create_pod("no-such-namespace", pod("web-1"))


async def test_admission_that_says_no_is_a_403_in_its_words(
    control_plane: ApiHandle, cluster: KubernetesCluster, namespace: str
) -> None:
    control_plane.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    with pytest.raises(ApiRefusal) as caught:
        await cluster.create_pod(namespace, pod("web-1"))
    assert (caught.value.status, caught.value.reason) == (403, "Forbidden")
    assert 'violates PodSecurity "restricted' in caught.value.message


async def test_a_pod_is_deleted_by_its_uid_only(cluster: KubernetesCluster, namespace: str) -> None:
    created = await cluster.create_pod(namespace, pod("web-1"))
    await cluster.delete_pod(namespace, "web-1", str(uuid.uuid4()))
    assert await cluster.get_pod(namespace, "web-1") == created
    await cluster.delete_pod(namespace, "web-1", created["metadata"]["uid"])
    assert await cluster.get_pod(namespace, "web-1") is None
    await cluster.delete_pod(namespace, "web-1", created["metadata"]["uid"])


async def test_a_build_is_deleted_as_it_was_read_only(
    control_plane: ApiHandle, cluster: KubernetesCluster, namespace: str
) -> None:
    build = apply_build(control_plane, namespace)

    async def delete(uid: str, version: str) -> dict[str, Any] | None:
        await cluster.delete_build(namespace=namespace, name="web", uid=uid, resource_version=version)
        return await cluster.get_build(namespace, "web")

    read = build["metadata"]
    control_plane.kubectl("annotate", names.PLURAL, "web", "-n", namespace, "example.com/last-minute=edit")
    edited = await delete(read["uid"], read["resourceVersion"])
    assert edited is not None, "somebody changed it after it was read"
    assert await delete(str(uuid.uuid4()), edited["metadata"]["resourceVersion"]) == edited
    assert await delete(read["uid"], edited["metadata"]["resourceVersion"]) is None
    assert await delete(read["uid"], edited["metadata"]["resourceVersion"]) is None


async def test_no_log_is_an_empty_log(cluster: KubernetesCluster, namespace: str) -> None:
    await cluster.create_pod(namespace, pod("web-1"))
    for name in ("web-1", "gone"):
        assert await cluster.read_log(namespace, name, "build") == ""
        assert await cluster.last_output(namespace, name, "build") is None


async def test_warnings_of_a_pod_are_found_in_both_kinds_of_events(
    control_plane: ApiHandle, cluster: KubernetesCluster, namespace: str
) -> None:
    uid = (await cluster.create_pod(namespace, pod("web-1")))["metadata"]["uid"]
    about = {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": "web-1", "uid": uid}

    def core(name: str, message: str, time: str, *, kind: str = "Warning", **changes: Any) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": namespace, "name": name},
            "involvedObject": {**about, **changes},
            "reason": "FailedMount",
            "message": message,
            "type": kind,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "reportingComponent": "kubelet",
        }

    newer = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": namespace, "name": "e4"},
        "regarding": about,
        "reason": "FailedAttachVolume",
        "note": "the disk is in use",
        "action": "Attaching",
        "type": "Warning",
        "eventTime": "2026-01-01T00:00:02.500000Z",
        "reportingController": "attachdetach-controller",
        "reportingInstance": "a-1",
    }
    control_plane.apply(
        core("e1", 'secret "git" not found', "2026-01-01T00:00:01Z"),
        core("e2", 'secret "git" not found', "2026-01-01T00:00:03Z"),
        core("e3", "pulled", "2026-01-01T00:00:09Z", kind="Normal"),
        core("e5", "of another pod", "2026-01-01T00:00:09Z", uid=str(uuid.uuid4())),
        core("e6", "0/1 nodes are available", "2026-01-01T00:00:09Z") | {"reason": "FailedScheduling"},
        newer,
    )
    assert await cluster.pod_warnings(namespace, uid) == ['secret "git" not found', "the disk is in use"]
    assert await cluster.pod_warnings(namespace, str(uuid.uuid4())) == []


async def test_an_event_of_ours_is_accepted_once_and_shown_with_its_build(
    control_plane: ApiHandle, cluster: KubernetesCluster, namespace: str
) -> None:
    build = BuildView.parse(apply_build(control_plane, namespace))
    manifest = build_event(
        build,
        about="run 1",
        reason="BuildFailed",
        note="ü" * 2000,
        action="Build",
        warning=True,
        reporting_instance="imagebuild-operator-0",
        event_time=datetime.now(UTC),
    )
    await cluster.create_event(namespace, manifest)
    await cluster.create_event(namespace, manifest)
    selector = f"involvedObject.uid={build.uid}"
    [shown] = control_plane.get("events", "-n", namespace, "--field-selector", selector)["items"]
    assert (shown["type"], shown["reason"]) == ("Warning", "BuildFailed")
    assert "BuildFailed" in control_plane.kubectl("describe", names.PLURAL, "web", "-n", namespace)


def service_account(plane: ApiHandle, namespace: str, rules: list[dict[str, Any]], file: Path) -> Path:
    """A kubeconfig of an account that may do just that in the namespace."""
    group = "rbac.authorization.k8s.io"
    metadata = {"namespace": namespace, "name": "operator"}
    subject = {"kind": "ServiceAccount", "namespace": namespace, "name": "operator"}
    plane.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "operator"},
            "subjects": [subject],
        },
    )
    document = yaml.safe_load(plane.kubeconfig.read_text())
    token = plane.kubectl("create", "token", "operator", "-n", namespace).strip()
    user = document["contexts"][0]["context"]["user"]
    document["users"] = [{"name": user, "user": {"token": token}}]
    file.write_text(json.dumps(document))
    return file


def rules_without(*missing: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"apiGroups": [entry.group], "resources": [entry.target], "verbs": [entry.verb]}
        for entry in REQUIRED
        if (entry.verb, entry.target) not in missing
    ]


async def test_the_start_up_check_names_exactly_what_is_missing(
    control_plane: ApiHandle, namespace: str, tmp_path: Path
) -> None:
    rules = rules_without(("patch", "imagebuilds/status"), ("get", "pods/log"))
    file = service_account(control_plane, namespace, rules, tmp_path / "config")
    async with connected(file, namespace) as cluster:
        sentences = await missing_permissions(cluster, [namespace])
        assert len(sentences) == 2
        assert 'patch "imagebuilds/status" (API group "imagebuild.dev")' in sentences[0]
        assert 'get "pods/log" (the core API group)' in sentences[1]
        assert len(await missing_permissions(cluster, [])) == len(REQUIRED)
        build = apply_build(control_plane, namespace)
        with pytest.raises(ApiRefusal) as caught:
            await write(cluster, build, {"observedGeneration": 1, "phase": "Building"})
        assert (caught.value.status, caught.value.reason) == (403, "Forbidden")


async def test_the_listed_permissions_are_enough_for_every_call(
    control_plane: ApiHandle, namespace: str, tmp_path: Path
) -> None:
    file = service_account(control_plane, namespace, rules_without(), tmp_path / "config")
    build = apply_build(control_plane, namespace)
    async with connected(file, namespace) as cluster:
        assert await missing_permissions(cluster, [namespace]) == []
        written = await write(cluster, build, {"observedGeneration": 1, "phase": "Building"})
        created = await cluster.create_pod(namespace, pod("web-1"))
        uid = created["metadata"]["uid"]
        assert await cluster.get_build(namespace, "web") == written
        assert await cluster.get_pod(namespace, "web-1") == created
        assert len((await cluster.list_unfinished_builds())[0]) == 1
        assert len((await cluster.list_build_pods())[0]) == 1
        assert await cluster.read_log(namespace, "web-1", "build") == ""
        assert await cluster.last_output(namespace, "web-1", "build") is None
        assert await cluster.pod_warnings(namespace, uid) == []
        event = build_event(
            BuildView.parse(written),
            about="run 1",
            reason="Started",
            note="started",
            action="Build",
            warning=False,
            reporting_instance="o",
            event_time=datetime.now(UTC),
        )
        await cluster.create_event(namespace, event)
        await cluster.delete_pod(namespace, "web-1", uid)
        metadata = written["metadata"]
        await cluster.delete_build(
            namespace=namespace, name="web", uid=metadata["uid"], resource_version=metadata["resourceVersion"]
        )
        assert await cluster.get_build(namespace, "web") is None
        assert not await cluster.may(verb="get", group="", resource="secrets", subresource="", namespace=namespace)
