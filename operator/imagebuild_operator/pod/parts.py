"""Pieces of a Pod: what one concern (the source, the registries) adds to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from imagebuild_operator.api.fields import LocalObjectReference
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.source_plans import SourcePlan, SourceSecret

Json = dict[str, Any]

# Read by root, who owns it, and by nobody else: processes of RUN under another user cannot.
SECRET_MODE: Final = 0o400


@dataclass(frozen=True)
class Parts:
    """Additions to a Pod; `prepare_*` belongs to the init container, `build_*` to the executor.

    `pull_secrets` names Secrets that the node pulls images with.
    """

    volumes: tuple[Json, ...] = ()
    prepare_mounts: tuple[Json, ...] = ()
    build_mounts: tuple[Json, ...] = ()
    build_environment: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    pull_secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceParts:
    """What a source adds to the Pod, and what the init container has to fetch; None when there is nothing to."""

    parts: Parts = field(default_factory=Parts)
    plan: SourcePlan | None = None


def joined(parts: Iterable[Parts]) -> Parts:
    """All of them, in order."""
    known = tuple(parts)
    return Parts(
        volumes=tuple(volume for part in known for volume in part.volumes),
        prepare_mounts=tuple(mount for part in known for mount in part.prepare_mounts),
        build_mounts=tuple(mount for part in known for mount in part.build_mounts),
        build_environment={name: value for part in known for name, value in part.build_environment.items()},
        annotations={name: value for part in known for name, value in part.annotations.items()},
        pull_secrets=tuple(secret for part in known for secret in part.pull_secrets),
    )


def secret_volume(name: str, secret: str, items: Mapping[str, str] | None = None) -> Json:
    """A Secret, of which `items` (file by key) or every key is mounted.

    A missing Secret, or a missing key among the items, keeps the Pod waiting until it is there.
    """
    source: Json = {"secretName": secret, "defaultMode": SECRET_MODE}
    if items:
        source["items"] = [{"key": key, "path": path} for key, path in items.items()]
    return {"name": name, "secret": source}


def empty_volume(name: str, *, memory: bool = False) -> Json:
    """A folder that lives as long as the Pod, on the node's disk or in its memory."""
    return {"name": name, "emptyDir": {"medium": "Memory"} if memory else {}}


def empty_context() -> Parts:
    """A context that the init container fills, and the executor only reads."""
    return Parts(
        volumes=(empty_volume("context"),),
        prepare_mounts=(mount("context", paths.CONTEXT, read_only=False),),
        build_mounts=(mount("context", paths.CONTEXT),),
    )


def source_secret(
    reference: LocalObjectReference | None, volume: str, folder: str, keys: Iterable[str] = ()
) -> tuple[Parts, SourceSecret | None]:
    """The Secret that a source is fetched with, which the init container alone sees, and its place in the plan.

    Args:
        reference: names it; None if there is none.
        volume: its name.
        folder: where it is mounted.
        keys: without one of these the Pod waits; by default all that are there are mounted, and that one is missing is
            told by the init container, which knows which.
    """
    if reference is None:
        return Parts(), None
    parts = Parts(
        volumes=(secret_volume(volume, reference.name, {key: key for key in keys}),),
        prepare_mounts=(mount(volume, folder),),
    )
    return parts, SourceSecret(secret=reference.name, folder=Path(folder))


def mount(volume: str, path: str, *, read_only: bool = True, sub_path: str | None = None) -> Json:
    """A volume, or one file of it, at a path."""
    result: Json = {"name": volume, "mountPath": path}
    if read_only:
        result["readOnly"] = True
    if sub_path:
        result["subPath"] = sub_path
    return result
