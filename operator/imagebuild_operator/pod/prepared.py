"""What the init container says of its work, in its termination message: one JSON object.

Success is `{"commit": ..., "revision": ..., "digest": ..., "warnings": [...], "outline": ...}`, the last two where
there is something to tell, and the outline of the Dockerfile (`pod.outline`) only where there is room left for it;
failure is `{"reason": ..., "message": ..., "hint": ...}`.
`prepare.result` writes it; `parse_result` takes anything, since another program may have written it.
"""

import json
from dataclasses import dataclass
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.outline import OUTLINE_LIMIT

# In characters, and in the status in bytes of UTF-8.
COMMIT_LIMIT: Final = 64
DIGEST_LIMIT: Final = 80
REVISION_LIMIT: Final = 256
WARNINGS_KEPT: Final = 4
WARNING_LIMIT: Final = 300

# What the init container may end with.
REASONS: Final = frozenset(
    {
        Reason.SOURCE_UNREACHABLE,
        Reason.SOURCE_NOT_FOUND,
        Reason.SOURCE_AUTH_FAILED,
        Reason.REVISION_NOT_FOUND,
        Reason.SHORT_COMMIT,
        Reason.HOST_KEY_UNKNOWN,
        Reason.SUB_PATH_INVALID,
        Reason.CHECKSUM_MISMATCH,
        Reason.SOURCE_INVALID,
        Reason.SOURCE_TOO_LARGE,
        Reason.SOURCE_FAILED,
        Reason.CERTIFICATE_UNKNOWN,
        Reason.SECRET_INVALID,
        Reason.CA_BUNDLE_INVALID,
        Reason.OUT_OF_STORAGE,
        Reason.OUT_OF_MEMORY,
    }
)


@dataclass(frozen=True)
class Prepared:
    """Everything is in place; the texts tell what was fetched, and are empty where there is nothing to tell.

    `warnings` are sentences about what somebody should look at all the same; `outline` is that of the Dockerfile.
    """

    commit: str = ""
    revision: str = ""
    digest: str = ""
    warnings: tuple[str, ...] = ()
    outline: str = ""


@dataclass(frozen=True)
class PrepareFailure:
    """Something is not, and why, in words for the user; `reason` is one of `REASONS`, or another program's word."""

    reason: str
    message: str
    hint: str = ""


def parse_result(message: str) -> Prepared | PrepareFailure | None:
    """The meaning of a termination message; None for anything the init container did not write.

    Whatever stands there, nothing is raised.
    """
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    text = {key: value for key, value in document.items() if isinstance(value, str)}
    if text.get("message"):
        return PrepareFailure(text.get("reason", ""), text["message"], text.get("hint", ""))
    if text.keys() & {"commit", "revision", "digest"}:
        return Prepared(
            text.get("commit", "")[:COMMIT_LIMIT],
            text.get("revision", "")[:REVISION_LIMIT],
            text.get("digest", "")[:DIGEST_LIMIT],
            _sentences(document.get("warnings")),
            text.get("outline", "")[: OUTLINE_LIMIT + 1],
        )
    return None


def _sentences(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(text[:WARNING_LIMIT] for text in value if isinstance(text, str) and text)[:WARNINGS_KEPT]
