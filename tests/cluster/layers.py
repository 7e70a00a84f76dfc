"""Writes container images of one layer, as OCI layouts, into the cache.

Such an image is a folder of three blobs; writing it takes less than the tools that would have to be installed for it.
The format: OCI image specification 1.1, image-layout.md, manifest.md and config.md.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MEDIA = "application/vnd.oci.image"
EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Entry:
    """A file of a layer: its content, or another file to take it from; a link; or a folder."""

    content: bytes = b""
    source: Path | None = None
    link: str | None = None
    folder: bool = False
    mode: int = 0o644


@dataclass(frozen=True)
class Image:
    """An image's layer, and how it starts."""

    name: str
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_folder: str = "/"

    def config(self, diff_id: str) -> dict[str, Any]:
        return {
            "architecture": "amd64",
            "os": "linux",
            "created": EPOCH,
            "config": {
                "Env": [f"{name}={value}" for name, value in self.environment.items()],
                "Entrypoint": list(self.entrypoint) or None,
                "Cmd": list(self.command) or None,
                "WorkingDir": self.working_folder,
            },
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [{"created": EPOCH, "created_by": "tests/cluster"}],
        }


def write_tar(entries: Mapping[str, Entry], file: Path) -> None:
    """Write a layer that comes out the same whenever it is made."""
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as tar:
        for path, entry in entries.items():
            member = tarfile.TarInfo(path.strip("/"))
            member.mode = entry.mode
            body = entry.source.read_bytes() if entry.source else entry.content
            if entry.folder:
                member.type = tarfile.DIRTYPE
            elif entry.link is not None:
                member.type, member.linkname = tarfile.SYMTYPE, entry.link
            else:
                member.size = len(body)
            tar.addfile(member, io.BytesIO(body) if member.isreg() else None)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _add_blob(layout: Path, file: Path, media_type: str) -> dict[str, Any]:
    digest, size = _digest(file), file.stat().st_size
    file.rename(layout / "blobs" / "sha256" / digest.removeprefix("sha256:"))
    return {"mediaType": media_type, "digest": digest, "size": size}


def _add_document(layout: Path, document: dict[str, Any], media_type: str) -> dict[str, Any]:
    scratch = layout / "document"
    scratch.write_text(json.dumps(document))
    return _add_blob(layout, scratch, media_type)


def _compress(layer: Path, target: Path) -> None:
    # Level 1: the images travel over a bridge inside this machine. mtime=0 keeps the digest the same.
    with (
        layer.open("rb") as source,
        target.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=file, mtime=0) as stream,
    ):
        shutil.copyfileobj(source, stream, 1 << 20)


def write_layout(image: Image, layer: Path, target: Path) -> None:
    """Write the image with its one layer to `target`, which appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    layout = Path(tempfile.mkdtemp(prefix=".image-", dir=target.parent))
    try:
        (layout / "blobs" / "sha256").mkdir(parents=True)
        compressed = layout / "layer"
        _compress(layer, compressed)
        layer_blob = _add_blob(layout, compressed, f"{MEDIA}.layer.v1.tar+gzip")
        config_blob = _add_document(layout, image.config(_digest(layer)), f"{MEDIA}.config.v1+json")
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{MEDIA}.manifest.v1+json",
            "config": config_blob,
            "layers": [layer_blob],
        }
        manifest_blob = _add_document(layout, manifest, f"{MEDIA}.manifest.v1+json")
        index = {"schemaVersion": 2, "mediaType": f"{MEDIA}.index.v1+json", "manifests": [manifest_blob]}
        (layout / "index.json").write_text(json.dumps(index))
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        layout.rename(target)
    finally:
        shutil.rmtree(layout, ignore_errors=True)
