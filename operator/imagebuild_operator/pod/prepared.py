"""What the init container says of its work, read from its termination message."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class PreparedSource:
    """The source is in place."""

    commit: str = ""
    revision: str = ""


@dataclass(frozen=True)
class PrepareFailure:
    """It is not, and why."""

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
        return PreparedSource(text.get("commit", "")[:64], text.get("revision", "")[:256])
    return None
