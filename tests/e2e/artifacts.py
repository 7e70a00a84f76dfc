"""Artifacts in the cluster's registry, as `flux push artifact` and `oras push` make them; crane makes images only."""

import base64
import hashlib
import io
import json
import ssl
import tarfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from tests.cluster.registry import Registry

JSON = dict[str, Any]

EMPTY = "application/vnd.oci.empty.v1+json"
TAR = "application/vnd.oci.image.layer.v1.tar+gzip"
FLUX = "application/vnd.cncf.flux.content.v1.tar+gzip"
TITLE = "org.opencontainers.image.title"
UNPACK = "io.deis.oras.content.unpack"


@dataclass(frozen=True)
class Blob:
    """A layer: its contents, and what the manifest says of it."""

    content: bytes
    media_type: str = TAR
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def descriptor(self) -> JSON:
        described: JSON = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}
        return described | ({"annotations": dict(self.annotations)} if self.annotations else {})


def archive(files: Mapping[str, str], *, packed: bool = True) -> bytes:
    """A tar file, compressed with gzip unless told otherwise."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if packed else "w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def push_artifact(registry: Registry, ca: Path | None, repository: str, tag: str, *layers: Blob) -> str:
    """Push an artifact of these layers; returns its digest.

    Args:
        registry: whose login is used.
        ca: who signed its certificate; None for a registry without TLS.
        repository: its path there.
        tag: to push to.
        layers: with their contents.
    """
    config = Blob(b"{}", EMPTY)
    for blob in (config, *layers):
        started = _ask(registry, ca, "POST", f"{registry.url}/v2/{repository}/blobs/uploads/")
        place = urljoin(registry.url, started["Location"])
        _ask(registry, ca, "PUT", f"{place}{'&' if '?' in place else '?'}digest={blob.digest}", blob.content)
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config.descriptor,
        "layers": [layer.descriptor for layer in layers],
    }
    content = json.dumps(manifest).encode()
    _ask(registry, ca, "PUT", f"{registry.url}/v2/{repository}/manifests/{tag}", content, manifest["mediaType"])
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _ask(
    registry: Registry,
    ca: Path | None,
    method: str,
    url: str,
    content: bytes = b"",
    kind: Any = "application/octet-stream",
) -> Mapping[str, str]:
    """The headers of the answer."""
    headers = {"Content-Type": str(kind), "Content-Length": str(len(content))}
    if registry.user is not None:
        login = base64.b64encode(f"{registry.user}:{registry.password}".encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    request = urllib.request.Request(url, content, headers, method=method)
    context = ssl.create_default_context(cafile=str(ca)) if ca is not None else None
    with urllib.request.urlopen(request, timeout=30, context=context) as answer:
        return dict(answer.headers)
