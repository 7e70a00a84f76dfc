"""Logins for registries in the Pod: which Secrets are merged, with what in mind, and the helpers of cloud vendors."""

from typing import Any

import pytest

from imagebuild_operator.api.names import RegistrySecretType
from imagebuild_operator.pod.plan import VARIABLE, LoginsPlan, Plan
from tests.unit.pod.specs import (
    GIT,
    IMAGE,
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

BASIC_AUTH: Json = {"name": "robot", "type": "BasicAuth", "registry": "registry.example.com:5000"}
OLD: Json = {"name": "old", "type": "DockerConfig"}
# The type that counts where none is written.
WRITTEN: Json = {"name": "new", "type": "DockerConfigJSON"}
ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/web:1"


def logins_of(source: Json = INLINE, **members: Any) -> LoginsPlan:
    container = prepare_container(pod_of(spec_of(source, **members)))
    plan = Plan.model_validate_json(expanded(variables(container)[VARIABLE], {"HOME": "/prepare/scratch"}))
    assert plan.logins is not None
    return plan.logins


def registries_of(*secrets: Json, **members: Any) -> Json:
    return {"secretRefs": list(secrets), **members}


@pytest.mark.parametrize(
    ("secret", "keys"),
    [
        ({"name": "new"}, [".dockerconfigjson"]),
        (WRITTEN, [".dockerconfigjson"]),
        (OLD, [".dockercfg"]),
        (BASIC_AUTH, ["username", "password"]),
    ],
)
def test_each_form_is_mounted_with_the_keys_it_must_have(secret: Json, keys: list[str]) -> None:
    """The kubelet waits for a key that is named."""
    registries = registries_of(secret, {"name": "another"})
    pod = pod_of(spec_of(registries=registries))
    assert volumes(pod)["registry-0"]["secret"] == {
        "secretName": secret["name"],
        "defaultMode": 0o400,
        "items": [{"key": key, "path": key} for key in keys],
    }
    first = logins_of(registries=registries).secrets[0]
    assert (first.secret, first.type) == (secret["name"], secret.get("type", RegistrySecretType.DOCKER_CONFIG_JSON))
    assert first.registry == secret.get("registry")
    assert mounts(prepare_container(pod))[str(first.folder)]["name"] == "registry-0"
    assert "registry-0" not in {mount["name"] for mount in build_container(pod)["volumeMounts"]}


@pytest.mark.parametrize("secret", [OLD, BASIC_AUTH, WRITTEN])
def test_a_secret_whose_type_is_written_is_merged_also_when_alone(secret: Json) -> None:
    pod = pod_of(spec_of(registries=registries_of(secret)))
    assert volumes(pod)["registry-logins"]["emptyDir"] == {"medium": "Memory"}
    assert len(pod["spec"]["initContainers"]) == 1
    plan = logins_of(registries=registries_of(secret))
    assert [(each.secret, each.type) for each in plan.secrets] == [(secret["name"], secret["type"])]


def test_the_executor_is_given_the_merged_logins_and_not_the_secret() -> None:
    pod = pod_of(spec_of(registries=registries_of(WRITTEN)))
    secrets = {name for name, volume in volumes(pod).items() if "secret" in volume}
    assert secrets == {"registry-0"}
    mounted = mounts(build_container(pod))
    assert mounted["/kaniko/.docker"]["name"] == "registry-logins"
    assert not secrets & {mount["name"] for mount in mounted.values()}


def test_the_logins_that_fit_what_the_spec_names_are_preferred() -> None:
    mirror = {"registry": "docker.io", "endpoints": ["mirror.example.com/hub", "other.example.com"]}
    plan = logins_of(
        GIT,
        output={"images": [IMAGE, "acme/web:$(run)"]},
        cache={"repository": "registry.example.com/cache"},
        registries=registries_of({"name": "a"}, mirrors=[mirror]),
    )
    assert plan.repositories == (IMAGE, "acme/web:3", "registry.example.com/cache")
    assert plan.mirrors == ("mirror.example.com/hub", "other.example.com")


def test_base_images_are_read_from_the_dockerfile_once_it_is_there() -> None:
    plan = logins_of(
        {**GIT, "subPath": "services/web"}, dockerfile="docker/Dockerfile.prod", registries=registries_of(OLD)
    )
    assert str(plan.dockerfile) == "/kaniko/ctx/services/web/docker/Dockerfile.prod"
    assert not plan.complete


@pytest.mark.parametrize(
    ("content", "found", "complete"),
    [
        ("FROM base.example.com/python:3\nRUN true\n", ("base.example.com/python:3",), True),
        ("FROM $BASE\n", (), False),
        ("FROM scratch AS base.example.com/x\n", ("scratch",), True),
    ],
)
def test_an_inline_dockerfile_is_read_at_once(content: str, found: tuple[str, ...], complete: bool) -> None:
    files = [{"path": "Dockerfile", "content": "FROM other.example.com/x\n"}, {"path": "a/b", "content": content}]
    plan = logins_of({"inline": {"files": files}, "subPath": "a"}, dockerfile="b", registries=registries_of(OLD))
    assert (plan.repositories, plan.complete, plan.dockerfile) == ((IMAGE, *found), complete, None)


def test_an_inline_source_without_its_dockerfile_names_nothing() -> None:
    assert not logins_of(dockerfile="elsewhere", registries=registries_of(OLD)).complete


# Cloud vendors


def helpers(variant: str | None, cloud: list[str] | None) -> list[str]:
    executor = {"variant": variant} if variant else {"image": "registry.example.com/kaniko:latest"}
    registries = {} if cloud is None else {"cloud": cloud}
    container = build_container(pod_of(spec_of(executor=executor, registries=registries)))
    return [argument for argument in container["args"] if argument.startswith("--credential-helpers")]


@pytest.mark.parametrize(
    ("cloud", "arguments"),
    [
        (None, ["--credential-helpers="]),
        (["google"], ["--credential-helpers=google"]),
        # Each by itself: the executor takes a list with commas for one unknown name.
        (["acr", "ecr"], ["--credential-helpers=acr", "--credential-helpers=ecr"]),
    ],
)
def test_the_maintained_executor_is_told_which_helpers_to_use(cloud: list[str] | None, arguments: list[str]) -> None:
    assert helpers("osscontainertools", cloud) == arguments


@pytest.mark.parametrize("variant", ["chainguard", "google", None])
@pytest.mark.parametrize("cloud", [None, ["google", "ecr", "acr"]])
def test_the_others_have_no_such_flag_and_their_helpers_are_always_on(
    variant: str | None, cloud: list[str] | None
) -> None:
    assert helpers(variant, cloud) == []


@pytest.mark.parametrize("variant", ["osscontainertools", "chainguard", "google"])
def test_workload_identity(variant: str) -> None:
    """The cluster puts the identity into the Pod by its ServiceAccount; nothing of ours stands in its way."""
    spec = spec_of(
        executor={"variant": variant},
        output={"images": [ECR]},
        registries={"cloud": ["google", "ecr", "acr"]},
        podTemplate={"serviceAccountName": "pusher", "labels": {"azure.workload.identity/use": "true"}},
    )
    pod = pod_of(spec)
    assert pod["spec"]["serviceAccountName"] == "pusher"
    assert "automountServiceAccountToken" not in pod["spec"]
    assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    environment = variables(build_container(pod))
    # A folder without config.json: the executor goes on to its helpers (go-containerregistry, pkg/authn/keychain.go).
    assert environment["DOCKER_CONFIG"] == "/kaniko/.docker"
    assert "/kaniko/.docker" not in mounts(build_container(pod))
    assert environment["AWS_SDK_LOAD_CONFIG"] == "true"
    # Otherwise the token is kept in /root/.ecr, where a later step may pick it up.
    assert environment["AWS_ECR_DISABLE_CACHE"] == "true"
    assert not {name for name in environment if name.startswith(("AWS_ROLE", "AWS_WEB", "AZURE_", "GOOGLE_"))}


@pytest.mark.parametrize("cloud", [["google"], ["acr"], ["google", "acr"]])
def test_amazons_own_variable_is_there_for_amazon_alone(cloud: list[str]) -> None:
    assert "AWS_SDK_LOAD_CONFIG" not in variables(build_container(pod_of(spec_of(registries={"cloud": cloud}))))


@pytest.mark.parametrize("variant", ["osscontainertools", "chainguard", "google", None])
def test_the_pod_says_which_vendors_it_was_made_for_whatever_its_executor(variant: str | None) -> None:
    executor = {"variant": variant} if variant else {"image": "registry.example.com/kaniko:latest"}
    pod = pod_of(spec_of(executor=executor, registries={"cloud": ["ecr", "google"]}))
    assert pod["metadata"]["annotations"]["imagebuild.dev/cloud"] == "ecr,google"
    without = pod_of(spec_of(executor=executor, registries={}))
    assert "imagebuild.dev/cloud" not in without["metadata"]["annotations"]


def test_logins_and_helpers_go_together() -> None:
    pod = pod_of(spec_of(registries=registries_of({"name": "push"}, cloud=["ecr"])))
    assert mounts(build_container(pod))["/kaniko/.docker"]["name"] == "registry-logins"
    assert "--credential-helpers=ecr" in build_container(pod)["args"]
