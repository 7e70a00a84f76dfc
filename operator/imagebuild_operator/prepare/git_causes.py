"""The form of the tables in which git's messages are explained."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.git_remote import Remote

Words = tuple[str, str]
Explanation = Callable[[Remote, str], Words]

REACH_HINT: Final = "Check that Pods may reach it: network policies, proxies."
AUTHORITY_HINT: Final = (
    "Put the certificate authority that signed it into a ConfigMap and name that in spec.registries.caBundle."
)


@dataclass(frozen=True)
class GitCause:
    """One row: what git prints, and what is said about which repository; the words get git's own last line, too."""

    reason: Reason
    pattern: re.Pattern[str]
    words: Explanation


def row(reason: Reason, pattern: str, words: Explanation) -> GitCause:
    """A row whose pattern is found wherever it stands, in capitals or not."""
    return GitCause(reason, re.compile(pattern, re.IGNORECASE | re.MULTILINE), words)


def fixed(message: str, hint: str = "") -> Explanation:
    """Message and hint with `{url}`, `{host}`, `{field}` (where the url was written) and `{line}` put in."""

    def words(remote: Remote, line: str) -> Words:
        known = {"url": remote.url, "host": remote.host, "field": remote.url_field, "line": line}
        return message.format(**known), hint.format(**known)

    return words
