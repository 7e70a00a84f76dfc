"""An ImageBuild that was stored while the schema was another: told in the status, mended by applying it again."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagebuild_operator.core.decide import decide
from imagebuild_operator.core.decisions import Decision, WriteStatus
from imagebuild_operator.core.observe import BuildView, Observation
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.queueing import Slot
from imagebuild_operator.shell.cluster import KubernetesCluster
from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.port import Conflict
from tests import crd
from tests.cluster.handle import ApiHandle
from tests.cluster.local_plane import control_plane as new_control_plane
from tests.integration.imagebuilds import minimal
from tests.unit.core.world import pod_settings


def _older_crd(folder: Path) -> Path:
    """Our CRD as if spec.output.images had once not been required."""
    document: Any = yaml.safe_load(crd.CRD.read_text())
    spec = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    spec["output"].pop("required")
    file = folder / "older.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.fixture
def upgraded(tmp_path: Path) -> Iterator[ApiHandle]:
    """An API server with an object of the older schema, and the schema of today."""
    with new_control_plane() as plane:
        crd.install(plane, _older_crd(tmp_path))
        old = minimal()
        del old["spec"]["output"]["images"]
        plane.apply(old)
        crd.install(plane)
        yield plane


def _decided(raw: dict[str, Any] | None) -> tuple[BuildView, Decision]:
    assert raw is not None
    build = BuildView.parse(raw)
    seen = Observation(build=build, slot=Slot(granted=True))
    return build, decide(seen, Policy(pod=pod_settings()), datetime.now(UTC))


async def _write(cluster: KubernetesCluster, build: BuildView, decision: Decision) -> dict[str, Any]:
    assert isinstance(decision, WriteStatus)
    return await cluster.write_status(
        namespace=build.namespace,
        name=build.name,
        uid=build.uid,
        resource_version=build.resource_version,
        status=decision.status.model_dump(by_alias=True, exclude_none=True, mode="json"),
    )


async def test_it_stalls_with_the_field_named_and_builds_when_it_is_corrected(upgraded: ApiHandle) -> None:
    cluster = await KubernetesCluster.connect(
        {"KUBECONFIG": str(upgraded.kubeconfig)}, namespaces=(), metrics=Metrics("test"), random=random.random
    )
    try:
        build, decision = _decided(await cluster.get_build("default", "web"))
        stored = await _write(cluster, build, decision)
        assert stored["status"]["phase"] == "Failed"
        stalled = next(c for c in stored["status"]["conditions"] if c["type"] == "Stalled")
        assert stalled["reason"] == "InvalidSpec"
        assert "spec.output.images" in stalled["message"]
        with pytest.raises(Conflict):
            await _write(cluster, build, decision)
        upgraded.apply(minimal())
        build, decision = _decided(await cluster.get_build("default", "web"))
        stored = await _write(cluster, build, decision)
        assert stored["status"]["phase"] == "Building"
        assert stored["status"]["run"]["number"] == 1
    finally:
        await cluster.close()
