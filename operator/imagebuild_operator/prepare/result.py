"""The end of the init container: its termination message, one JSON object. `pod.prepared` reads it."""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

TERMINATION_MESSAGE: Final = Path("/dev/termination-log")
# Kubernetes keeps so much of a termination message; a longer one would be cut and no JSON any more.
MESSAGE_BYTES: Final = 4096
TEXT_LIMIT: Final = 900
HINT_LIMIT: Final = 400


class Reason(StrEnum):
    """Why preparing failed, as precisely as it can be told."""

    REVISION_NOT_FOUND = "RevisionNotFound"
    SHORT_COMMIT = "ShortCommit"
    REPOSITORY_EMPTY = "RepositoryEmpty"
    REPOSITORY_NOT_FOUND = "RepositoryNotFound"
    LOGIN_REQUIRED = "LoginRequired"
    LOGIN_REFUSED = "LoginRefused"
    UNREACHABLE = "Unreachable"
    CERTIFICATE_UNKNOWN = "CertificateUnknown"
    SUB_PATH_INVALID = "SubPathInvalid"
    GIT_SECRET_INVALID = "GitSecretInvalid"  # noqa: S105 - the name of a reason
    REGISTRY_SECRET_INVALID = "RegistrySecretInvalid"  # noqa: S105 - the name of a reason
    CA_BUNDLE_INVALID = "CABundleInvalid"
    OUT_OF_SPACE = "OutOfSpace"
    OUT_OF_MEMORY = "OutOfMemory"
    GIT_FAILED = "GitFailed"
    UNEXPECTED = "Unexpected"


@dataclass(frozen=True)
class Prepared:
    """Everything is in place; both texts are empty when there was no repository to fetch."""

    commit: str = ""
    revision: str = ""


@dataclass(frozen=True)
class Failure:
    """Something is not, and why, in words for the user."""

    reason: Reason
    message: str
    hint: str = ""


Result = Prepared | Failure


class PrepareError(Exception):
    """Ends the preparation with a failure; its texts hold no secret."""

    def __init__(self, reason: Reason, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.failure = Failure(reason, message, hint)


def encode(result: Result) -> str:
    """The termination message: JSON of at most 4096 bytes."""
    match result:
        case Prepared(commit, revision):
            members = {"commit": commit, "revision": revision}
        case Failure(reason, message, hint):
            members = {
                "reason": reason.value,
                "message": _clipped(message, TEXT_LIMIT),
                "hint": _clipped(hint, HINT_LIMIT),
            }
    text = json.dumps(members, ensure_ascii=False)
    if len(text.encode(errors="replace")) > MESSAGE_BYTES:
        text = json.dumps({name: _ascii(value) for name, value in members.items()})
    return text


def write(result: Result, file: Path) -> None:
    """Leave the message where the kubelet looks for it."""
    file.write_text(encode(result), encoding="utf-8", errors="replace")


def _clipped(text: str, limit: int) -> str:
    clean = "".join(character if character.isprintable() else " " for character in text).strip()
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"


def _ascii(text: str) -> str:
    return text.encode("ascii", errors="replace").decode("ascii")
