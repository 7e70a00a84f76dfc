"""The document of a build Pod."""

import re
from typing import Any

import pytest

from imagebuild_operator.api import names
from imagebuild_operator.pod.manifest import pod_name
from imagebuild_operator.pod.plan import VARIABLE, Plan
from imagebuild_operator.pod.source_plans import GitPlan
from tests.unit.pod.specs import (
    BUILD,
    GIT,
    INLINE,
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

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
CA = {"configMapRef": {"name": "company-ca", "key": "ca.crt"}}
GIT_WITH_LOGIN: Json = {"git": {"url": "https://git.example.com/acme/web.git", "secretRef": {"name": "git-login"}}}

# Pod Security Standards, level baseline, as of Kubernetes 1.34: what a container may add.
BASELINE_CAPABILITIES = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}


def plan_of(pod: Json) -> Plan:
    text = variables(prepare_container(pod))[VARIABLE]
    return Plan.model_validate_json(expanded(text, {"HOME": "/prepare/scratch"}))


def secrets_of(*secrets: str) -> Json:
    return {"secretRefs": [{"name": name} for name in secrets]}


# Names


@pytest.mark.parametrize("name", ["web", "a" * 63, "shop.web.v2", "x" + "-" * 61 + "x", "a." * 31 + "b", "1"])
@pytest.mark.parametrize(("run", "attempt"), [(1, 1), (123456789, 42)])
def test_a_pod_name_is_a_label(name: str, run: int, attempt: int) -> None:
    found = pod_name(name, "uid", run, attempt)
    assert LABEL.fullmatch(found)
    assert f"-{run}-{attempt}-" in found
    assert found.startswith(name[:1])


def test_a_pod_name_belongs_to_one_attempt() -> None:
    attempts = [("u1", 1, 1), ("u1", 1, 2), ("u1", 2, 1), ("u2", 1, 1), ("u1", 11, 1), ("u1", 1, 11)]
    assert len({pod_name("web", *attempt) for attempt in attempts}) == len(attempts)
    assert pod_name("web", "u1", 1, 1) == pod_name("web", "u1", 1, 1)
    long = "a" * 63
    assert pod_name(long, "u1", 1, 1) != pod_name(long, "u2", 1, 1)


# The Pod


def test_whose_it_is_and_which_attempt() -> None:
    metadata = pod_of(spec_of(), run=3, attempt=2)["metadata"]
    assert metadata["name"] == pod_name("web", "7d9f", 3, 2)
    assert metadata["namespace"] == "shop"
    assert metadata["labels"] == {
        "app.kubernetes.io/managed-by": "imagebuild-operator",
        "imagebuild.dev/build": "web",
        "imagebuild.dev/run": "3",
        "imagebuild.dev/attempt": "2",
    }
    assert metadata["annotations"]["imagebuild.dev/run"] == "3"
    assert metadata["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "imagebuild.dev/v1alpha1",
            "kind": "ImageBuild",
            "name": "web",
            "uid": BUILD.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
    ]


def test_it_is_in_the_group_that_the_attempt_was_let_into_whatever_the_spec_says() -> None:
    spec = spec_of(concurrencyGroup="edited")
    assert pod_of(spec, group="web")["metadata"]["labels"]["imagebuild.dev/concurrency-group"] == "web"
    assert "imagebuild.dev/concurrency-group" not in pod_of(spec)["metadata"]["labels"]


def test_what_holds_for_every_pod() -> None:
    spec = pod_of(spec_of(), deadline=1234)["spec"]
    assert spec["restartPolicy"] == "Never"
    assert spec["activeDeadlineSeconds"] == 1234
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["os"] == {"name": "linux"}
    assert "hostUsers" not in spec


def test_a_deadline_that_has_passed_is_still_a_valid_one() -> None:
    assert pod_of(spec_of(), deadline=0)["spec"]["activeDeadlineSeconds"] == 1


def test_the_executor() -> None:
    container = build_container(pod_of(spec_of()))
    assert container["name"] == names.CONTAINER_BUILD
    assert container["image"] == "ghcr.io/osscontainertools/kaniko:v1.28.3"
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert variables(container) == {
        "container": "kube",
        "DOCKER_CONFIG": "/kaniko/.docker",
        "AWS_ECR_DISABLE_CACHE": "true",
        "GOMEMLIMIT": "819MiB",
    }
    assert "--digest-file=/dev/termination-log" in container["args"]
    assert "command" not in container


def test_the_executor_of_the_users_choice() -> None:
    spec = spec_of(executor={"image": "r.example.com/kaniko:v1.25.16"}, resources={"limits": {"memory": "1Gi"}})
    container = build_container(pod_of(spec))
    assert container["image"] == "r.example.com/kaniko:v1.25.16"
    assert container["resources"]["limits"] == {"memory": "1Gi", "ephemeral-storage": "10Gi"}
    assert variables(container)["GOMEMLIMIT"] == "409MiB"


def test_the_users_pod_template() -> None:
    affinity: Json = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}
    template: Json = {
        "labels": {"kueue.x-k8s.io/queue-name": "builds"},
        "annotations": {"example.com/note": "x", names.ANNOTATION_SAFE_TO_EVICT: "true"},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "builds", "operator": "Exists"}],
        "affinity": affinity,
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}],
        "serviceAccountName": "builder",
        "priorityClassName": "low",
        "runtimeClassName": "gvisor",
        "schedulerName": "mine",
        "imagePullSecrets": [{"name": "pull"}],
        "hostUsers": True,
    }
    pod = pod_of(spec_of(podTemplate=template), host_users=False)
    taken = {key: value for key, value in template.items() if key not in ("labels", "annotations")}
    assert pod["spec"].items() >= taken.items()
    assert "labels" not in pod["spec"]
    assert "annotations" not in pod["spec"]
    assert "automountServiceAccountToken" not in pod["spec"]
    assert pod["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "builds"
    assert pod["metadata"]["annotations"]["example.com/note"] == "x"
    assert pod["metadata"]["annotations"][names.ANNOTATION_SAFE_TO_EVICT] == "true"


def test_the_users_labels_never_hide_the_pod() -> None:
    """An object stored before the schema refused them."""
    ours = {names.LABEL_MANAGED_BY: "x", names.LABEL_BUILD: "x", names.LABEL_RUN: "x", names.LABEL_ATTEMPT: "x"}
    template = {"labels": ours, "annotations": {names.ANNOTATION_RUN: "x"}}
    metadata = pod_of(spec_of(podTemplate=template))["metadata"]
    assert "x" not in metadata["labels"].values()
    assert metadata["annotations"][names.ANNOTATION_RUN] == "3"


@pytest.mark.parametrize(
    ("asked", "setting", "found"),
    [(None, None, None), (None, False, False), (False, None, False), (True, False, True), (False, True, False)],
)
def test_user_namespaces(asked: bool | None, setting: bool | None, found: bool | None) -> None:
    template = {} if asked is None else {"hostUsers": asked}
    pod = pod_of(spec_of(podTemplate=template), host_users=setting)
    assert pod["spec"].get("hostUsers") is found


# Sources


def test_inline_files_are_mounted_one_by_one_from_annotations() -> None:
    files = [{"path": "Dockerfile", "content": "FROM scratch\n"}, {"path": "bin/run.sh", "content": "", "mode": 0o755}]
    pod = pod_of(spec_of({"inline": {"files": files}, "subPath": "bin"}))
    annotations = pod["metadata"]["annotations"]
    assert annotations["imagebuild.dev/file-0"] == "FROM scratch\n"
    assert annotations["imagebuild.dev/file-1"] == ""
    items = volumes(pod)["inline"]["downwardAPI"]["items"]
    assert [(item["path"], item["mode"], item["fieldRef"]["fieldPath"]) for item in items] == [
        ("file-0", 0o644, "metadata.annotations['imagebuild.dev/file-0']"),
        ("file-1", 0o755, "metadata.annotations['imagebuild.dev/file-1']"),
    ]
    found = mounts(build_container(pod))
    assert {path: mount["subPath"] for path, mount in found.items()} == {
        "/kaniko/ctx/Dockerfile": "file-0",
        "/kaniko/ctx/bin/run.sh": "file-1",
    }
    assert "initContainers" not in pod["spec"]


def test_a_file_without_any_permission_keeps_it() -> None:
    files = [{"path": "Dockerfile", "content": "", "mode": 0}]
    pod = pod_of(spec_of({"inline": {"files": files}}))
    assert volumes(pod)["inline"]["downwardAPI"]["items"][0]["mode"] == 0


def test_git_is_fetched_by_the_init_container() -> None:
    pod = pod_of(spec_of({**GIT, "subPath": "services/web"}))
    container = prepare_container(pod)
    assert container["name"] == names.CONTAINER_PREPARE
    assert container["image"] == "registry.example.com/imagebuild-operator:1"
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["command"] == ["python3", "-m", "imagebuild_operator.prepare"]
    assert container["resources"]["limits"]["memory"] == "256Mi"
    plan = plan_of(pod)
    assert isinstance(plan.source, GitPlan)
    assert (plan.source.url, plan.source.revision, plan.source.login) == (
        "https://git.example.com/acme/web.git",
        "main",
        None,
    )
    assert plan.sub_path == "services/web"
    assert str(plan.context) == "/kaniko/ctx"
    for path, writable in (("/kaniko/ctx", True), (str(plan.scratch), True)):
        assert ("readOnly" not in mounts(container)[path]) == writable
    assert mounts(build_container(pod))["/kaniko/ctx"] == {
        "name": "context",
        "mountPath": "/kaniko/ctx",
        "readOnly": True,
    }
    assert volumes(pod)["context"] == {"name": "context", "emptyDir": {}}


def test_the_git_login_reaches_the_init_container_only() -> None:
    pod = pod_of(spec_of(GIT_WITH_LOGIN))
    plan = plan_of(pod)
    assert isinstance(plan.source, GitPlan)
    assert plan.source.login is not None
    assert plan.source.login.secret == "git-login"
    assert mounts(prepare_container(pod))[str(plan.source.login.folder)]["name"] == "git-login"
    assert "git-login" not in {mount["name"] for mount in build_container(pod)["volumeMounts"]}
    # The whole Secret: which of its keys is missing is told by the init container.
    assert volumes(pod)["git-login"]["secret"] == {"secretName": "git-login", "defaultMode": 0o400}


@pytest.mark.parametrize("member", ["submodules", "lfs"])
@pytest.mark.parametrize("value", [None, False, True])
def test_what_git_fetches_besides(member: str, value: bool | None) -> None:
    git = GIT["git"] if value is None else {**GIT["git"], member: value}
    plan = plan_of(pod_of(spec_of({"git": git})))
    assert isinstance(plan.source, GitPlan)
    found = {"submodules": plan.source.submodules, "lfs": plan.source.lfs}
    assert found == {"submodules": False, "lfs": False} | {member: value is True}


def test_the_plan_survives_the_kubelet() -> None:
    url = "https://git.example.com/$(HOME)/$$/web.git"
    plan = plan_of(pod_of(spec_of({"git": {"url": url}})))
    assert isinstance(plan.source, GitPlan)
    assert plan.source.url == url


# Registries


def test_one_secret_is_projected_as_it_is() -> None:
    pod = pod_of(spec_of(INLINE, registries=secrets_of("push")))
    assert "initContainers" not in pod["spec"]
    assert mounts(build_container(pod))["/kaniko/.docker"] == {
        "name": "registry-logins",
        "mountPath": "/kaniko/.docker",
        "readOnly": True,
    }
    assert volumes(pod)["registry-logins"]["secret"] == {
        "secretName": "push",
        "defaultMode": 0o400,
        "items": [{"key": ".dockerconfigjson", "path": "config.json"}],
    }


@pytest.mark.parametrize(
    ("source", "registries"),
    [(INLINE, secrets_of("pull", "push")), (GIT, secrets_of("pull")), (INLINE, {**secrets_of("pull"), "caBundle": CA})],
)
def test_everything_else_is_merged_in_memory(source: Json, registries: Json) -> None:
    pod = pod_of(spec_of(source, registries=registries))
    logins = plan_of(pod).logins
    assert logins is not None
    assert [entry.secret for entry in logins.secrets] == [entry["name"] for entry in registries["secretRefs"]]
    found = mounts(prepare_container(pod))
    for entry in logins.secrets:
        volume = volumes(pod)[found[str(entry.folder)]["name"]]
        assert volume["secret"]["secretName"] == entry.secret
        assert volume["secret"]["items"] == [{"key": ".dockerconfigjson", "path": ".dockerconfigjson"}]
    target = found[str(logins.target.parent)]
    assert "readOnly" not in target
    assert volumes(pod)[target["name"]]["emptyDir"] == {"medium": "Memory"}
    assert mounts(build_container(pod))["/kaniko/.docker"]["name"] == target["name"]
    assert logins.target.name == "config.json"


def test_a_missing_object_or_key_keeps_the_pod_waiting() -> None:
    pod = pod_of(spec_of(GIT_WITH_LOGIN, registries={**secrets_of("a", "b"), "caBundle": CA}))
    sources = [volume.get("secret") or volume.get("configMap") for volume in pod["spec"]["volumes"]]
    found = [source for source in sources if source]
    assert len(found) == 4
    assert not any("optional" in source for source in found)


@pytest.mark.parametrize(
    ("bundle", "kind", "source"),
    [
        (CA, "ConfigMap", ("configMap", "name")),
        ({"secretRef": {"name": "company-ca", "key": "ca.crt"}}, "Secret", ("secret", "secretName")),
    ],
)
def test_the_ca_is_checked_and_stands_beside_the_executors_own(
    bundle: Json, kind: str, source: tuple[str, str]
) -> None:
    pod = pod_of(spec_of(INLINE, registries={"caBundle": bundle}))
    part = plan_of(pod).certificates
    assert part is not None
    assert part.origin == f"{kind} company-ca, key ca.crt"
    found = mounts(prepare_container(pod))
    volume = volumes(pod)[found[str(part.file.parent)]["name"]][source[0]]
    assert volume[source[1]] == "company-ca"
    assert volume["items"] == [{"key": "ca.crt", "path": part.file.name}]
    mount = mounts(build_container(pod))["/kaniko/ssl/certs/imagebuild-ca.crt"]
    assert mount["subPath"] == part.target.name
    assert mount["name"] == found[str(part.target.parent)]["name"]
    assert "/kaniko/ssl/certs" not in mounts(build_container(pod))
    assert variables(build_container(pod))["SSL_CERT_DIR"] == "/kaniko/ssl/certs"


# Pod Security


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"registries": {**secrets_of("a", "b"), "caBundle": CA}},
        {"podTemplate": {"hostUsers": False, "serviceAccountName": "builder"}},
        {
            "secrets": [{"id": "npm", "secretKeyRef": {"name": "npm", "key": "token"}}],
            "cache": {"baseImages": {"persistentVolumeClaim": {"claimName": "base-images"}}},
        },
    ],
)
@pytest.mark.parametrize("source", [INLINE, GIT, GIT_WITH_LOGIN])
def test_the_level_baseline_admits_every_pod(source: Json, members: dict[str, Any]) -> None:
    spec = pod_of(spec_of(source, **members))["spec"]
    assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    allowed = {"emptyDir", "secret", "configMap", "downwardAPI", "projected", "persistentVolumeClaim"}
    assert all((volume.keys() - {"name"}) <= allowed for volume in spec["volumes"])
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        context = container["securityContext"]
        assert not context.keys() & {"privileged", "procMount", "seccompProfile", "seLinuxOptions", "appArmorProfile"}
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"]["drop"] == ["ALL"]
        assert set(context["capabilities"].get("add", [])) <= BASELINE_CAPABILITIES
        assert "ports" not in container
        assert "lifecycle" not in container


def test_the_init_container_has_no_powers() -> None:
    context = prepare_container(pod_of(spec_of(GIT)))["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["readOnlyRootFilesystem"] is True
    assert context["runAsUser"] == 0


def test_the_executor_has_what_images_need() -> None:
    added = build_container(pod_of(spec_of()))["securityContext"]["capabilities"]["add"]
    assert set(added) == {"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID", "SETFCAP", "KILL"}
