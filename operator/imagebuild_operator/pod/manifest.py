"""From an ImageBuild to the document of its Pod.

At most two containers: the executor, and an init container that fetches and checks what has to be prepared. Admitted
under Pod Security `baseline`: never privileged, no host path, capabilities from its list only.
"""

import hashlib
import re
from typing import Any, Final

from imagebuild_operator.api import names
from imagebuild_operator.api.v1alpha1 import ImageBuildSpec, PodTemplate
from imagebuild_operator.pod.arguments import TERMINATION_LOG, arguments, executor_of
from imagebuild_operator.pod.resources import go_memory_limit, merged
from imagebuild_operator.pod.settings import AttemptIdentity, BuildIdentity, PodSettings
from imagebuild_operator.pod.volumes import DOCKER_CONFIG, PLAN, Parts, parts_of, plan_text

JSON = dict[str, Any]

POD_NAME_LENGTH: Final = 63
# What unpacking a base image and running its steps needs: owners, modes, set-id bits, file capabilities, other users,
# and ending what a step left behind. Without FSETID nothing fails, but setgid bits are lost.
CAPABILITIES: Final = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID", "SETFCAP", "KILL")


def pod_name(name: str, uid: str, run: int, attempt: int) -> str:
    """The one name of an attempt's Pod: the build's name, run, attempt, and a hash of all that tells attempts apart.

    At most 63 characters and a DNS-1123 label, because Pods' names become host names and label values.
    """
    digest = hashlib.sha256(f"{uid}/{run}/{attempt}".encode()).hexdigest()[:8]
    suffix = f"-{run}-{attempt}-{digest}"
    readable = re.sub(r"[^a-z0-9-]+", "-", name.lower())[: POD_NAME_LENGTH - len(suffix)].strip("-")
    return f"{readable or 'build'}{suffix}"


def build_pod(
    *,
    build: BuildIdentity,
    attempt: AttemptIdentity,
    spec: ImageBuildSpec,
    settings: PodSettings,
    deadline_seconds: int,
) -> JSON:
    """The Pod of one attempt.

    Args:
        build: the ImageBuild that owns it.
        attempt: its run, number and name.
        spec: what to build; valid.
        settings: the operator's defaults.
        deadline_seconds: after which the kubelet ends it.
    """
    template = spec.pod_template or PodTemplate()
    parts = parts_of(spec)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(build, attempt, template, parts),
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": deadline_seconds,
            "automountServiceAccountToken": template.service_account_name is not None,
            "enableServiceLinks": False,
            "os": {"name": "linux"},
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            **_placement(template, settings),
            **({"initContainers": [_prepare(spec, settings, parts)]} if parts.plan else {}),
            "containers": [_executor(spec, settings, parts)],
            "volumes": parts.volumes,
        },
    }


def _metadata(build: BuildIdentity, attempt: AttemptIdentity, template: PodTemplate, parts: Parts) -> JSON:
    owner = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": build.name,
        "uid": build.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {
        "name": attempt.pod_name,
        "namespace": build.namespace,
        "labels": {
            **(template.labels or {}),
            names.LABEL_MANAGED_BY: names.OPERATOR,
            names.LABEL_BUILD: build.name,
            names.LABEL_RUN: str(attempt.run),
            names.LABEL_ATTEMPT: str(attempt.attempt),
        },
        "annotations": {
            names.ANNOTATION_SAFE_TO_EVICT: "false",
            **(template.annotations or {}),
            **parts.annotations,
            names.ANNOTATION_RUN: str(attempt.run),
        },
        "ownerReferences": [owner],
    }


def _placement(template: PodTemplate, settings: PodSettings) -> JSON:
    """The members of the Pod's spec that the user, or the operator's setting, decides; unset ones are left out."""
    host_users = settings.host_users if template.host_users is None else template.host_users
    chosen = template.model_dump(by_alias=True, exclude_none=True, exclude={"labels", "annotations", "host_users"})
    return chosen | ({} if host_users is None else {"hostUsers": host_users})


def _executor(spec: ImageBuildSpec, settings: PodSettings, parts: Parts) -> JSON:
    resources = merged(spec.resources, settings.resources)
    wanted = spec.executor
    memory = go_memory_limit(resources["limits"])
    environment = {"DOCKER_CONFIG": DOCKER_CONFIG, "container": "kube"} | ({"GOMEMLIMIT": memory} if memory else {})
    return {
        "name": names.CONTAINER_BUILD,
        "image": (wanted.image if wanted else None) or settings.executor_image,
        "args": arguments(spec, executor_of(spec, settings.executor_image, settings.executor_variant)),
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "resources": resources,
        "terminationMessagePath": TERMINATION_LOG,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)},
        },
        "volumeMounts": parts.build_mounts,
    }


def _prepare(spec: ImageBuildSpec, settings: PodSettings, parts: Parts) -> JSON:
    """Root, because the executor opens files with O_NOATIME, which takes their owner; but a root without powers."""
    return {
        "name": names.CONTAINER_PREPARE,
        "image": settings.operator_image,
        "imagePullPolicy": settings.operator_image_pull_policy,
        "command": ["python3", "-m", "imagebuild_operator.prepare"],
        "env": [{"name": PLAN, "value": plan_text(parts)}, {"name": "HOME", "value": "/tmp"}],  # noqa: S108
        "resources": merged(spec.source_resources, settings.source_resources),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": parts.prepare_mounts,
    }
