"""Logins for registries, merged from several Secrets into one config.json with one key a host.

The executor may use any key of a host for any of its repositories and picks among several at random
(kaniko, pkg/creds), so keys with paths are folded into one.
"""

import base64
import json
from typing import Any, Final

from imagebuild_operator.prepare.failure import PrepareError
from imagebuild_operator.prepare.plan import LoginSource, LoginsPlan

DOCKER_HUB_KEY: Final = "https://index.docker.io/v1/"
_DOCKER_HUB: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "hub.docker.com"})
_TOKENS: Final = ("identitytoken", "registrytoken")


def registry_key(key: str) -> str:
    """The one key under which the executor looks for a registry's login.

    Scheme and path are dropped; all names of Docker Hub become the one that Docker itself writes.
    """
    host = key.partition("://")[2] if "://" in key else key
    host = host.partition("/")[0].lower()
    return DOCKER_HUB_KEY if host in _DOCKER_HUB else host


def merge(plan: LoginsPlan) -> list[str]:
    """Write the merged config.json and return the registries it has logins for.

    Raises:
        PrepareError: when a Secret holds something else than logins.
    """
    merged: dict[str, dict[str, str]] = {}
    for source in plan.sources:
        merged |= _logins_of(source)
    plan.target.write_text(json.dumps({"auths": merged}))
    plan.target.chmod(0o400)
    return sorted(merged)


def _logins_of(source: LoginSource) -> dict[str, dict[str, str]]:
    try:
        document = json.loads(source.file.read_bytes())
    except (ValueError, RecursionError):
        raise _broken(source, "is not JSON") from None
    auths = document.get("auths") if isinstance(document, dict) else None
    if not isinstance(auths, dict):
        raise _broken(source, "has no member auths")
    found = {}
    for key, entry in auths.items():
        if not isinstance(entry, dict):
            raise _broken(source, f"has no login for {key}")
        found[registry_key(key)] = _login(entry)
    return found


def _login(entry: dict[str, Any]) -> dict[str, str]:
    login = {name: entry[name] for name in _TOKENS if isinstance(entry.get(name), str) and entry[name]}
    user, password = entry.get("username"), entry.get("password")
    if isinstance(user, str) and isinstance(password, str) and user:
        login["auth"] = base64.b64encode(f"{user}:{password}".encode()).decode()
    elif isinstance(entry.get("auth"), str):
        login["auth"] = entry["auth"]
    return login


def _broken(source: LoginSource, what: str) -> PrepareError:
    return PrepareError(
        "InvalidRegistrySecret",
        f"The key .dockerconfigjson of Secret {source.secret} {what}.",
        "Make it with: kubectl create secret docker-registry.",
    )
