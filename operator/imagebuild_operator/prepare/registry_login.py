"""Logging in to a registry: basic authentication, or a token from the server that the registry names.

As the "Docker Registry v2 authentication via central service" has it, which every public registry follows.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Final

import requests

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.redirects import Authorization
from imagebuild_operator.prepare.result import PrepareError

CLIENT: Final = "imagebuild-operator"
# Far more than any token has; what is larger would fill the memory.
TOKEN_BYTES: Final = 1024 * 1024

_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class RegistryLogin:
    """A login for one registry.

    Attributes:
        origin: names for messages where it was looked for; empty if nowhere.
        basic: user and password, as basic authentication sends them; empty if there are none.
        identity_token: to get tokens with instead of a password.
        registry_token: a token for the registry itself.
    """

    origin: str = ""
    basic: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def found(self) -> bool:
        """Whether there is one at all."""
        return bool(self.basic or self.identity_token or self.registry_token)


@dataclass(frozen=True)
class Challenge:
    """What a registry asks for in its answer 401."""

    bearer: bool = False
    realm: str = ""
    service: str = ""
    scope: str = ""


def challenge_of(header: str) -> Challenge:
    """What a `WWW-Authenticate` header says; a token goes first where several ways are offered."""
    start = re.search(r"(?i)\bbearer\s", header)
    if start is None:
        return Challenge()
    known = {name.lower(): value for name, value in _PARAMETER.findall(header[start.end() :])}
    return Challenge(
        bearer=True, realm=known.get("realm", ""), service=known.get("service", ""), scope=known.get("scope", "")
    )


@dataclass(frozen=True)
class TokenRequest:
    """A request for a token: its address, and what it carries."""

    method: str
    url: str
    parameters: dict[str, str]
    form: dict[str, str]
    authorization: Authorization


def token_request(challenge: Challenge, login: RegistryLogin, repository: str) -> TokenRequest:
    """How to ask for a token that may pull the repository."""
    scope = challenge.scope or f"repository:{repository}:pull"
    asked = {"service": challenge.service, "scope": scope}
    if login.identity_token:
        form = {**asked, "grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": login.identity_token}
        return TokenRequest("POST", challenge.realm, {}, form, Authorization())
    basic = f"Basic {login.basic}" if login.basic else ""
    return TokenRequest("GET", challenge.realm, asked, {}, Authorization(basic, challenge.realm))


def token_in(answer: requests.Response, host: str) -> str:
    """The token in a token server's answer.

    Args:
        answer: not compressed, whose body has not been read.
        host: that gave it.

    Raises:
        PrepareError: if there is none.
    """
    body = answer.raw.read(TOKEN_BYTES + 1, decode_content=False)
    if len(body) > TOKEN_BYTES:
        message = f"{host} was asked for a token, and its answer has more than {TOKEN_BYTES} bytes."
        raise PrepareError(Reason.SOURCE_FAILED, message)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    members = document if isinstance(document, dict) else {}
    for name in ("token", "access_token"):
        token = members.get(name)
        if isinstance(token, str) and token:
            return token
    raise PrepareError(Reason.SOURCE_FAILED, f"{host} was asked for a token, and its answer holds none.")
