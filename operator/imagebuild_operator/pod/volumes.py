"""Volumes of a build Pod: where the context, the credentials and the certificates come from."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from imagebuild_operator.api import names
from imagebuild_operator.api.v1alpha1 import CABundle, ImageBuildSpec
from imagebuild_operator.pod.arguments import CONTEXT

JSON = dict[str, Any]

DOCKER_CONFIG: Final = "/kaniko/.docker"
# One more file beside the executor image's own bundle: SSL_CERT_DIR is read whole (Go, crypto/x509/root_unix.go).
TRUSTED: Final = "/kaniko/ssl/certs/imagebuild-ca.crt"
PREPARED: Final = "/imagebuild"
PLAN: Final = "IMAGEBUILD_PLAN"
DOCKER_CONFIG_KEY: Final = ".dockerconfigjson"


@dataclass
class Parts:
    """What the sources and credentials of a build add to its Pod.

    Attributes:
        volumes: of the Pod.
        build_mounts: of the build container.
        prepare_mounts: of the init container.
        annotations: of the Pod.
        plan: what the init container is to do; without a plan there is no init container.
    """

    volumes: list[JSON] = field(default_factory=list)
    build_mounts: list[JSON] = field(default_factory=list)
    prepare_mounts: list[JSON] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    plan: JSON = field(default_factory=dict)


def parts_of(spec: ImageBuildSpec) -> Parts:
    """Everything that depends on where the source and the trust of a build come from."""
    parts = Parts()
    if spec.source.git is not None:
        _add_git(parts, spec)
    if spec.source.inline is not None:
        _add_inline(parts, spec)
    if spec.registries is not None and spec.registries.ca_bundle is not None:
        _add_ca(parts, spec.registries.ca_bundle)
    secrets = [ref.name for ref in (spec.registries.secret_refs or [])] if spec.registries else []
    if len(secrets) == 1 and not parts.plan:
        _add_login(parts, secrets[0])
    elif secrets:
        _add_merged_logins(parts, secrets)
    if parts.plan:
        _add_scratch(parts)
    return parts


def plan_text(parts: Parts) -> str:
    """The plan as the init container reads it; it names files, never their contents."""
    return json.dumps(parts.plan, sort_keys=True)


def _mount(volume: str, path: str, *, sub_path: str | None = None, writable: bool = False) -> JSON:
    mount: JSON = {"name": volume, "mountPath": path}
    if not writable:
        mount["readOnly"] = True
    return mount | ({"subPath": sub_path} if sub_path else {})


def _add_git(parts: Parts, spec: ImageBuildSpec) -> None:
    git = spec.source.git
    assert git is not None  # noqa: S101  the caller has looked
    parts.volumes.append({"name": "context", "emptyDir": {}})
    parts.prepare_mounts.append(_mount("context", f"{PREPARED}/context", writable=True))
    parts.build_mounts.append(_mount("context", CONTEXT))
    parts.plan["git"] = {
        "url": git.url,
        "revision": git.revision or "",
        "target": f"{PREPARED}/context",
        "subPath": spec.source.sub_path or "",
    }
    if git.secret_ref is not None:
        secret = {"secretName": git.secret_ref.name, "defaultMode": 0o400}
        parts.volumes.append({"name": "git-login", "secret": secret})
        parts.prepare_mounts.append(_mount("git-login", f"{PREPARED}/git-login"))
        parts.plan["git"] |= {"secret": git.secret_ref.name, "login": f"{PREPARED}/git-login"}


def _add_inline(parts: Parts, spec: ImageBuildSpec) -> None:
    """Each file in an annotation of the Pod, mounted one by one.

    A downward API volume mounted whole would give symlinks, which the executor copies as such; by subPath the files
    are regular ones.
    """
    inline = spec.source.inline
    items: list[JSON] = []
    for number, file in enumerate(inline.files if inline is not None else ()):
        annotation = f"{names.ANNOTATION_FILE_PREFIX}{number}"
        parts.annotations[annotation] = file.content
        items.append(
            {
                "path": f"file-{number}",
                "mode": 0o644 if file.mode is None else file.mode,
                "fieldRef": {"fieldPath": f"metadata.annotations['{annotation}']"},
            }
        )
        parts.build_mounts.append(_mount("context", f"{CONTEXT}/{file.path}", sub_path=f"file-{number}"))
    parts.volumes.append({"name": "context", "downwardAPI": {"items": items}})


def _add_ca(parts: Parts, bundle: CABundle) -> None:
    reference = bundle.config_map_ref or bundle.secret_ref
    if reference is None:
        return
    items: list[JSON] = [{"key": reference.key, "path": "bundle.pem"}]
    if bundle.config_map_ref is not None:
        kind = "ConfigMap"
        volume: JSON = {"configMap": {"name": reference.name, "items": items}}
    else:
        kind = "Secret"
        volume = {"secret": {"secretName": reference.name, "items": items, "defaultMode": 0o400}}
    parts.volumes += [{"name": "ca", **volume}, {"name": "trust", "emptyDir": {"medium": "Memory"}}]
    parts.prepare_mounts += [_mount("ca", f"{PREPARED}/ca"), _mount("trust", f"{PREPARED}/trust", writable=True)]
    parts.build_mounts.append(_mount("trust", TRUSTED, sub_path="ca.crt"))
    parts.plan["ca"] = {
        "name": f"{kind} {reference.name}, key {reference.key}",
        "bundle": f"{PREPARED}/ca/bundle.pem",
        "target": f"{PREPARED}/trust/ca.crt",
    }


def _login_volume(name: str, secret: str) -> JSON:
    """Not optional: while the Secret or its key is missing, the kubelet keeps the Pod waiting and tries again."""
    items = [{"key": DOCKER_CONFIG_KEY, "path": "config.json"}]
    return {"name": name, "secret": {"secretName": secret, "items": items, "defaultMode": 0o400}}


def _add_login(parts: Parts, secret: str) -> None:
    parts.volumes.append(_login_volume("logins", secret))
    parts.build_mounts.append(_mount("logins", DOCKER_CONFIG))


def _add_merged_logins(parts: Parts, secrets: list[str]) -> None:
    parts.volumes.append({"name": "logins", "emptyDir": {"medium": "Memory"}})
    parts.prepare_mounts.append(_mount("logins", f"{PREPARED}/logins", writable=True))
    parts.build_mounts.append(_mount("logins", DOCKER_CONFIG))
    entries = []
    for number, secret in enumerate(secrets):
        parts.volumes.append(_login_volume(f"login-{number}", secret))
        parts.prepare_mounts.append(_mount(f"login-{number}", f"{PREPARED}/login-{number}"))
        entries.append({"secret": secret, "file": f"{PREPARED}/login-{number}/config.json"})
    parts.plan["logins"] = {"sources": entries, "target": f"{PREPARED}/logins/config.json"}


def _add_scratch(parts: Parts) -> None:
    """The init container's root file system is read-only; git wants a home and a place for temporary files."""
    parts.volumes.append({"name": "scratch", "emptyDir": {}})
    parts.prepare_mounts.append(_mount("scratch", "/tmp", writable=True))  # noqa: S108  a volume of its own
