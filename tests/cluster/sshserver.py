"""The git server's repositories over ssh: Debian's sshd with a host key of its own, on demand."""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import settings
from .namespaces import Namespaces
from .process import wait_ready

if TYPE_CHECKING:
    from .handle import ClusterHandle

PROCESS = "sshd"
PROGRAM = "/usr/sbin/sshd"
SHELL = Path(__file__).with_name("git_shell.py")
# sshd does not start without it, and Debian's package leaves making it to its service.
PRIVILEGE_SEPARATION = Path("/run/sshd")
STANDARD_PORT = 22

# SetEnv: bash runs the files of an interactive shell when sshd starts it, but not below another shell.
# UsePAM: PAM is set up for people, and may refuse in a container. AcceptEnv: how a client asks for git's protocol 2.
CONFIG = """\
{listen}
HostKey {host_key}
AuthorizedKeysFile {authorized}
AuthenticationMethods publickey
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
PrintMotd no
LogLevel VERBOSE
AcceptEnv GIT_PROTOCOL
SetEnv SHLVL=2
DisableForwarding yes
PermitTTY no
ForceCommand {command}
"""


def make_key(file: Path, *, passphrase: str = "", kind: str = "ed25519") -> Path:
    """A new pair of keys: the private one in this file, the public one beside it with `.pub`."""
    for old in (file, public_key(file)):
        old.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "tests", "-f", str(file)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return file


def public_key(file: Path) -> Path:
    return file.with_name(f"{file.name}.pub")


@dataclass(frozen=True)
class SshServer:
    """An sshd whose files are in one folder.

    Attributes:
        folder: for its configuration and keys.
        root: what the clients' paths are below.
        host: name that clients know it by.
        address: where it listens.
        ports: where it listens; the first one is that of the URLs.
        lfs: address that it gives to clients that ask for Git LFS, if any.
        lfs_login: user:password that it gives them for that, as a forge gives a token.
    """

    folder: Path
    root: Path
    host: str
    address: str
    ports: tuple[int, ...]
    lfs: str = ""
    lfs_login: str = ""

    @property
    def user(self) -> str:
        """Whoever runs the server: nobody else can log in without root's help."""
        return pwd.getpwuid(os.getuid()).pw_name

    def url(self, name: str) -> str:
        return f"ssh://{self.user}@{self.host}:{self.ports[0]}/{name}.git"

    def short_url(self, name: str) -> str:
        """The same for port 22, in the form that git shares with scp."""
        return f"{self.user}@{self.host}:{name}.git"

    @property
    def key(self) -> Path:
        """The private key that may fetch."""
        return self.folder / "client_key"

    @property
    def known_hosts(self) -> str:
        """The server's lines for known_hosts, one a port, as ssh-keyscan prints them."""
        kind, key = public_key(self.folder / "host_key").read_text().split()[:2]
        names = [self.host if port == STANDARD_PORT else f"[{self.host}]:{port}" for port in self.ports]
        return "".join(f"{name} {kind} {key}\n" for name in names)

    def prepare(self) -> list[str]:
        """Write what the server needs, with new keys; returns its command."""
        self.folder.mkdir(parents=True, exist_ok=True)
        host_key = make_key(self.folder / "host_key")
        authorized = public_key(make_key(self.key))
        shell = [sys.executable, "-I", str(SHELL)]
        shell += [f"--root={self.root}", f"--lfs={self.lfs}", f"--lfs-login={self.lfs_login}"]
        config = self.folder / "sshd_config"
        config.write_text(
            CONFIG.format(
                listen="\n".join(f"ListenAddress {self.address}:{port}" for port in self.ports),
                host_key=host_key,
                authorized=authorized,
                command=shlex.join(shell),
            )
        )
        if os.getuid() == 0:
            PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        return [PROGRAM, "-D", "-e", "-f", str(config)]


def greets(address: str, port: int) -> bool:
    """Whether an ssh server answers there."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=5) as connection:
        return connection.recv(4) == b"SSH-"
    return False


@contextlib.contextmanager
def ssh_server(cluster: ClusterHandle) -> Iterator[SshServer]:
    """The git server's repositories over ssh while the block runs, one at a time; each has keys of its own."""
    paths = cluster.paths
    server = SshServer(
        folder=paths.config / "ssh",
        root=cluster.git.root,
        host=settings.GIT_HOST,
        address=settings.NODE_ADDRESS,
        ports=(settings.SSH_PORT, STANDARD_PORT),
        lfs=f"https://{cluster.git.host}",
        lfs_login=f"{cluster.git.user}:{cluster.git.password}",
    )
    cluster.processes.remove(PROCESS)
    inside = Namespaces(cluster.processes.find("namespaces"))
    process = cluster.processes.add(inside.spawn(PROCESS, server.prepare(), paths.log(PROCESS)))
    try:
        # The bridge's address is routed from the host, so this asks from outside of the cluster.
        wait_ready(process, lambda: all(greets(server.address, port) for port in server.ports))
        yield server
    finally:
        cluster.processes.remove(PROCESS)
