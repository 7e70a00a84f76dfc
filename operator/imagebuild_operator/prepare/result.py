"""The end of the init container: its termination message, one JSON object. `pod.prepared` reads it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.prepared import (
    COMMIT_LIMIT,
    DIGEST_LIMIT,
    REVISION_LIMIT,
    WARNING_LIMIT,
    WARNINGS_KEPT,
    Prepared,
    PrepareFailure,
)

# Kubernetes keeps so much of a termination message; a longer one would be cut and no JSON any more.
MESSAGE_BYTES: Final = 4096
TEXT_LIMIT: Final = 900
HINT_LIMIT: Final = 400
# More than the message and its file system's own records of it take up.
RESERVED_BYTES: Final = 64 * 1024


Result = Prepared | PrepareFailure


class PrepareError(Exception):
    """Ends the preparation with a failure; its texts hold no secret."""

    def __init__(self, reason: Reason, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.failure = PrepareFailure(reason, message, hint)


def encode(result: Result) -> str:
    """The termination message: JSON of at most 4096 bytes."""
    members: dict[str, str | list[str]]
    match result:
        case Prepared(commit, revision, digest, warnings, outline):
            members = {
                "commit": _clipped(commit, COMMIT_LIMIT),
                "revision": _clipped(revision, REVISION_LIMIT),
                "digest": _clipped(digest, DIGEST_LIMIT),
            }
            if warnings:
                members["warnings"] = [_clipped(warning, WARNING_LIMIT) for warning in warnings[:WARNINGS_KEPT]]
            members["outline"] = outline
        case PrepareFailure(reason, message, hint):
            members = {
                "reason": reason,
                "message": _clipped(message, TEXT_LIMIT),
                "hint": _clipped(hint, HINT_LIMIT),
            }
    text = json.dumps(members, ensure_ascii=False)
    if _too_long(text) or not members.get("outline"):
        # Of everything there is to tell, it can be done without first.
        members.pop("outline", None)
        text = json.dumps(members, ensure_ascii=False)
    if _too_long(text):
        text = json.dumps({name: _ascii(value) for name, value in members.items()})
    return text


def _too_long(text: str) -> bool:
    return len(text.encode(errors="replace")) > MESSAGE_BYTES


@contextmanager
def room_kept(folder: Path) -> Iterator[None]:
    """Keep some room on the disk while the block runs, which may fill it: the message is written to the same one.

    Args:
        folder: on the node's disk, as the kubelet's file for the message is.
    """
    file = folder / "reserved"
    # Whoever finds the disk full already tells of it where it fetches something.
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(RESERVED_BYTES))
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()


def write(result: Result, file: Path) -> None:
    """Leave the message where the kubelet looks for it."""
    file.write_text(encode(result), encoding="utf-8", errors="replace")


def _clipped(text: str, limit: int) -> str:
    clean = "".join(character if character.isprintable() else " " for character in text).strip()
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"


def _ascii(value: str | list[str]) -> str | list[str]:
    if isinstance(value, list):
        return [text.encode("ascii", errors="replace").decode("ascii") for text in value]
    return value.encode("ascii", errors="replace").decode("ascii")
