"""Archives in object stores: what the init container gets, and who else does not."""

from typing import Any

import pytest

from imagebuild_operator.pod.plan import VARIABLE, Plan
from imagebuild_operator.pod.source_plans import AzureBlobPlan, GcsPlan, S3Plan
from tests.unit.pod.specs import (
    Json,
    build_container,
    expanded,
    mounts,
    pod_of,
    prepare_container,
    spec_of,
    variables,
    volumes,
)

S3: Json = {"bucket": "contexts", "key": "web $(HOME).tar.gz"}
GCS: Json = {"bucket": "contexts", "key": "web.tar.gz"}
AZURE: Json = {"url": "https://shop.blob.core.windows.net/contexts/web.tar.gz"}
ALL = [("s3", S3), ("gcs", GCS), ("azureBlob", AZURE)]


def plan_of(pod: Json) -> Plan:
    known = variables(prepare_container(pod))
    return Plan.model_validate_json(expanded(known.pop(VARIABLE), known))


@pytest.mark.parametrize(("kind", "source"), ALL)
def test_keys_are_mounted_for_the_init_container_alone(kind: str, source: Json) -> None:
    pod = pod_of(spec_of({kind: {**source, "secretRef": {"name": "store-keys"}}}))
    plan = plan_of(pod).source
    assert isinstance(plan, S3Plan | GcsPlan | AzureBlobPlan)
    assert plan.keys is not None
    assert plan.keys.secret == "store-keys"
    mount = mounts(prepare_container(pod))[str(plan.keys.folder)]
    assert mount["readOnly"]
    assert volumes(pod)[mount["name"]]["secret"] == {"secretName": "store-keys", "defaultMode": 0o400}
    assert {each["name"] for each in build_container(pod)["volumeMounts"]} == {"context"}
    assert mounts(prepare_container(pod))["/kaniko/ctx"] == {"name": "context", "mountPath": "/kaniko/ctx"}


@pytest.mark.parametrize(("kind", "source"), ALL)
def test_without_a_secret_the_pods_identity_is_left_as_the_webhooks_make_it(kind: str, source: Json) -> None:
    """They add variables and a token's volume where the service account has a role, to init containers, too.

    Amazon's is told off by an annotation that lists containers, Azure's needs a label of the Pod.
    """
    template = {"serviceAccountName": "builder", "labels": {"azure.workload.identity/use": "true"}}
    pod = pod_of(spec_of({kind: source}, podTemplate=template))
    assert pod["spec"]["serviceAccountName"] == "builder"
    assert "automountServiceAccountToken" not in pod["spec"]
    assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    plan = plan_of(pod).source
    assert isinstance(plan, S3Plan | GcsPlan | AzureBlobPlan)
    assert plan.keys is None
    assert set(volumes(pod)) == {"context", "scratch"}
    ours = variables(prepare_container(pod))
    assert not [name for name in ours if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]


@pytest.mark.parametrize(
    ("source", "plan", "address"),
    [
        ({"s3": S3}, S3Plan(**S3), "s3://contexts/web $(HOME).tar.gz"),
        (
            {"s3": {**GCS, "endpoint": "https://minio.example.com", "region": "eu-central-1"}},
            S3Plan(**GCS, endpoint="https://minio.example.com", region="eu-central-1"),
            "https://minio.example.com/contexts/web.tar.gz",
        ),
        ({"gcs": GCS}, GcsPlan(**GCS), "gs://contexts/web.tar.gz"),
        ({"azureBlob": AZURE}, AzureBlobPlan(**AZURE), "https://shop.blob.core.windows.net/contexts/web.tar.gz"),
    ],
)
def test_the_plan_names_the_object(source: Json, plan: Any, address: str) -> None:
    found = plan_of(pod_of(spec_of({**source, "subPath": "web"})))
    assert found.source == plan
    assert found.source is not None
    assert found.source.address == address
    assert found.sub_path == "web"
