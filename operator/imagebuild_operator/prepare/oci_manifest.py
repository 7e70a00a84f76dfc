"""What a manifest or an index of a registry says (OCI image specification, manifest.md and image-index.md)."""

import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.result import PrepareError

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
# What Python calls the processor, and what Go, and so every registry, calls it.
_ARCHITECTURES: Final[Mapping[str, str]] = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
# A layer that stands for none at all.
_EMPTY: Final = "application/vnd.oci.empty.v1+json"

Document = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """A blob with files: its digest, its size in bytes, and what is said of it."""

    digest: str
    size: int
    media_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


def parse(content: bytes, name: str) -> Document:
    """The document.

    Raises:
        PrepareError: if it is neither a manifest with layers nor an index.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and any(_entries(document, member) is not None for member in ("manifests", "layers")):
        return document
    message = (
        f"{name} is neither an image nor an artifact, or one of the first kind of manifests, which none makes now."
    )
    raise PrepareError(Reason.SOURCE_INVALID, message, "Push it again with a present-day tool.")


def is_index(document: Document) -> bool:
    """Whether it lists manifests, one for each platform."""
    return _entries(document, "manifests") is not None


def manifest_for(document: Document, name: str) -> str:
    """The digest of an index's manifest for Linux on this machine's processor, or of the only one there is.

    Raises:
        PrepareError: if there is none.
    """
    wanted = _ARCHITECTURES.get(platform.machine(), platform.machine())
    entries = _entries(document, "manifests") or []
    platforms = [_platform(entry) for entry in entries]
    for entry, (system, processor) in zip(entries, platforms, strict=True):
        if (system, processor) == ("linux", wanted):
            return _digest(entry, name)
    if len(entries) == 1 and platforms == [("", "")]:
        return _digest(entries[0], name)
    # Attestations say that they are for no platform that anybody knows.
    known = sorted({"/".join(each) for each in platforms if each[0] not in ("", "unknown")})
    message = f"{name} has nothing for linux/{wanted}, only for {', '.join(known) or 'no platform it names'}."
    hint = "Push it for this platform, too, or choose nodes by spec.podTemplate.nodeSelector."
    raise PrepareError(Reason.SOURCE_NOT_FOUND, message, hint)


def layers_of(document: Document, name: str) -> list[Layer]:
    """The layers of a manifest, the lowest first.

    Raises:
        PrepareError: if one of them is not described as it should be, or there is none.
    """
    layers = [_layer(entry, name) for entry in _entries(document, "layers") or []]
    found = [layer for layer in layers if layer.media_type != _EMPTY]
    if not found:
        raise PrepareError(Reason.SOURCE_NOT_FOUND, f"{name} holds no files.", "Push the files of the context into it.")
    return found


def _layer(entry: Document, name: str) -> Layer:
    size, media_type, annotations = entry.get("size"), entry.get("mediaType"), entry.get("annotations")
    if not isinstance(size, int) or size < 0:
        raise _broken(name)
    texts = annotations if isinstance(annotations, dict) else {}
    return Layer(
        _digest(entry, name),
        size,
        media_type if isinstance(media_type, str) else "",
        {key: value for key, value in texts.items() if isinstance(value, str)},
    )


def _platform(entry: Document) -> tuple[str, str]:
    """System and processor; empty where they are not said."""
    known = entry.get("platform")
    members = known if isinstance(known, dict) else {}
    return str(members.get("os", "")), str(members.get("architecture", ""))


def _digest(entry: Document, name: str) -> str:
    digest = entry.get("digest")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise _broken(name)
    return digest


def _entries(document: Document, member: str) -> list[Document] | None:
    """A list of objects; None if it is anything else."""
    value = document.get(member)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        return None
    return value


def _broken(name: str) -> PrepareError:
    message = f"The manifest of {name} names a part of it in a way that is not understood: by no sha256, or no size."
    return PrepareError(Reason.SOURCE_INVALID, message, "Push it again with a present-day tool.")
