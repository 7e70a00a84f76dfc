"""Contexts from ConfigMaps, volumes and registries: what is mounted where, and what the init container has to do."""

from typing import Any

import pytest

from imagebuild_operator.pod.plan import VARIABLE, Plan
from imagebuild_operator.pod.source_plans import ConfigMapPlan, OciPlan, SourceSecret, VolumePlan
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

CONTEXT = "/kaniko/ctx"
IMAGE = "registry.example.com/shop/web-context:1"
DIGEST = f"registry.example.com/shop/web-context@sha256:{'0' * 64}"
LOGINS: Json = {"secretRefs": [{"name": "push"}]}


def plan_of(pod: Json) -> Plan:
    known = variables(prepare_container(pod))
    return Plan.model_validate_json(expanded(known.pop(VARIABLE), known))


class TestConfigMaps:
    def test_items_are_mounted_one_by_one_without_an_init_container(self) -> None:
        items = [{"key": "docker", "path": "Dockerfile"}, {"key": "run.sh", "path": "bin/run", "mode": 0o755}]
        pod = pod_of(spec_of({"configMap": {"name": "site", "items": items}}))
        assert "initContainers" not in pod["spec"]
        assert volumes(pod)["config-map"]["configMap"] == {
            "name": "site",
            "defaultMode": 0o644,
            "items": [
                {"key": "docker", "path": "file-0", "mode": 0o644},
                {"key": "run.sh", "path": "file-1", "mode": 0o755},
            ],
        }
        found = {path: mount["subPath"] for path, mount in mounts(build_container(pod)).items()}
        assert found == {f"{CONTEXT}/Dockerfile": "file-0", f"{CONTEXT}/bin/run": "file-1"}

    def test_the_whole_is_copied_by_the_init_container(self) -> None:
        pod = pod_of(spec_of({"configMap": {"name": "site"}}))
        plan = plan_of(pod).source
        assert isinstance(plan, ConfigMapPlan)
        assert plan.name == "site"
        assert mounts(prepare_container(pod))[str(plan.folder)]["name"] == "config-map"
        assert volumes(pod)["config-map"]["configMap"] == {"name": "site", "defaultMode": 0o644}
        assert volumes(pod)["context"] == {"name": "context", "emptyDir": {}}
        # The executor would copy the links that it consists of.
        assert "config-map" not in {mount["name"] for mount in build_container(pod)["volumeMounts"]}


class TestVolumes:
    CLAIM: Json = {"persistentVolumeClaim": {"claimName": "data", "readOnly": True}}

    def test_a_whole_volume_needs_no_init_container(self) -> None:
        pod = pod_of(spec_of({"persistentVolumeClaim": {"claimName": "data"}}))
        assert "initContainers" not in pod["spec"]
        assert volumes(pod)["context"] == {"name": "context", **self.CLAIM}
        assert mounts(build_container(pod)) == {CONTEXT: {"name": "context", "mountPath": CONTEXT, "readOnly": True}}

    def test_of_a_folder_the_executor_gets_that_alone(self) -> None:
        """The init container looks first whether it is there: the kubelet would make it."""
        pod = pod_of(spec_of({"persistentVolumeClaim": {"claimName": "data"}, "subPath": "services/web"}))
        folder = f"{CONTEXT}/services/web"
        assert mounts(build_container(pod)) == {
            folder: {"name": "context", "mountPath": folder, "subPath": "services/web", "readOnly": True}
        }
        assert f"--context=dir://{folder}" in build_container(pod)["args"]
        assert mounts(prepare_container(pod))[CONTEXT] == {"name": "context", "mountPath": CONTEXT, "readOnly": True}
        plan = plan_of(pod)
        assert (plan.source, plan.sub_path) == (VolumePlan(claim="data"), "services/web")


class TestRegistries:
    @pytest.mark.parametrize("image_volumes", [False, True])
    def test_an_artifact_is_always_fetched(self, image_volumes: bool) -> None:
        pod = pod_of(spec_of({"oci": {"artifact": IMAGE}}), image_volumes=image_volumes)
        assert plan_of(pod).source == OciPlan(reference=IMAGE, artifact=True)
        assert volumes(pod)["context"] == {"name": "context", "emptyDir": {}}

    def test_an_image_is_fetched_where_nodes_mount_none(self) -> None:
        pod = pod_of(spec_of({"oci": {"image": IMAGE, "secretRef": {"name": "pull"}}}))
        plan = plan_of(pod).source
        assert isinstance(plan, OciPlan)
        assert (plan.reference, plan.artifact) == (IMAGE, False)
        assert isinstance(plan.login, SourceSecret)
        assert plan.login.secret == "pull"
        assert mounts(prepare_container(pod))[str(plan.login.folder)]["name"] == "oci-login"
        assert volumes(pod)["oci-login"]["secret"] == {
            "secretName": "pull",
            "defaultMode": 0o400,
            "items": [{"key": ".dockerconfigjson", "path": ".dockerconfigjson"}],
        }
        assert "oci-login" not in {mount["name"] for mount in build_container(pod)["volumeMounts"]}
        assert "imagePullSecrets" not in pod["spec"]

    @pytest.mark.parametrize(
        ("reference", "insecure", "expected"),
        [
            ("registry.local:5000/web:1", ["registry.local:5000"], True),
            ("Registry.local:5000/web:1", ["registry.LOCAL:5000"], True),
            ("registry.local/web:1", ["registry.local:5000"], False),
            ("shop/web:1", ["docker.io"], True),
            ("shop/web:1", [], False),
        ],
    )
    def test_plain_http_is_for_hosts_that_the_spec_names(
        self, reference: str, insecure: list[str], expected: bool
    ) -> None:
        plan = plan_of(pod_of(spec_of({"oci": {"image": reference}}, registries={"insecure": insecure}))).source
        assert isinstance(plan, OciPlan)
        assert plan.insecure == expected

    @pytest.mark.parametrize(("image", "policy"), [(IMAGE, "Always"), (DIGEST, "IfNotPresent")])
    def test_an_image_is_mounted_where_nodes_can(self, image: str, policy: str) -> None:
        pod = pod_of(spec_of({"oci": {"image": image}, "subPath": "web"}), image_volumes=True)
        assert "initContainers" not in pod["spec"]
        assert volumes(pod)["context"] == {"name": "context", "image": {"reference": image, "pullPolicy": policy}}
        assert mounts(build_container(pod)) == {CONTEXT: {"name": "context", "mountPath": CONTEXT, "readOnly": True}}
        assert f"--context=dir://{CONTEXT}/web" in build_container(pod)["args"]

    @pytest.mark.parametrize(
        ("members", "own", "expected"),
        [
            ({}, {"secretRef": {"name": "pull"}}, ["pull"]),
            ({"podTemplate": {"imagePullSecrets": [{"name": "x"}, {"name": "y"}]}}, {"secretRef": {"name": "y"}}, "xy"),
            ({"podTemplate": {"imagePullSecrets": [{"name": "x"}]}}, {"secretRef": {"name": "y"}}, "xy"),
            ({"registries": LOGINS}, {}, ["push"]),
            ({"registries": LOGINS}, {"secretRef": {"name": "pull"}}, ["pull"]),
        ],
    )
    def test_the_node_pulls_it_with_the_same_logins(self, members: Json, own: Json, expected: Any) -> None:
        pod = pod_of(spec_of({"oci": {"image": IMAGE, **own}}, **members), image_volumes=True)
        assert [secret["name"] for secret in pod["spec"]["imagePullSecrets"]] == list(expected)

    def test_logins_that_no_node_can_read_are_left_out(self) -> None:
        secrets = [
            {"name": "basic", "type": "BasicAuth", "registry": "registry.example.com"},
            {"name": "old", "type": "DockerConfig"},
        ]
        pod = pod_of(spec_of({"oci": {"image": IMAGE}}, registries={"secretRefs": secrets}), image_volumes=True)
        assert pod["spec"]["imagePullSecrets"] == [{"name": "old"}]
