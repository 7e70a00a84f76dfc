"""Ended Pods on a real API server: which of them go, and which stay."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from imagebuild_operator.api import names
from imagebuild_operator.core.cleanup import Keeping
from imagebuild_operator.core.queueing import Key
from imagebuild_operator.shell.cleanup import Cleanup
from imagebuild_operator.shell.cluster import KubernetesCluster
from imagebuild_operator.shell.store import Store
from tests.cluster.handle import ApiHandle
from tests.integration.test_cluster_port import apply_build, connected, pod, write

pytestmark = pytest.mark.integration

DIGEST = "sha256:" + "d" * 64
NOW = "2026-01-01T00:00:00Z"
KEPT = {"awaited", "new", "orphan"}


@pytest.fixture
def namespace(new_namespace: Callable[[str], str]) -> str:
    return new_namespace("cleanup")


@pytest.fixture
async def cluster(control_plane: ApiHandle, namespace: str) -> AsyncIterator[KubernetesCluster]:
    async with connected(control_plane.kubeconfig, namespace) as cluster:
        yield cluster


def running(pod_name: str) -> dict[str, Any]:
    run = {"number": 1, "generation": 1, "inputsHash": "v1:h", "specHash": "v1:h", "attempt": 1, "podName": pod_name}
    return {"observedGeneration": 1, "phase": "Building", "run": run}


def finished(pod_name: str) -> dict[str, Any]:
    document = running(pod_name)
    return {**document, "phase": "Succeeded", "digest": DIGEST, "run": {**document["run"], "completionTime": NOW}}


async def ended_pod(plane: ApiHandle, cluster: KubernetesCluster, build: dict[str, Any], *, owned: bool = True) -> None:
    """A Pod named as its build, with what a kubelet reports at its end."""
    metadata = build["metadata"]
    owner = {"apiVersion": names.API_VERSION, "kind": names.KIND, "controller": True, "blockOwnerDeletion": False}
    manifest = pod(metadata["name"])
    if owned:
        manifest["metadata"]["ownerReferences"] = [{**owner, "name": metadata["name"], "uid": metadata["uid"]}]
    await cluster.create_pod(metadata["namespace"], manifest)
    terminated = {"exitCode": 0, "reason": "Completed", "message": DIGEST, "startedAt": NOW, "finishedAt": NOW}
    container = {
        "name": names.CONTAINER_BUILD,
        "image": "registry.example.com/none:1",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": terminated},
    }
    patch = {"status": {"phase": "Succeeded", "containerStatuses": [container]}}
    plane.kubectl(
        "patch",
        "pod",
        metadata["name"],
        "-n",
        metadata["namespace"],
        "--subresource=status",
        "--type=merge",
        f"--patch={json.dumps(patch)}",
    )


async def names_of_pods(cluster: KubernetesCluster) -> set[str]:
    return {each["metadata"]["name"] for each in (await cluster.list_build_pods())[0]}


async def test_only_what_is_recorded_and_ours_goes(
    control_plane: ApiHandle, cluster: KubernetesCluster, namespace: str
) -> None:
    builds = {
        name: apply_build(control_plane, namespace, name) for name in ("done", "next", "awaited", "new", "orphan")
    }
    await write(cluster, builds["done"], finished("done"))
    await write(cluster, builds["next"], running("next-1-2"))
    await write(cluster, builds["awaited"], running("awaited"))
    await write(cluster, builds["orphan"], finished("orphan"))
    for name, build in builds.items():
        await ended_pod(control_plane, cluster, build, owned=name != "orphan")
    woken: list[Key] = []
    cleanup = Cleanup(
        cluster=cluster,
        store=Store(),
        wake=woken.append,
        keeping=Keeping(succeeded=0.0, failed=0.0),
        clock=lambda: datetime.now(UTC),
        random=lambda: 0.5,
        pause=0,
    )
    for raw in (await cluster.list_build_pods())[0]:
        cleanup.see(raw)
    assert len(cleanup) == 4
    work = asyncio.create_task(cleanup.work())
    async with asyncio.timeout(20):
        while await names_of_pods(cluster) != KEPT or len(woken) < 2:  # noqa: ASYNC110  only the API server can tell
            await asyncio.sleep(0.05)
    cleanup.shutdown()
    await work
    assert {name for _, name in woken} == {"awaited", "new"}
