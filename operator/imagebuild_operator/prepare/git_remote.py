"""Addresses of git repositories, and which of them are on the same server."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from imagebuild_operator.pod.source_plans import SourceSecret

# What git and ssh would read otherwise than we do (encoded or quoted hosts, options) is no address.
_USER: Final = r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?"
_HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_SSH_FORM: Final = re.compile(rf"ssh://{_USER}{_HOST}(?::[0-9]{{1,5}})?/.*")
_SCP_FORM: Final = re.compile(rf"{_USER}(?P<host>{_HOST}):(?P<path>[^/].*|/(?!/).*)")
_NO_ADDRESS: Final = re.compile(r"[\s\\\x00-\x1f\x7f]|^-")
_PORTS: Final = {"https": 443, "http": 80, "ssh": 22}


@dataclass(frozen=True)
class Server:
    """Whom a login is for."""

    scheme: str
    host: str
    port: int | None


@dataclass(frozen=True)
class Remote:
    """A repository to fetch from, and what messages about it advise.

    Attributes:
        url: its address, over https or ssh; git's short form user@host:path is ssh, too.
        login: the mounted Secret, if this repository's server may have it.
        url_field: where the user has written the address.
        revision_hint: what to do when the revision is not there.
        login_hint: what to do when the server asks for a login and there is none.
    """

    url: str
    login: SourceSecret | None = None
    url_field: str = "spec.source.git.url"
    revision_hint: str = (
        "Check spec.source.git.revision: a branch, a tag, refs/... or all 40 digits of a commit; if it is still to be "
        "pushed, push it and set the annotation imagebuild.dev/requestedAt."
    )
    login_hint: str = "Name a Secret of type kubernetes.io/basic-auth in spec.source.git.secretRef."

    @property
    def host(self) -> str:
        """Host and port as they stand in the address."""
        return host_of(self.url)

    @property
    def ssh(self) -> bool:
        """Whether git uses ssh to reach it."""
        return server_of(self.url).scheme == "ssh"


def server_of(url: str) -> Server:
    """The server of an address; without a host if it names none, as that of a file, or if it is no plain address."""
    if _NO_ADDRESS.search(url) or (url.startswith("ssh://") and not _SSH_FORM.fullmatch(url)):
        return Server("", "", None)
    if "://" not in url:
        short = _SCP_FORM.fullmatch(url)
        return Server("ssh", short["host"].lower(), _PORTS["ssh"]) if short else Server("", "", None)
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
        return Server(parts.scheme, (parts.hostname or "").lower(), port)
    except ValueError:
        return Server("", "", None)


def host_of(url: str) -> str:
    """Host and port as they stand in an address."""
    if "://" not in url:
        short = _SCP_FORM.fullmatch(url)
        return short["host"] if short else ""
    return urlsplit(url).netloc.rpartition("@")[2]


def origin(url: str) -> str:
    """Protocol, host and port of a URL."""
    return f"{urlsplit(url).scheme}://{host_of(url)}"


def without_login(url: str) -> str:
    """The address without what may be a secret in it; the user name of ssh stays."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    login, at, host = authority.rpartition("@")
    if not mark or not at:
        return url
    kept = f"{login.partition(':')[0]}@" if scheme == "ssh" else ""
    return f"{scheme}://{kept}{host}{slash}{path}"


def resolved(url: str, base: str) -> str:
    """The address that `url` stands for in the .gitmodules of the repository at `base`: ./ and ../ are relative to it.

    `..` ends at the server: no number of them leads to another one.
    """
    if not url.startswith(("./", "../")):
        return url
    short = "://" not in base
    server, mark, path = base.partition(":") if short else _split_url(base)
    parts = [part for part in path.split("/") if part]
    for part in url.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    root = "/" if short and path.startswith("/") else ""
    return f"{server}{mark}{root}{'/'.join(parts)}"


def _split_url(url: str) -> tuple[str, str, str]:
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority}", slash or "/", path
