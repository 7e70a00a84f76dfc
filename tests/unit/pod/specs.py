"""Specs and settings to build Pods from."""

from typing import Any

from imagebuild_operator.api.v1alpha1 import ImageBuildSpec, Resources
from imagebuild_operator.pod.manifest import build_pod, pod_name
from imagebuild_operator.pod.settings import AttemptIdentity, BuildIdentity, PodSettings

Json = dict[str, Any]

IMAGE = "registry.example.com/shop/web:1.4.2"
GIT: Json = {"git": {"url": "https://git.example.com/acme/web.git", "revision": "main"}}
INLINE: Json = {"inline": {"files": [{"path": "Dockerfile", "content": "FROM scratch\n"}]}}
# Every field that becomes an argument, but for those that would take another one away.
EVERY_OPTION: Json = {
    "target": "runtime",
    "buildArgs": [{"name": "VERSION", "value": "1"}],
    "secrets": [{"id": "npm", "secretKeyRef": {"name": "npm", "key": "token"}}],
    "output": {
        "images": [IMAGE],
        "labels": {"team": "shop"},
        "annotations": {"team": "shop"},
        "compression": "zstd",
        "reproducible": True,
        "skipPushCheck": True,
    },
    "registries": {
        "mirrors": [{"registry": "quay.io", "endpoints": ["mirror.example.com"], "fallback": False}],
        "insecure": ["registry.local:5000"],
    },
    "cache": {
        "repository": "r.example.com/cache",
        "ttl": "24h",
        "copyLayers": True,
        "runLayers": True,
        "baseImages": {"persistentVolumeClaim": {"claimName": "base-images"}},
    },
}
BUILD = BuildIdentity(name="web", namespace="shop", uid="7d9f")


def spec_of(source: Json = INLINE, **members: Any) -> ImageBuildSpec:
    return ImageBuildSpec.model_validate({"source": source, "output": {"images": [IMAGE]}, **members})


def settings_of(**changes: Any) -> PodSettings:
    members: Json = {
        "operator_image": "registry.example.com/imagebuild-operator:1",
        "operator_image_pull_policy": "IfNotPresent",
        "executor_image": "ghcr.io/osscontainertools/kaniko:v1.28.3",
        "executor_variant": "osscontainertools",
        "resources": Resources(
            requests={"cpu": "250m", "memory": "512Mi"}, limits={"memory": "2Gi", "ephemeral-storage": "10Gi"}
        ),
        "source_resources": Resources(
            requests={"cpu": "50m", "memory": "64Mi"}, limits={"memory": "256Mi", "ephemeral-storage": "10Gi"}
        ),
        "host_users": None,
    }
    return PodSettings(**{**members, **changes})


def pod_of(
    spec: ImageBuildSpec,
    *,
    run: int = 3,
    attempt: int = 1,
    generation: int = 5,
    group: str = "",
    deadline: int = 3600,
    **settings: Any,
) -> Json:
    return build_pod(
        build=BUILD,
        attempt=AttemptIdentity(run, attempt, pod_name(BUILD.name, BUILD.uid, run, attempt), generation, group),
        spec=spec,
        settings=settings_of(**settings),
        deadline_seconds=deadline,
    )


def build_container(pod: Json) -> Json:
    (container,) = pod["spec"]["containers"]
    return dict(container)


def prepare_container(pod: Json) -> Json:
    (container,) = pod["spec"]["initContainers"]
    return dict(container)


def variables(container: Json) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def mounts(container: Json) -> dict[str, Json]:
    return {entry["mountPath"]: entry for entry in container["volumeMounts"]}


def volumes(pod: Json) -> dict[str, Json]:
    return {entry["name"]: entry for entry in pod["spec"]["volumes"]}


def expanded(text: str, known: dict[str, str]) -> str:
    """What the kubelet makes of an argument or a variable (Kubernetes, third_party/forked/golang/expansion)."""
    result, position = "", 0
    while position < len(text):
        if text[position] != "$" or position + 1 == len(text):
            result += text[position]
            position += 1
        elif text[position + 1] == "$":
            result += "$"
            position += 2
        elif text[position + 1] == "(" and ")" in text[position:]:
            end = text.index(")", position)
            name = text[position + 2 : end]
            result += known.get(name, f"$({name})")
            position = end + 1
        else:
            result += text[position : position + 2]
            position += 2
    return result
