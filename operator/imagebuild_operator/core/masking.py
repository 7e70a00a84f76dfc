"""Takes credentials out of what is shown of a log.

The patterns are those that can be told by their shape. They need no more than one pass over the text, whatever it
holds: what they look ahead for is bounded. They rather hide a word too many.
"""

import re
from typing import Final

MASK: Final = "***"

_WORDS: Final = (
    r"passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|account[_-]?key"
)
# A name may go on, as in TOKEN_OF_NPM, but not to what holds no credential itself.
_MORE: Final = r"s?(?:[_-](?!(?:stdin|file|path)\b)[\w-]{0,40})?"
_NAMES: Final = rf"(?:{_WORDS}|(?<![a-z])pass|pwd|credential|signature){_MORE}"
# In quotes, if need be to the end of a line; else up to what ends a word in a shell, an address or a list.
_VALUE: Final = (
    r"""(?:"(?:[^"\\]|\\.){0,4096}"|"(?:[^"\\\n]|\\.){1,4096}|'[^']{0,4096}'|'[^'\n]{1,4096}|\\"[^"\\]{1,4096}(?:\\")?)?"""
    r"""(?:[^\s"'\\&,;]|,(?![\w.-]{1,40}=)|\\[^\s"'nrtux]|\\[ ]|"[^\s",]{1,200}"|'[^\s',]{1,200}')*"""
)
# Where words of a sentence may stand: only what no word looks like.
_ODD: Final = (
    r"""(?!sha[0-9]|https?:|[/.])(?:["'](?=[^"'\n]{0,200}[0-9])[^"'\n]{6,4096}["']?"""
    r"""|(?=[^\s"',;)]{0,200}[0-9])[^\s"',;)]{6,})"""
)
_KEY: Final = r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
_BREAK: Final = r"(?:[\s\ufffd]|\\{1,4}[rn])"
_BASE64: Final = r"[A-Za-z0-9+/=]"

# What stays stands in the first group, if there is one.
_SHAPES: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        # A private key up to its end, or line by line, be they real lines or written as \n; or the end of one.
        rf"({_KEY})(?:[^-]|-(?!----)){{1,16384}}+(?=-----END [A-Z0-9 ]{{0,30}}PRIVATE KEY)",
        rf"({_KEY})(?:{_BREAK}+(?:{_BASE64}{{16,}}|{_BASE64}{{1,15}}(?={_BREAK}+-----END)"
        r"|(?:Proc-Type|DEK-Info|Version|Comment): [^\n\\]*))+",
        rf"^(?:[ \t]*{_BASE64}{{16,128}}[ \t\ufffd]*\n){{1,80}}+(?:[ \t]*{_BASE64}{{1,64}}[ \t\ufffd]*\n)?"
        r"(?=[ \t]*-----END [A-Z0-9 ]{0,30}PRIVATE KEY)",
        # user:password@ and token@ of a URL; a password may hold what should have been escaped in it.
        r"(https?://)[^\s/?#\"']+(?=@)",
        r"(://)[^\s/?#@:\"']*:[^\s/?#\"']+(?=@)",
        r"(://)[^\s/?#@:\"'\[]{1,100}:(?![0-9]{1,5}(?:[/?#\s]|$))[^\s\"'@]{1,256}(?=@)",
        r"(\bgitlab-ci-token:)[^\s\"'@]{1,256}(?=@)",
        # Headers.
        r"(\bauthorization\\?[\"']?\s{0,8}[:=]\s{0,8}\\?[\"'\[]{0,3}(?:digest|aws4-hmac-sha256|oauth)\s{1,8})[^\n]+",
        r"(\bauthorization\\?[\"']?\s{0,8}[:=]\s{0,8}\\?[\"'\[]{0,3}(?:basic|bearer|token|negotiate|apikey)\s{1,8})"
        r"[^\s\"'\\,]+",
        r"(\bauthorization\\?[\"']?\s{0,8}[:=]\s{0,8}\\?[\"'\[]{0,3})(?!(?:digest|aws4-hmac-sha256|oauth|basic|bearer"
        r"|token|negotiate|apikey)\s)[^\s\"'\\,\[]+(?:[ \t]{1,8}[^\s\"'\\,]{8,})?",
        r"(\b(?:bearer|basic)[ \t]{1,8})(?=[\w.~+/-]{0,200}[0-9=])[\w.~+/-]{12,}={0,2}",
        r"(\b(?:set-)?cookie\\?[\"']?\s{0,8}:\s{0,8})[^\n\"'\\]+",
        r"(\b(?:private|job|deploy)-token\s{0,8}:\s{0,8})[^\s\"'\\,]+",
        r"(\bx-[a-z-]{0,40}(?:token|key|auth|api|secret|password)\s{0,8}:\s{0,8})[^\s\"'\\,]+",
        # Members of JSON, such as those of a registry's login, of YAML and of other settings.
        rf"(\"(?:_?auth|[\w-]{{0,40}}{_NAMES})\"\s{{0,8}}:\s{{0,8}}\")(?:[^\"\\\n]|\\.){{1,8192}}",
        rf"(\\\"(?:_?auth|[\w-]{{0,40}}{_NAMES})\\\"\s{{0,8}}:\s{{0,8}}\\\")[^\"\\]+",
        r"(^[ \t-]{0,40}(?:[\w-]{1,40}[_-])?(?:passw(?:or)?d|passphrase)[ \t]{0,8}:[ \t]{1,8})[^\s]+",
        rf"((?:{_WORDS}){_MORE}[\"']?(?:[ \t]{{0,8}}(?::[ \t]|=>)[ \t]{{0,8}}|[ \t]{{1,8}}(?:=|is)[ \t]{{1,8}})){_ODD}",
        rf"(<{_NAMES}>)[^<\n]+",
        # Assignments, arguments of a query, flags.
        rf"({_NAMES}=)(?=[^\s&,;=>]){_VALUE}",
        r"(\b_auth=|[?&](?:sig|auth|key|code|jwt)=)[^\s&\"']+",
        rf"(--(?:[a-z0-9]{{1,20}}-){{0,4}}{_NAMES}\s{{1,8}})(?=[^\s<>|&;-]){_VALUE}",
        rf"(\bENV\s{{1,8}}(?:\w{{1,40}}_)?{_NAMES}[ \t]{{1,8}})(?=[^\s=]){_VALUE}",
        r"((?:^|\s)(?:-u|--user)[ =][\"']?[^\s:\"']+:)[^\s\"']+",
        r"((?:\blogin|\bsshpass|\bmysql\w{0,10})\b[^\n]{0,200}?\s-p[ =]?)[^\s=-]\S*",
        r"(\bmachine\s{1,8}\S{1,200}\s{1,8}login\s{1,8}\S{1,200}\s{1,8}password\s{1,8})\S+",
        # Tokens that tell whose they are.
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\bgh[pousr]_\w{36,}|\bgithub_pat_\w{22,}",
        r"\bgl(?:pat|rt|dt|cbt|ptt|ft|soat|oas|agent|imt|sbt|rtr)-[\w.-]{20,}",
        r"\bnpm_\w{36}\b|\bpypi-[\w-]{50,}|\bdckr_(?:pat|oat)_[\w-]{20,}|\bxox[abeoprs]-[\w-]{10,}|\bAIza[\w-]{35}",
        r"\bsk_(?:live|test)_\w{16,}|\bhv[sb]\.[\w-]{20,}|\bSG\.[\w-]{16,64}\.[\w-]{16,}|\bya29\.[\w-]{20,}"
        r"|\bhf_[a-z0-9]{30,}|\bdop_v1_\w{32,}|\bAGE-SECRET-KEY-1[A-Z0-9]{20,}",
        # A JSON Web Token, as registries and ServiceAccounts use, and other JSON in base64.
        r"\beyJ[\w+/=.-]{40,}",
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
