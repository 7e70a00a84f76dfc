"""The document of a build Pod."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from imagebuild_operator.api import names
from imagebuild_operator.api.v1alpha1 import ImageBuildSpec, PodTemplate
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.arguments import dockerfile_path
from imagebuild_operator.pod.build_options import base_image_parts, secret_parts
from imagebuild_operator.pod.containers import SCRATCH_VOLUME, build_container, prepare_container
from imagebuild_operator.pod.parts import Json, Parts, SourceParts, empty_volume, joined
from imagebuild_operator.pod.plan import Plan
from imagebuild_operator.pod.registries import certificates_plan, logins_plan, needs_merging, registry_parts
from imagebuild_operator.pod.settings import AttemptIdentity, BuildIdentity, PodSettings
from imagebuild_operator.pod.sources import source_parts
from imagebuild_operator.pod.tags import with_tags

NAME_LIMIT: Final = 63
_HASH_LENGTH: Final = 10


def pod_name(name: str, uid: str, run: int, attempt: int) -> str:
    """The name of an attempt's Pod: the same for the same attempt, another one for every other.

    Args:
        name: of the ImageBuild; as much of it as fits stands in front.
        uid: of the ImageBuild, so that a later one of the same name gets names of its own.
        run: number of the run.
        attempt: number of the attempt within the run.

    Returns:
        A DNS label of at most 63 characters: it is also the Pod's host name.
    """
    digest = hashlib.sha256(f"{uid}/{run}/{attempt}".encode()).hexdigest()[:_HASH_LENGTH]
    suffix = f"-{run}-{attempt}-{digest}"
    readable = re.sub(r"[^a-z0-9-]+", "-", name.lower())[: NAME_LIMIT - len(suffix)].strip("-")
    return f"{readable or 'build'}{suffix}"


def build_pod(
    *,
    build: BuildIdentity,
    attempt: AttemptIdentity,
    spec: ImageBuildSpec,
    settings: PodSettings,
    deadline_seconds: int,
) -> dict[str, Any]:
    """The Pod of one attempt; Pod Security level `baseline` admits it.

    Args:
        build: the ImageBuild; owns the Pod.
        attempt: which attempt this is.
        spec: what to build.
        settings: the operator's part.
        deadline_seconds: how long the Pod may be active; the kubelet ends it then. Less than 1 counts as 1.

    Raises:
        SpecError: if the spec asks for something that cannot be; the message is for its user.
    """
    spec = with_tags(spec, generation=attempt.generation, run=attempt.run)
    source = source_parts(spec, settings)
    plan = preparation(spec, source)
    registries = registry_parts(spec.registries, prepared=plan is not None)
    parts = joined((source.parts, registries, secret_parts(spec.secrets), base_image_parts(spec.cache)))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(build, attempt, spec, parts.annotations),
        "spec": {
            **_pod_wide(deadline_seconds),
            **_placement(spec.pod_template, settings, parts.pull_secrets),
            **_containers(plan, spec, settings, parts, attempt.memory_limit),
        },
    }


def preparation(spec: ImageBuildSpec, source: SourceParts) -> Plan | None:
    """What has to happen before the executor starts; None when the kubelet alone can provide everything.

    That is so for sources that need no fetching with at most one Secret of logins, mounted as it is: one whose type the
    spec does not say.
    """
    certificates, logins = certificates_plan(spec.registries), logins_plan(spec, source)
    if source.plan is None and certificates is None and not needs_merging(spec.registries):
        return None
    return Plan(
        context=Path(paths.CONTEXT),
        scratch=Path(paths.SCRATCH),
        sub_path=spec.source.sub_path if source.plan else None,
        dockerfile=dockerfile_path(spec) if source.plan else None,
        source=source.plan,
        logins=logins,
        certificates=certificates,
    )


def _metadata(build: BuildIdentity, attempt: AttemptIdentity, spec: ImageBuildSpec, files: Mapping[str, str]) -> Json:
    template = spec.pod_template
    # What the Pod is counted by as long as it lives, whatever becomes of its build meanwhile.
    group = {names.LABEL_CONCURRENCY_GROUP: attempt.group} if attempt.group else {}
    labels = {
        **((template.labels if template else None) or {}),
        **group,
        names.LABEL_MANAGED_BY: names.OPERATOR,
        names.LABEL_BUILD: build.name,
        names.LABEL_RUN: str(attempt.run),
        names.LABEL_ATTEMPT: str(attempt.attempt),
    }
    annotations = {
        names.ANNOTATION_SAFE_TO_EVICT: "false",
        **((template.annotations if template else None) or {}),
        names.ANNOTATION_RUN: str(attempt.run),
        **files,
    }
    owner = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": build.name,
        "uid": build.uid,
        "controller": True,
        # true would need a permission on the ImageBuild's finalizers (OwnerReferencesPermissionEnforcement).
        "blockOwnerDeletion": False,
    }
    return {
        "name": attempt.pod_name,
        "namespace": build.namespace,
        "labels": labels,
        "annotations": annotations,
        "ownerReferences": [owner],
    }


def _pod_wide(deadline_seconds: int) -> Json:
    return {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": max(deadline_seconds, 1),
        "enableServiceLinks": False,
        "os": {"name": "linux"},
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
    }


def _placement(template: PodTemplate | None, settings: PodSettings, pull_secrets: tuple[str, ...]) -> Json:
    """What the user's podTemplate and the operator decide about where and as whom the Pod runs."""
    given = template.model_dump(by_alias=True, exclude_none=True) if template else {}
    for ours in ("labels", "annotations"):
        given.pop(ours, None)
    if "serviceAccountName" not in given:
        # The token would be readable by RUN, and its mount turns /var/run into a folder of the image.
        given["automountServiceAccountToken"] = False
    if settings.host_users is not None:
        given.setdefault("hostUsers", settings.host_users)
    if pull_secrets:
        known = [secret["name"] for secret in given.get("imagePullSecrets", [])]
        given["imagePullSecrets"] = [{"name": name} for name in dict.fromkeys((*known, *pull_secrets))]
    return given


def _containers(
    plan: Plan | None, spec: ImageBuildSpec, settings: PodSettings, parts: Parts, memory_limit: int | None
) -> Json:
    build = build_container(spec, settings, parts, memory_limit)
    result: Json = {"containers": [build], "volumes": list(parts.volumes)}
    if plan is not None:
        result["initContainers"] = [prepare_container(plan, spec, settings, parts)]
        result["volumes"].append(empty_volume(SCRATCH_VOLUME))
    return result
