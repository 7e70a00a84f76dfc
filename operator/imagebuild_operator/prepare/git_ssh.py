"""How git calls ssh: with the Secret's key alone, and only to hosts whose keys the Secret lists."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from imagebuild_operator.pod.source_plans import SourceSecret
from imagebuild_operator.prepare.git_login import PRIVATE_KEY, bad_key, ssh_files

# A server that is gone is noticed after three unanswered questions.
_QUESTIONS: Final = 3


@contextmanager
def ssh_command(login: SourceSecret, scratch: Path, *, stall_seconds: int) -> Iterator[str]:
    """The command for GIT_SSH_COMMAND, see ssh_config(5) for its options; its files go away with the block.

    Args:
        login: the mounted Secret.
        scratch: folder for files made from it.
        stall_seconds: how long a server may say nothing.

    Raises:
        PrepareError: if the Secret cannot be used.
    """
    private_key, known_hosts = ssh_files(login)
    hosts, key = scratch / "known_hosts", scratch / PRIVATE_KEY
    scratch.mkdir(parents=True, exist_ok=True)
    hosts.write_bytes(known_hosts)
    mounted = login.folder / PRIVATE_KEY
    usable = mounted if _usable(mounted, private_key) else key
    try:
        if usable == key:
            _write_private(key, private_key)
        _check(usable, login)
        yield shlex.join(_command(usable, hosts, stall_seconds))
    finally:
        key.unlink(missing_ok=True)
        hosts.unlink(missing_ok=True)


def _command(key: Path, hosts: Path, stall_seconds: int) -> list[str]:
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "IdentityFile": key,
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "ClearAllForwardings": "yes",
        "ConnectTimeout": stall_seconds,
        "ServerAliveInterval": max(1, stall_seconds // _QUESTIONS),
        "ServerAliveCountMax": _QUESTIONS,
        "LogLevel": "ERROR",
    }
    # Neither the machine's settings nor those of root.
    return ["ssh", "-F", "none", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]


def _usable(file: Path, wanted: bytes) -> bool:
    """Whether ssh takes the file as it is: it refuses a key of the caller's own that others may read."""
    status = file.stat()
    open_to_others = status.st_uid == os.getuid() and status.st_mode & 0o077
    return not open_to_others and file.read_bytes() == wanted


def _write_private(file: Path, content: bytes) -> None:
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as stream:
        stream.write(content)


def _check(key: Path, login: SourceSecret) -> None:
    """Have the public key derived, which works with a whole key without a passphrase only."""
    command = ["ssh-keygen", "-y", "-P", "", "-f", str(key)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode == 0:
        return
    if b"incorrect passphrase" in done.stderr:
        raise bad_key(login, "is protected by a passphrase, which nobody is there to type")
    raise bad_key(login, "is no private key that ssh can read")
