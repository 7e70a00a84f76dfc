"""Logins for web servers, from mounted Secrets."""

import base64
import re
from typing import Final

from imagebuild_operator.pod.source_plans import SourceSecret
from imagebuild_operator.prepare.mounted_secret import MountedSecret

_HINT: Final = (
    "spec.source.http.secretRef must name a Secret of type kubernetes.io/basic-auth with the keys username and "
    "password, or an Opaque one with the key token."
)


def authorization_of(login: SourceSecret) -> str:
    """The header with which a login is sent (RFC 7617 for username and password, RFC 6750 for a token).

    Raises:
        PrepareError: if the Secret has neither, or they cannot be sent.
    """
    secret = MountedSecret(login.secret, login.folder, _HINT)
    token = secret.line("token")
    if token is None:
        pair = f"{secret.required('username')}:{secret.required('password')}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"
    if not re.fullmatch(r"[!-~]+", token):
        raise secret.bad("has a token with characters that no token has")
    return f"Bearer {token}"
