"""The product on a running cluster: its image built by kaniko from our Dockerfile, its chart installed by Helm."""

import hashlib
import io
import json
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tests.cluster.errors import ClusterError
from tests.cluster.handle import ClusterHandle
from tests.cluster.settings import CHECKOUT

NAMESPACE: Final = "imagebuild-system"
RELEASE: Final = "imagebuild-operator"
CHART: Final = CHECKOUT / "charts" / "imagebuild-operator"
IMAGE_CONTEXT: Final = ("Dockerfile", ".dockerignore", "requirements.lock", "operator")
BUILD_SECONDS: Final = 600
READY_SECONDS: Final = 90


def _context_files() -> Iterator[Path]:
    for name in IMAGE_CONTEXT:
        path = CHECKOUT / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)


def context_tar() -> bytes:
    """The files of the operator's image, the same bytes for the same contents."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in _context_files():
            entry = tarfile.TarInfo(str(file.relative_to(CHECKOUT)))
            content = file.read_bytes()
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def operator_image(cluster: ClusterHandle, context: bytes) -> tuple[str, str]:
    """Repository and tag of the operator's image that is built from a context."""
    return f"{cluster.registry.host}/imagebuild-operator", hashlib.sha256(context).hexdigest()[:12]


def has_image(cluster: ClusterHandle, reference: str) -> bool:
    """Whether the registry has the image."""
    try:
        cluster.crane("digest", reference)
    except ClusterError:
        return False
    return True


def build_operator_image(cluster: ClusterHandle, log: Path) -> tuple[str, str]:
    """Build the operator's image from this checkout, unless the registry has it; returns repository and tag.

    The context goes to the Pod as an image volume, so that no server has to offer it. `log` receives the build's log.
    """
    context = context_tar()
    repository, tag = operator_image(cluster, context)
    if has_image(cluster, f"{repository}:{tag}"):
        return repository, tag
    layer = cluster.paths.config / "operator-context.tar"
    layer.write_bytes(context)
    source = f"{cluster.registry.host}/imagebuild-operator-context:{tag}"
    cluster.crane("append", "-f", str(layer), "-t", source)
    cluster.kubectl("delete", "pod", "build-operator", "-n", "default", "--ignore-not-found", "--wait=true")
    cluster.apply(
        cluster.pull_secret("build-operator") | {"metadata": {"name": "build-operator", "namespace": "default"}},
        _certificates("build-operator", "default", cluster.ca_pem),
        _kaniko_pod(cluster, source, f"{repository}:{tag}"),
    )
    _wait_for_pod(cluster, "build-operator", log)
    return repository, tag


def _certificates(name: str, namespace: str, pem: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"ca.crt": pem},
    }


def _kaniko_pod(cluster: ClusterHandle, source: str, destination: str) -> dict[str, Any]:
    base = cluster.registry.image("debian", "bookworm-python")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "build-operator", "namespace": "default"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "kaniko",
                    "image": executor_image(cluster),
                    "args": [
                        "--context=dir:///kaniko/ctx",
                        f"--destination={destination}",
                        f"--build-arg=BASE_IMAGE={base}",
                        "--compressed-caching=false",
                        "--snapshot-mode=redo",
                        "--log-format=text",
                    ],
                    "volumeMounts": [
                        {"name": "context", "mountPath": "/kaniko/ctx"},
                        {"name": "login", "mountPath": "/kaniko/.docker", "readOnly": True},
                        {"name": "ca", "mountPath": "/kaniko/ssl/certs/cluster.crt", "subPath": "ca.crt"},
                    ],
                }
            ],
            "volumes": [
                {"name": "context", "image": {"reference": source}},
                {
                    "name": "login",
                    "secret": {
                        "secretName": "build-operator",
                        "items": [{"key": ".dockerconfigjson", "path": "config.json"}],
                    },
                },
                {"name": "ca", "configMap": {"name": "build-operator"}},
            ],
        },
    }


def executor_image(cluster: ClusterHandle) -> str:
    """The executor that builds here: the maintained fork's image cannot be had as a Go module."""
    return cluster.registry.image("kaniko-executor", "chainguard")


def _wait_for_pod(cluster: ClusterHandle, name: str, log: Path) -> None:
    deadline = time.monotonic() + BUILD_SECONDS
    while time.monotonic() < deadline:
        phase = cluster.get("pod", name, "-n", "default")["status"].get("phase")
        if phase in ("Succeeded", "Failed"):
            log.write_text(cluster.kubectl("logs", name, "-n", "default"))
            if phase == "Failed":
                raise ClusterError(f"The operator's image was not built:\n{log.read_text()[-4000:]}")
            return
        time.sleep(0.5)
    raise ClusterError(f"The operator's image was not built within {BUILD_SECONDS} s.")


def install(cluster: ClusterHandle, image: tuple[str, str], values: Mapping[str, Any] | None = None) -> None:
    """`helm upgrade --install` our chart and wait until the operator is ready."""
    repository, tag = image
    chosen: dict[str, Any] = {
        "image": {"repository": repository, "tag": tag},
        "executor": {
            "image": executor_image(cluster),
            "variant": "chainguard",
            "allowedArguments": ["--single-snapshot"],
        },
        **(values or {}),
    }
    file = cluster.paths.config / "values.json"
    file.write_text(json.dumps(chosen))
    command = ("upgrade", RELEASE, str(CHART), "--install", "--namespace", NAMESPACE, "--create-namespace")
    try:
        cluster.helm(*command, "--values", str(file), "--wait", "--timeout", f"{READY_SECONDS}s")
    except ClusterError as error:
        raise ClusterError(f"{error}\n{operator_log(cluster)}") from error


def prepare_namespace(cluster: ClusterHandle, name: str, **labels: str) -> None:
    """A namespace with what builds against the cluster's servers need: logins, and the CA in a ConfigMap."""
    login = cluster.pull_secret("registry-login", cluster.registry)
    mirror = cluster.pull_secret("mirror-login", cluster.mirror)
    git = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "git-login", "namespace": name},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"username": cluster.git.user, "password": cluster.git.password},
    }
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    cluster.apply(
        login | {"metadata": {"name": "registry-login", "namespace": name}},
        mirror | {"metadata": {"name": "mirror-login", "namespace": name}},
        git,
        _certificates("cluster-ca", name, cluster.ca_pem),
    )


def operator_log(cluster: ClusterHandle, lines: int = 60) -> str:
    """The end of the operator's log, for messages of failures; all of it with -1 lines."""
    try:
        return cluster.kubectl("logs", f"deployment/{RELEASE}", "-n", NAMESPACE, f"--tail={lines}")
    except (ClusterError, subprocess.SubprocessError) as error:
        return f"(no log of the operator: {error})"
