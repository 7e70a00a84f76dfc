"""What the executor says when a registry, and not the build, is what failed.

It talks to registries by go-containerregistry, whose errors name the request first and then the answer (pkg/v1/remote/
transport/error.go) or, where none came, the error of Go's net/http. The lines of real failing pushes and pulls stand in
tests/unit/core/test_registry_errors.py.
"""

import re
from typing import Final

from imagebuild_operator.core.executor_errors import BUILDING, CHECKING_PUSH, INSTRUCTION, PUSHING, what_failed

# A step's own command may talk to anything; it fails in words of its own after this. A layer from the cache does too.
_STEP: Final = re.compile(rf"{INSTRUCTION}(?!extracting fs from image: )")
_OWN: Final = (BUILDING, PUSHING, CHECKING_PUSH)
_ANSWER: Final = re.compile(
    r'(?:\b(?:GET|HEAD|POST|PUT|PATCH) (https?://\S+)|\b(?:Get|Head|Post|Put|Patch) "(https?://[^"]+)"): (.*)'
)
# A download that breaks off in the middle names no request.
_DOWNLOAD: Final = re.compile(
    rf"{BUILDING}(?:(?:.*: )?(?:failed to get filesystem|extracting fs) from image: )?"
    r"((?:error reading tar [0-9]+: )?(?:unexpected EOF|(?:read|write) tcp \S+: .*|stream error: .*))$"
)
_TOO_MANY: Final = re.compile(r"(?:unexpected|unsupported) status code 429\b|TOOMANYREQUESTS\b")
# UNKNOWN is what the reference registry calls an error of its own (distribution, registry/api/errcode/register.go).
_BROKEN: Final = re.compile(r"(?:unexpected|unsupported) status code (?:5[0-9][0-9]|408)\b|(?:UNKNOWN|UNAVAILABLE): ")
_REFUSED: Final = re.compile(r"(?:unexpected|unsupported) status code 40[13]\b|(?:UNAUTHORIZED|DENIED)\b")
# Denied to everybody: Harbor's quotas and immutable tags, Amazon's immutable tags.
_NOT_THE_LOGIN: Final = re.compile(r"upper limit|quota|immutab", re.IGNORECASE)
# Go's crypto/tls and crypto/x509, in front: what comes behind may be about a second try by plain http, which the
# executor makes for private addresses.
_CERTIFICATE: Final = re.compile(r"(?:tls: failed to verify certificate: |tls: failed to parse certificate.*: )?x509: ")
_NO_TLS: Final = re.compile(
    r"(?:http: server gave HTTP response to HTTPS client|tls: first record does not look like a TLS handshake)$"
)
# One that a name server denies; where none answers, or not now, the words are others.
_NO_HOST: Final = re.compile(r"dial tcp: lookup \S+(?: on \S+)?: no such host\b")
_NOT_THERE: Final = re.compile(
    r"(?:unexpected|unsupported) status code 404\b|(?:MANIFEST_UNKNOWN|NAME_UNKNOWN|NOT_FOUND)\b"
)
_VERSION_CHECK: Final = re.compile(r"https?://[^/]+/v2/?$")
# A layer that another repository of the registry may have is asked for behind a question mark.
_UPLOAD: Final = re.compile(r"https?://[^/]+/v2/[^\s?]+/blobs/uploads/?(?:\?.*)?$")
_MANIFEST: Final = re.compile(r"https?://[^/]+/v2/\S+/manifests/[^/]+$")
_NO_MIRROR: Final = re.compile(rf"{BUILDING}image not found on any configured mapped registries for \S+$")
# Go's net/http puts this before whatever keeps it from a proxy. What a proxy says to a tunnel is told as the words of
# its status alone (net/http/transport.go), which no registry's answer is.
_PROXY: Final = re.compile(
    r"proxyconnect tcp: |(?:Proxy Authentication Required|Forbidden|Bad Gateway|Service Unavailable|Gateway Timeout)$",
    re.IGNORECASE,
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


def behind_proxy(line: str) -> bool:
    """Whether they are that the proxy on the way to a registry cannot be reached, or lets nobody through."""
    return bool(_PROXY.match(_answer(line)))


def refused(line: str) -> bool:
    """Whether they are that a registry answered 401 or 403: it wants a login, another one, or one with more rights."""
    answer = _answer(line)
    return bool(_REFUSED.match(answer) and not _NOT_THE_LOGIN.search(answer))


def untrusted(line: str) -> bool:
    """Whether they are that a registry's certificate does not do: its authority is unknown, or its dates or names."""
    return bool(_CERTIFICATE.match(_answer(line)))


def without_tls(line: str) -> bool:
    """Whether they are that a registry does not speak TLS."""
    return bool(_NO_TLS.match(_answer(line)))


def no_such_host(line: str) -> bool:
    """Whether they are that a registry's host has no address."""
    return bool(_NO_HOST.match(_answer(line)))


def no_registry(line: str) -> bool:
    """Whether they are that a host answers, and does not know the first address of every registry's API."""
    return _denied_at(line, _VERSION_CHECK)


def no_repository(line: str) -> bool:
    """Whether they are that a registry does not take uploads to a repository that it does not have."""
    return _denied_at(line, _UPLOAD)


def no_image(line: str) -> bool:
    """Whether they are that a registry, or each of a registry's mirrors, does not have an image that is pulled."""
    return bool(_NO_MIRROR.match(line)) or (line.startswith(BUILDING) and _denied_at(line, _MANIFEST))


def request(line: str) -> tuple[str, str]:
    """The address that was asked for, and the words from there on; the address is empty where none is told."""
    found = _ANSWER.search(line)
    return (found[1] or found[2], line[found.start() :]) if found else ("", what_failed(line))


def _denied_at(line: str, address: re.Pattern[str]) -> bool:
    return bool(_NOT_THERE.match(_answer(line)) and address.match(request(line)[0]))


def _answer(line: str) -> str:
    """What came of the request that failed; empty when the line tells of none."""
    if not line.startswith(_OWN) or _STEP.match(line):
        return ""
    if found := _ANSWER.search(line):
        return found[3]
    download = _DOWNLOAD.match(line)
    return download[1] if download else ""
