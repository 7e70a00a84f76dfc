"""What the executor says when a registry, and not the build, is what failed.

It talks to registries by go-containerregistry, whose errors name the request first and then the answer (pkg/v1/remote/
transport/error.go) or, where none came, the error of Go's net/http. The lines of real failing pushes and pulls stand in
tests/unit/core/test_registry_errors.py.
"""

import re
from typing import Final

# A step's own command may talk to anything; it fails in words of its own after this.
_STEP: Final = "failed to execute command"
_OWN: Final = re.compile(r"error (?:building image|pushing image|checking push permissions)\b")
_ANSWER: Final = re.compile(
    r'(?:\b(?:GET|HEAD|POST|PUT|PATCH) https?://\S+|\b(?:Get|Head|Post|Put|Patch) "https?://[^"]+"): (.*)'
)
# A download that was cut short names no request.
_CUT: Final = re.compile(r"error building image: (?:.*failed to get filesystem from image: .*)?\bunexpected EOF$")
_TOO_MANY: Final = re.compile(r"unexpected status code 429\b|TOOMANYREQUESTS\b")
# UNKNOWN is what the reference registry calls an error of its own (distribution, registry/api/errcode/register.go).
_BROKEN: Final = re.compile(r"unexpected status code 5[0-9][0-9]\b|(?:UNKNOWN|UNAVAILABLE): ")
_NO_ANSWER: Final = re.compile(
    r"\b(?:connection (?:refused|reset by peer|timed out)|broken pipe|i/o timeout|TLS handshake timeout|"
    r"no route to host|network is unreachable|server misbehaving|context deadline exceeded|Client\.Timeout exceeded|"
    r"server sent GOAWAY|http: server closed idle connection)|(?:^|: )(?:unexpected )?EOF$"
)


def rate_limited(line: str) -> bool:
    """Whether the executor's last words are that a registry answered 429."""
    return bool(_TOO_MANY.match(_answer(line)))


def unavailable(line: str) -> bool:
    """Whether they are that a registry answered 5xx, or not at all; an unknown host is another matter."""
    answer = _answer(line)
    return bool(_BROKEN.match(answer) or _NO_ANSWER.search(answer) or (_STEP not in line and _CUT.match(line)))


def _answer(line: str) -> str:
    if not _OWN.match(line) or _STEP in line:
        return ""
    found = _ANSWER.search(line)
    return found[1] if found else ""
