"""What the init container says of its work, in its termination message: one JSON object.

Success is `{"commit": ..., "revision": ...}`, failure `{"reason": ..., "message": ..., "hint": ...}`. The writing side
is `prepare.result`; this side takes anything, since another program may have written it.
"""

import json
from dataclasses import dataclass
from typing import Final

COMMIT_LIMIT: Final = 64
REVISION_LIMIT: Final = 256


@dataclass(frozen=True)
class PreparedSource:
    """Everything is in place; both texts are empty when there was no git repository to fetch."""

    commit: str = ""
    revision: str = ""


@dataclass(frozen=True)
class PrepareFailure:
    """Something is not, and why; `reason` is one CamelCase word."""

    reason: str
    message: str
    hint: str = ""


def parse_result(message: str) -> PreparedSource | PrepareFailure | None:
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
    if "commit" in text or "revision" in text:
        return PreparedSource(text.get("commit", "")[:COMMIT_LIMIT], text.get("revision", "")[:REVISION_LIMIT])
    return None
