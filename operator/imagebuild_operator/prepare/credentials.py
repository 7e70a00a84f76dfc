"""Merges logins for registries into the one file that the executor reads."""

import base64
import binascii
import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from imagebuild_operator.pod.plan import LoginsPlan
from imagebuild_operator.prepare.result import PrepareError, Reason

log = logging.getLogger(__name__)

# The key under which the executor looks for logins to Docker Hub (go-containerregistry, pkg/authn/keychain.go).
DOCKER_HUB: Final = "https://index.docker.io/v1/"
_DOCKER_HUB_HOSTS: Final = frozenset(
    {"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
)
_TOKENS: Final = ("identitytoken", "registrytoken")
_HINT: Final = (
    "It must be of type kubernetes.io/dockerconfigjson, as made by: kubectl create secret docker-registry NAME "
    "--docker-server=HOST --docker-username=USER --docker-password=TOKEN"
)

Login = dict[str, str]


@dataclass(frozen=True)
class _Entry:
    """One login of a Secret: the registry it is for, and whether its key held more than that."""

    registry: str
    scoped: bool
    login: Login


def prepare_logins(plan: LoginsPlan) -> None:
    """Write the merged logins, readable by their owner only.

    Raises:
        PrepareError: if a Secret is broken; the message names it and never what is in it.
    """
    contents = [(entry.secret, entry.file.read_bytes()) for entry in plan.secrets]
    text = json.dumps({"auths": merged(contents)})
    # Without capabilities not even root may open its own read-only file for writing again.
    plan.target.unlink(missing_ok=True)
    with os.fdopen(os.open(plan.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="utf-8") as file:
        file.write(text)


def merged(contents: Iterable[tuple[str, bytes]]) -> dict[str, Login]:
    """One login a registry, out of Secrets given as pairs of name and contents; the later Secret wins.

    Keys with a path are folded to their host: the executor takes any key of a host for any of its repositories, at
    random if there are several. Within one Secret the key without a path wins, otherwise the later one.

    Raises:
        PrepareError: if one of them is broken or empty.
    """
    result: dict[str, Login] = {}
    for secret, content in contents:
        found = _folded(secret, _entries(secret, content))
        for registry in found.keys() & result.keys():
            log.info("Secret %s: its login for %s replaces an earlier one.", secret, registry)
        result |= found
    return result


def registry_of(key: str) -> str:
    """The key the executor looks a registry up by: host[:port], or Docker Hub's own address."""
    bare = key.strip().lower()
    for scheme in ("https://", "http://"):
        bare = bare.removeprefix(scheme)
    host = bare.partition("/")[0].rpartition("@")[2]
    return DOCKER_HUB if host in _DOCKER_HUB_HOSTS else host


def _folded(secret: str, entries: Iterable[_Entry]) -> dict[str, Login]:
    chosen: dict[str, _Entry] = {}
    for entry in entries:
        before = chosen.get(entry.registry)
        if before is not None and before.login != entry.login:
            log.info("Secret %s: holds several logins for %s, only one is used.", secret, entry.registry)
        if before is None or before.scoped or not entry.scoped:
            chosen[entry.registry] = entry
    return {registry: entry.login for registry, entry in chosen.items()}


def _entries(secret: str, content: bytes) -> list[_Entry]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise _broken(secret, "its .dockerconfigjson is not JSON") from None
    auths = document.get("auths") if isinstance(document, dict) else None
    if not isinstance(auths, dict):
        raise _broken(secret, 'its .dockerconfigjson has no object "auths"')
    found = []
    for key, value in auths.items():
        if not isinstance(value, dict):
            raise _broken(secret, f"its entry for {registry_of(key)} is not an object")
        login = _login(secret, key, value)
        if login:
            found.append(_Entry(registry_of(key), _scoped(key), login))
    if not found:
        raise _broken(
            secret,
            "its .dockerconfigjson holds no login; one copied from a machine whose docker keeps logins elsewhere "
            "(credsStore) is empty",
        )
    return found


def _login(secret: str, key: str, value: Mapping[str, Any]) -> Login:
    """The login of an entry in the form every executor reads; empty if there is none."""
    text = {name: member for name, member in value.items() if isinstance(member, str) and member}
    login: Login = {name: text[name] for name in _TOKENS if name in text}
    if "auth" in text:
        # Where both forms stand, docker's own reader prefers this one.
        return login | {"auth": _checked(secret, key, text["auth"])}
    if "username" in text or "password" in text:
        if not text.keys() >= {"username", "password"}:
            raise _broken(secret, f"its entry for {registry_of(key)} has only one of username and password")
        pair = f"{text['username']}:{text['password']}".encode()
        return login | {"auth": base64.b64encode(pair).decode()}
    return login


def _checked(secret: str, key: str, auth: str) -> str:
    try:
        decoded = base64.b64decode(auth.strip(), validate=True)
    except (ValueError, binascii.Error):
        decoded = b""
    user, colon, _ = decoded.rstrip(b"\0").partition(b":")
    if not user or not colon:
        raise _broken(secret, f"the auth of its entry for {registry_of(key)} is not base64 of USER:PASSWORD")
    return auth.strip()


def _scoped(key: str) -> bool:
    """Whether a key names a part of a registry; /v1 and /v2 are versions of the protocol."""
    bare = key.strip().lower().removeprefix("https://").removeprefix("http://")
    return bare.partition("/")[2].strip("/") not in ("", "v1", "v2")


def _broken(secret: str, what: str) -> PrepareError:
    return PrepareError(Reason.REGISTRY_SECRET_INVALID, f"Secret {secret}: {what}.", _HINT)
