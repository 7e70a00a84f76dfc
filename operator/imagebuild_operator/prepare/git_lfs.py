"""Replaces the pointers of Git LFS by the files they stand for, with git-lfs(1) itself.

Its filter would hand each file to git as a whole, which keeps it in memory; `git lfs pull` streams it to the disk.
"""

import re
from pathlib import Path
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.git_checkout import Pause, trying
from imagebuild_operator.prepare.git_client import GitClient, GitError
from imagebuild_operator.prepare.git_errors import last_line
from imagebuild_operator.prepare.git_lfs_errors import LFS_CAUSES, OBJECT
from imagebuild_operator.prepare.git_remote import server_of, without_login
from imagebuild_operator.prepare.result import PrepareError

_REMOTE: Final = "origin"
_SETTINGS: Final = {
    # The one whose endpoint is looked at: .lfsconfig may name others, and fetch from them (git-lfs-config(5)).
    "remote.lfsdefault": _REMOTE,
    "lfs.remote.autodetect": "false",
    "lfs.remote.searchall": "false",
    # Without it `pull` leaves the pointers; it makes one of a file again to see whether that has changed.
    "filter.lfs.clean": "git-lfs clean -- %f",
    # No agents and no files of this container, whatever the server proposes.
    "lfs.basictransfersonly": "true",
    "lfs.skipdownloaderrors": "false",
    # Each download for itself; the steps around it are tried again, too.
    "lfs.transfer.maxretries": "2",
}
_ENDPOINT: Final = re.compile(r"^Endpoint=(?P<url>\S+) \(auth=\w+\)(?:\n  SSH=(?P<ssh>\S+))?$", re.MULTILINE)
_STATUS: Final = re.compile(r"trace git-lfs: HTTP: (\d{3})$", re.MULTILINE)
_TAIL_BYTES: Final = 65536


def fetch_files(client: GitClient, *, pause: Pause) -> None:
    """Fetch the files of what the client has checked out, but for those that the repository's .lfsconfig excludes.

    Raises:
        PrepareError: if that is not possible.
    """
    trying(client.remote, lambda: _check_endpoint(client), pause, LFS_CAUSES)
    trying(client.remote, lambda: _pull(client), pause, LFS_CAUSES)


def _check_endpoint(client: GitClient) -> None:
    """Refuse what the repository's .lfsconfig could lead to: files of this container, ssh to another host."""
    found = _ENDPOINT.search(_lfs(client, "env"))
    url, ssh = (without_login(found["url"]), found["ssh"]) if found else ("an address that is none", None)
    allowed = server_of(url).scheme in client.protocols.split(":")
    if ssh:
        allowed = allowed and client.remote.ssh and server_of(ssh).host == server_of(client.remote.url).host
    if not allowed:
        raise PrepareError(
            Reason.SOURCE_FAILED,
            f"The files of Git LFS of {client.remote.url} are not fetched from {ssh or url}: its server must be on "
            "https, or on the ssh host of the repository itself.",
            "Correct lfs.url in .lfsconfig.",
        )


def _pull(client: GitClient) -> None:
    trace = client.folder / "lfs-trace"
    trace.unlink(missing_ok=True)
    try:
        _lfs(client, "pull", _REMOTE, more={"GIT_TRACE": str(trace)})
    except GitError as error:
        told = f"{_path(client, error.output)}{last_line(error)}{_status(trace)}"
        raise GitError(error.status, f"{error.output}\nerror: {told}", error.secrets) from None


def _lfs(client: GitClient, *arguments: str, more: dict[str, str] | None = None) -> str:
    settings = {**_SETTINGS, f"remote.{_REMOTE}.url": client.remote.url}
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return client.run(*words, "lfs", *arguments, more=more)


def _path(client: GitClient, output: str) -> str:
    """Which file the object is that the client complains of: it tells a checksum only."""
    missing = OBJECT.search(output)
    if missing is None:
        return ""
    lines = _lfs(client, "ls-files", "--long").splitlines()
    paths = [line.split(" ", 2)[2] for line in lines if line.startswith(missing[0])]
    return f"{paths[0]}: " if paths else ""


def _status(trace: Path) -> str:
    """What the server answered last, as git would say it: the client leaves it out where the server has words."""
    if not trace.is_file():
        return ""
    with trace.open("rb") as stream:
        stream.seek(max(0, trace.stat().st_size - _TAIL_BYTES))
        statuses = _STATUS.findall(stream.read().decode(errors="replace"))
    return f" (returned error: {statuses[-1]})" if statuses and statuses[-1] >= "400" else ""
