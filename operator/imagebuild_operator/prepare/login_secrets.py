"""Reads the logins in a mounted Secret, whatever its form."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from imagebuild_operator.api.names import Reason, RegistrySecretType
from imagebuild_operator.pod.logins import FORMS
from imagebuild_operator.pod.plan import RegistrySecret
from imagebuild_operator.pod.references import DOCKER_HUB, Repository, registry_host
from imagebuild_operator.prepare.mounted_secret import MountedSecret
from imagebuild_operator.prepare.result import PrepareError

# The key under which the executor looks for logins to Docker Hub (go-containerregistry, pkg/authn/keychain.go).
DOCKER_HUB_KEY: Final = "https://index.docker.io/v1/"

_TOKENS: Final = ("identitytoken", "registrytoken")
_TEXTS: Final = frozenset({*_TOKENS, "username", "password"})
_MADE_BY: Final = {
    RegistrySecretType.DOCKER_CONFIG_JSON: "as made by: kubectl create secret docker-registry NAME "
    "--docker-server=HOST --docker-username=USER --docker-password=TOKEN",
    RegistrySecretType.DOCKER_CONFIG: "one object with a login for each registry, without auths around it; else set "
    "its type in spec.registries.secretRefs",
    RegistrySecretType.BASIC_AUTH: "with the keys username and password, each of one line",
}

Login = dict[str, str]


@dataclass(frozen=True)
class Entry:
    """One login: the Secret it is in, and the registry, or the folder of one, that it is for."""

    secret: str
    place: Repository
    login: Login


def entries(secret: RegistrySecret) -> list[Entry]:
    """The logins of a Secret, in its order.

    Raises:
        PrepareError: if the Secret is broken or holds none; the message names it and never what is in it.
    """
    if secret.type == RegistrySecretType.BASIC_AUTH:
        return [_basic_auth(secret)]
    [key] = FORMS[secret.type].keys
    try:
        document = json.loads((secret.folder / key).read_bytes())
    except (ValueError, RecursionError):
        raise _broken(secret, f"its {key} is not JSON") from None
    auths = _auths(secret, key, document)
    found = []
    for registry, value in auths.items():
        if not isinstance(value, dict):
            raise _broken(secret, f"its entry for {key_of(place_of(registry).registry)} is not an object")
        login = _login(secret, registry, value)
        if login:
            found.append(Entry(secret.secret, place_of(registry), login))
    if not found:
        raise _broken(
            secret,
            f"its {key} holds no login; one copied from a machine whose docker keeps logins elsewhere (credsStore) is "
            "empty",
        )
    return found


def place_of(key: str) -> Repository:
    """What a key of docker's config.json is for: a host, or a path below one; /v1 and /v2 are the protocol's."""
    bare = key.strip().lower()
    for scheme in ("https://", "http://"):
        bare = bare.removeprefix(scheme)
    host, _, path = bare.partition("/")
    parts = [part for part in path.split("/") if part]
    if parts and parts[0] in ("v1", "v2"):
        parts = parts[1:]
    return Repository(registry_host(host.rpartition("@")[2]), tuple(parts))


def key_of(registry: str) -> str:
    """The key under which the executor looks a registry up."""
    return DOCKER_HUB_KEY if registry == DOCKER_HUB else registry


def _auths(secret: RegistrySecret, key: str, document: object) -> Mapping[str, Any]:
    if secret.type == RegistrySecretType.DOCKER_CONFIG:
        if not isinstance(document, dict):
            raise _broken(secret, f"its {key} is not an object")
        return document
    auths = document.get("auths") if isinstance(document, dict) else None
    if not isinstance(auths, dict):
        raise _broken(secret, f'its {key} has no object "auths"')
    return auths


def _basic_auth(secret: RegistrySecret) -> Entry:
    mounted = MountedSecret(secret.secret, secret.folder, _hint(secret))
    username, password = (mounted.required(key) for key in FORMS[secret.type].keys)
    if ":" in username:
        raise _broken(secret, "its username holds a colon")
    return Entry(secret.secret, place_of(secret.registry or ""), {"auth": _encoded(username, password)})


def _login(secret: RegistrySecret, key: str, value: Mapping[str, Any]) -> Login:
    """The login of an entry in the form every executor reads; empty if there is none."""
    text = {name: member for name, member in value.items() if isinstance(member, str) and member}
    for name in _TEXTS & text.keys():
        # JSON can hold half a character (a lone surrogate), which nothing can be sent as.
        if not _is_whole(text[name]):
            where = key_of(place_of(key).registry)
            raise _broken(secret, f"the {name} of its entry for {where} is not text")
    login: Login = {name: text[name] for name in _TOKENS if name in text}
    if "auth" in text:
        # Where both forms stand, docker's own reader prefers this one.
        return login | {"auth": _checked(secret, key, text["auth"])}
    if "username" in text or "password" in text:
        if not text.keys() >= {"username", "password"}:
            where = key_of(place_of(key).registry)
            raise _broken(secret, f"its entry for {where} has only one of username and password")
        return login | {"auth": _encoded(text["username"], text["password"])}
    return login


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _encoded(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def _checked(secret: RegistrySecret, key: str, auth: str) -> str:
    try:
        decoded = base64.b64decode(auth.strip(), validate=True)
    except (ValueError, binascii.Error):
        decoded = b""
    user, colon, _ = decoded.rstrip(b"\0").partition(b":")
    if not user or not colon:
        where = key_of(place_of(key).registry)
        raise _broken(secret, f"the auth of its entry for {where} is not base64 of USER:PASSWORD")
    return auth.strip()


def _broken(secret: RegistrySecret, what: str) -> PrepareError:
    return PrepareError(Reason.SECRET_INVALID, f"Secret {secret.secret}: {what}.", _hint(secret))


def _hint(secret: RegistrySecret) -> str:
    return f"Make it one of type {FORMS[secret.type].secret_type} ({secret.type}), {_MADE_BY[secret.type]}."
