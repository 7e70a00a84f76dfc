"""A web server that tests download archives from: lighttpd with TLS, trees behind logins, redirects."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import settings
from .certificates import KeyPair
from .control_plane import https_answers
from .namespaces import Namespaces
from .process import wait_ready
from .registry import password_line

if TYPE_CHECKING:
    from .handle import ClusterHandle

PROCESS = "files"

CONFIG = """\
server.modules = ("mod_redirect", "mod_access", "mod_auth", "mod_authn_file", "mod_openssl")
server.document-root = {root}
server.bind = {address}
server.port = {port}
ssl.engine = "enable"
ssl.pemfile = {certificate}
ssl.privkey = {key}
auth.backend = "htpasswd"
auth.backend.htpasswd.userfile = {passwords}
auth.require = ("/private/" => ("method" => "basic", "realm" => "private", "require" => "valid-user"))
$REQUEST_HEADER["Authorization"] != {token} {{
    $HTTP["url"] =~ "^/token/" {{ url.access-deny = ("") }}
}}
url.redirect = ("^/moved/(.*)$" => "/$1", "^/elsewhere/(.*)$" => {elsewhere})
"""


@dataclass(frozen=True)
class FileServer:
    """The server's files, named like `public/web.tar.gz`; `private/...` wants the login, `token/...` the token.

    What is asked for below `moved/` is redirected to the same name without it, below `elsewhere/` to another host name
    of the same server.
    """

    folder: Path
    host: str = settings.FILES_HOST
    other_host: str = settings.GIT_HOST
    port: int = settings.FILES_PORT
    user: str = settings.FILES_USER
    password: str = settings.FILES_PASSWORD
    token: str = settings.FILES_TOKEN

    def url(self, name: str) -> str:
        """The address for Pods."""
        return f"https://{self.host}:{self.port}/{name}"

    def write(self, name: str, content: bytes) -> str:
        """Put a file there, and return its address."""
        file = self.folder / "root" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return self.url(name)

    def command(self, address: str, server: KeyPair) -> list[str]:
        """Write the server's files, and return what starts it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "root").mkdir(parents=True)
        passwords = self.folder / "htpasswd"
        passwords.write_text(password_line(self.user, self.password))
        configuration = self.folder / "lighttpd.conf"
        configuration.write_text(
            CONFIG.format(
                root=json.dumps(str(self.folder / "root")),
                address=json.dumps(address),
                port=self.port,
                certificate=json.dumps(str(server.certificate)),
                key=json.dumps(str(server.key)),
                passwords=json.dumps(str(passwords)),
                token=json.dumps(f"Bearer {self.token}"),
                elsewhere=json.dumps(f"https://{self.other_host}:{self.port}/$1"),
            )
        )
        return ["lighttpd", "-D", "-f", str(configuration)]


@contextlib.contextmanager
def file_server(cluster: ClusterHandle) -> Iterator[FileServer]:
    """The server, empty at first; one at a time."""
    paths, files = cluster.paths, FileServer(cluster.paths.config / PROCESS)
    cluster.processes.remove(PROCESS)
    command = files.command(settings.NODE_ADDRESS, KeyPair(paths.pki / "servers.crt", paths.pki / "servers.key"))
    inside = Namespaces(cluster.processes.find("namespaces"))
    process = cluster.processes.add(inside.spawn(PROCESS, command, paths.log(PROCESS)))
    try:
        address = f"https://{settings.NODE_ADDRESS}:{files.port}/"
        wait_ready(process, lambda: https_answers(address, paths.ca, expected=(403, 404)))
        yield files
    finally:
        cluster.processes.remove(PROCESS)
