"""Takes credentials out of what is shown of a log.

The patterns are those that can be told by their shape. They need no more than one pass over the text, whatever it
holds, and rather hide a word too many.
"""

import re
from typing import Final

MASK: Final = "***"

_NAMES: Final = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|account[_-]?key"
    r"|credential|signature)s?(?:[_-][\w-]{0,40})?"
)
_VALUE: Final = r"""(?:\\?"[^"\\]{1,4096}\\?"|'[^']{1,4096}'|[^\s"'\\&,;]+)"""

# What stays stands in the first group, if there is one.
_SHAPES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # A private key, line by line, be they real lines or written as \n.
        r"(-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)"
        r"(?:(?:\s|\\[rn])+(?:[A-Za-z0-9+/=]{16,}|[A-Za-z0-9+/=]{1,15}(?=(?:\s|\\[rn])+-----END)"
        r"|(?:Proc-Type|DEK-Info|Version|Comment): [^\n\\]*))+",
        # user:password@ and token@ of a URL.
        r"(https?://)[^\s/?#@\"']+(?=@)",
        r"(://)[^\s/?#@:\"']*:[^\s/?#@\"']+(?=@)",
        r"(\bauthorization\\?[\"']?\s{0,8}[:=]\s{0,8}\\?[\"']?(?:(?:basic|bearer|token|negotiate|digest)\s{1,8})?)[^\s\"'\\,]+",
        r"(\b(?:private|job|deploy)-token\s{0,8}:\s{0,8})[^\s\"'\\,]+",
        r"(\bx-[a-z-]{0,40}(?:token|key|auth)\s{0,8}:\s{0,8})[^\s\"'\\,]+",
        r"((?:^|\s)(?:-u|--user)[ =][\"']?[^\s:\"']+:)[^\s\"']+",
        # Members of JSON, such as those of a registry's login.
        r"(\\?\"(?:auth|[\w-]{0,40}" + _NAMES + r")\\?\"\s{0,8}:\s{0,8}\\?\")[^\"\\]+",
        # Assignments, arguments of a query, flags.
        r"(" + _NAMES + r"=)" + _VALUE,
        r"([?&]sig=)[^\s&\"']+",
        r"(--(?:[a-z0-9]{1,20}-){0,4}" + _NAMES + r"\s{1,8})" + _VALUE,
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\bgh[pousr]_\w{36,}|\bgithub_pat_\w{22,}",
        r"\bgl(?:pat|rt|dt|cbt|ptt|ft|soat|oas|agent|imt|sbt|rtr)-[\w.-]{20,}",
        r"\bnpm_\w{36}\b|\bpypi-[\w-]{50,}|\bdckr_(?:pat|oat)_[\w-]{20,}|\bxox[abeoprs]-[\w-]{10,}|\bAIza[\w-]{35}",
        # A JSON Web Token, as registries and ServiceAccounts use.
        r"\beyJ[\w-]{8,400}\.eyJ[\w-]{8,4096}\.[\w-]*",
    )
)


def masked(text: str) -> str:
    """The text with three asterisks in the place of each credential."""
    for shape in _SHAPES:
        text = shape.sub(_hidden, text)
    return text


def _hidden(found: re.Match[str]) -> str:
    kept = found[1] if found.re.groups else ""
    return f"{kept or ''}{MASK}"
