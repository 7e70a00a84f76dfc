"""What a real API server says of a Pod with more memory than its namespace allows, and how that is read."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.memory import refused
from imagebuild_operator.core.observe import Refusal
from imagebuild_operator.shell.port import ApiRefusal
from tests.cluster.handle import ApiHandle
from tests.integration.test_cluster_port import connected, pod

pytestmark = pytest.mark.integration

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 192 * 2**20
WANTED = {"requests": {"memory": "48Mi"}, "limits": {"memory": "192Mi"}}


def confine(plane: ApiHandle, namespace: str, kind: str, spec: dict[str, Any], used: dict[str, str] | None) -> None:
    metadata = {"name": "little", "namespace": namespace}
    plane.apply({"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec})
    if used is not None:
        # There is no controller that would count.
        status = json.dumps({"status": {"hard": spec["hard"], "used": used}})
        plane.kubectl("patch", "quota", "little", "-n", namespace, "--subresource=status", "--type=merge", "-p", status)


def limit_range(**item: Any) -> dict[str, Any]:
    return {"limits": [{"type": "Container", **item}]}


@pytest.mark.parametrize(
    ("kind", "spec", "used", "at_once"),
    [
        ("LimitRange", limit_range(max={"memory": "160Mi"}), None, True),
        ("LimitRange", {"limits": [{"type": "Pod", "max": {"memory": "160Mi"}}]}, None, True),
        ("LimitRange", limit_range(maxLimitRequestRatio={"memory": "2"}), None, True),
        ("ResourceQuota", {"hard": {"limits.memory": "160Mi"}}, {"limits.memory": "0"}, True),
        (
            "ResourceQuota",
            {"hard": {"limits.memory": "160Mi", "requests.memory": "32Mi"}},
            {"limits.memory": "96Mi", "requests.memory": "0"},
            True,
        ),
        ("ResourceQuota", {"hard": {"limits.memory": "256Mi"}}, {"limits.memory": "128Mi"}, False),
        ("ResourceQuota", {"hard": {"pods": "1"}}, {"pods": "1"}, None),
    ],
    ids=["container", "pod", "ratio", "quota", "two-quotas", "used-up", "pods"],
)
async def test_a_pod_that_is_too_large(
    control_plane: ApiHandle,
    new_namespace: Callable[[str], str],
    kind: str,
    spec: dict[str, Any],
    used: dict[str, str] | None,
    at_once: bool | None,
) -> None:
    """Refused at once, when the time to start is over (`at_once` is False), or for another reason (None)."""
    namespace = new_namespace("confined")
    confine(control_plane, namespace, kind, spec, used)
    manifest = pod("larger")
    manifest["spec"]["containers"][0]["resources"] = WANTED
    manifest["spec"]["automountServiceAccountToken"] = False
    async with connected(control_plane.kubeconfig, namespace) as cluster:
        with pytest.raises(ApiRefusal) as caught:
            await cluster.create_pod(namespace, manifest)
    assert caught.value.status == 403, caught.value
    seen = Refusal("larger", caught.value.status, caught.value.message, retry_at=NOW)
    early = refused(seen, LIMIT, now=NOW, end=NOW + timedelta(minutes=10))
    late = refused(seen, LIMIT, now=NOW, end=NOW)
    assert (early is not None, late is not None) == (at_once is True, at_once is not None), seen.message
    if late is not None:
        assert late.reason == Reason.MEMORY_NOT_ALLOWED
        assert caught.value.message in late.message
