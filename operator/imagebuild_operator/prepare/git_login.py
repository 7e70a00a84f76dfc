"""Reads the Secret that `spec.source.git.secretRef` names: checks what git will be given, and says what it lacks."""

import base64
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.source_plans import SourceSecret
from imagebuild_operator.prepare.credential_helper import USERNAME
from imagebuild_operator.prepare.mounted_secret import MountedSecret
from imagebuild_operator.prepare.result import PrepareError

PRIVATE_KEY: Final = "ssh-privatekey"
KNOWN_HOSTS: Final = "known_hosts"

_BASIC_HINT: Final = (
    "With https, spec.source.git.secretRef must name a Secret of type kubernetes.io/basic-auth: key password with the "
    "password or token, key username where the host wants a certain one."
)
_SSH_HINT: Final = (
    f"With ssh, spec.source.git.secretRef must name a Secret of type kubernetes.io/ssh-auth: key {PRIVATE_KEY}, and "
    f"key {KNOWN_HOSTS} with the host's line as ssh-keyscan prints it."
)


def login_values(login: SourceSecret) -> tuple[str, str]:
    """Username and password of a mounted Secret, to check them and to blacken them; git gets them elsewhere.

    Raises:
        PrepareError: if there is no password, or one of them is empty or of several lines.
    """
    secret = MountedSecret(login.secret, login.folder, _BASIC_HINT)
    return secret.line("username") or USERNAME, secret.required("password")


def secrets_of(login: SourceSecret) -> tuple[str, ...]:
    """What must not be told of a login for https: the password, and the form in which http sends both.

    Raises:
        PrepareError: as `login_values` does.
    """
    username, password = login_values(login)
    return password, base64.b64encode(f"{username}:{password}".encode()).decode()


def ssh_files(login: SourceSecret) -> tuple[bytes, bytes]:
    """Private key and known hosts of a mounted Secret, with the line breaks that ssh wants.

    Raises:
        PrepareError: if one of them is missing or empty.
    """
    return _text(login, PRIVATE_KEY), _text(login, KNOWN_HOSTS)


def bad_key(login: SourceSecret, what: str) -> PrepareError:
    """The Secret's private key cannot be used."""
    return PrepareError(
        Reason.SECRET_INVALID,
        f"Secret {login.secret}: its {PRIVATE_KEY} {what}.",
        "Make a key for this purpose only, without a passphrase (ssh-keygen -t ed25519 -N '' -f key), and put the file "
        f"without .pub into {PRIVATE_KEY}.",
    )


def _text(login: SourceSecret, key: str) -> bytes:
    secret = MountedSecret(login.secret, login.folder, _SSH_HINT)
    try:
        content = (login.folder / key).read_bytes()
    except FileNotFoundError:
        raise secret.bad(f"has no key {key}") from None
    if not content.strip():
        raise secret.bad(f"has an empty {key}")
    # A key without a line break at its end, or with those of Windows, is refused by ssh.
    return content.replace(b"\r\n", b"\n").strip() + b"\n"
