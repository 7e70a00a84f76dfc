"""What the executor says when a registry, and not the build, is what failed.

It talks to registries by go-containerregistry, whose errors name the request first and then the answer (pkg/v1/remote/
transport/error.go) or, where none came, the error of Go's net/http. The lines of real failing pushes and pulls stand in
tests/unit/core/test_registry_errors.py.
"""

import re
from collections.abc import Sequence
from typing import Final

# A step's own command may talk to anything; it fails in words of its own after this. A layer from the cache does too.
_STEP: Final = re.compile(r"failed to execute command: (?!extracting fs from image: )")
_OWN: Final = re.compile(r"error (?:building image|pushing image|checking push permissions)\b")
_ANSWER: Final = re.compile(
    r'(?:\b(?:GET|HEAD|POST|PUT|PATCH) https?://\S+|\b(?:Get|Head|Post|Put|Patch) "https?://[^"]+"): (.*)'
)
# A download that breaks off in the middle names no request.
_DOWNLOAD: Final = re.compile(
    r"error building image: (?:(?:.*: )?(?:failed to get filesystem|extracting fs) from image: )?"
    r"((?:error reading tar [0-9]+: )?(?:unexpected EOF|(?:read|write) tcp \S+: .*|stream error: .*))$"
)
_TOO_MANY: Final = re.compile(r"(?:unexpected|unsupported) status code 429\b|TOOMANYREQUESTS\b")
# UNKNOWN is what the reference registry calls an error of its own (distribution, registry/api/errcode/register.go).
_BROKEN: Final = re.compile(r"(?:unexpected|unsupported) status code (?:5[0-9][0-9]|408)\b|(?:UNKNOWN|UNAVAILABLE): ")
_REFUSED: Final = re.compile(r"(?:unexpected|unsupported) status code 40[13]\b|(?:UNAUTHORIZED|DENIED)\b")
# Denied to everybody: Harbor's quotas and immutable tags, Amazon's immutable tags.
_NOT_THE_LOGIN: Final = re.compile(r"upper limit|quota|immutab", re.IGNORECASE)
_DOCKER_HUB: Final = re.compile(r"https://(?:index|registry-1|auth)\.docker\.io/")
_SECRETS_TOLD: Final = 3
# Names of Secrets have up to 253 characters; what the registry said has to fit into the message, too.
_NAME_TOLD: Final = 63
_LOGIN: Final = (
    "Check that a Secret holds a login for this very host, with the right to do this; then set the annotation "
    "imagebuild.dev/requestedAt."
)
_NO_LOGIN: Final = "Name a Secret with a login for this registry in spec.registries.secretRefs."
_HUB: Final = (
    "In a Secret, the key of Docker Hub is https://index.docker.io/v1/ and not docker.io. It refuses images that do "
    "not exist in the same words."
)
_NO_ANSWER: Final = re.compile(
    r"\b(?:connection (?:refused|reset by peer|timed out)|broken pipe|i/o timeout|TLS handshake timeout|"
    r"no route to host|network is unreachable|server misbehaving|context deadline exceeded|Client\.Timeout exceeded|"
    r"timeout awaiting response headers|use of closed network connection|http2: client connection lost|"
    r"stream error: stream ID [0-9]+; [A-Z_]+|server sent GOAWAY|http: server closed idle connection)|"
    r"(?:^|: )(?:unexpected )?EOF$"
)


def rate_limited(line: str) -> bool:
    """Whether the executor's last words are that a registry answered 429."""
    return bool(_TOO_MANY.match(_answer(line)))


def unavailable(line: str) -> bool:
    """Whether they are that a registry answered 5xx, or not at all; an unknown host is another matter."""
    answer = _answer(line)
    return bool(_BROKEN.match(answer) or _NO_ANSWER.search(answer))


def refused(line: str) -> bool:
    """Whether they are that a registry answered 401 or 403: it wants a login, another one, or one with more rights."""
    answer = _answer(line)
    return bool(_REFUSED.match(answer) and not _NOT_THE_LOGIN.search(answer))


def refusal(line: str, secrets: Sequence[str]) -> tuple[str, str]:
    """Message and hint for a registry that refused a login.

    Args:
        line: the executor's last words.
        secrets: those whose logins it had.
    """
    if not secrets:
        return f"The registry refused access without a Secret: {line}", _HUB if _DOCKER_HUB.search(line) else _NO_LOGIN
    more = f" and {len(secrets) - _SECRETS_TOLD} more" if len(secrets) > _SECRETS_TOLD else ""
    told = ", ".join(name[:_NAME_TOLD] for name in secrets[:_SECRETS_TOLD]) + more
    return f"The registry refused the login of Secret {told}: {line}", _HUB if _DOCKER_HUB.search(line) else _LOGIN


def _answer(line: str) -> str:
    """What came of the request that failed; empty when the line tells of none."""
    if not _OWN.match(line) or _STEP.search(line):
        return ""
    found = _ANSWER.search(line) or _DOWNLOAD.match(line)
    return found[1] if found else ""
