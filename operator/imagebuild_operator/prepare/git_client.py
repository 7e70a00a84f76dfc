"""Runs the git client: alone with its own settings, and never with a login in its arguments or environment."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.source_plans import SourceSecret
from imagebuild_operator.prepare import credential_helper
from imagebuild_operator.prepare.folders import empty
from imagebuild_operator.prepare.git_output import OUTPUT_BYTES, OutputTooLongError, run
from imagebuild_operator.prepare.git_remote import Remote, origin, server_of
from imagebuild_operator.prepare.result import PrepareError

# A server that packs a large repository sends a sign of life of five bytes every five seconds (git-config(1),
# uploadpack.keepAlive), so one that sends less than a byte a second hangs.
STALL_SECONDS: Final = 60

_SETTINGS: Final[Mapping[str, str]] = {
    "advice.detachedHead": "false",
    # Larger files are streamed to disk: the container's memory must not depend on them.
    "core.bigFileThreshold": "16m",
    "core.deltaBaseCacheLimit": "32m",
    # Everything here is lost with the Pod anyway.
    "core.fsync": "none",
    "core.hooksPath": "/dev/null",
    "fetch.unpackLimit": "1",
    "gc.auto": "0",
    "http.lowSpeedLimit": "1",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "protocol.version": "2",
    # The folders belong to the node's root, who is nobody here in a user namespace.
    "safe.directory": "*",
    "submodule.recurse": "false",
}
_INHERITED: Final = ("PATH", "http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY")

_LIST_HINT: Final = "No build needs so many branches, tags or submodules: ask who runs the server."


class GitError(Exception):
    """Git failed; `output` is the end of what it printed, to be judged as it came and told only when `masked`."""

    def __init__(self, status: int, output: str, secrets: tuple[str, ...] = ()) -> None:
        super().__init__(f"git ended with {status}")
        self.status = status
        self.output = output
        self.secrets = secrets

    def masked(self, text: str) -> str:
        """A part of the output, without the login."""
        return redacted(text, self.secrets)


@dataclass(frozen=True)
class GitClient:
    """Git with one repository, its files apart from the work tree: `.git` is no part of the build context.

    Attributes:
        folder: for the repository and git's home.
        work_tree: where files are checked out.
        remote: what is fetched; its login goes to its server alone.
        certificates: file with every trusted certificate; None for git's own choice.
        protocols: that git may use, by colons (git(1), GIT_ALLOW_PROTOCOL), redirects included.
        stall_seconds: after which a silent server is given up.
        secrets: what is blackened in what is told of git's output; a server may send back what it was sent.
        ssh: the command for ssh, see `git_ssh`; None where ssh is not used.
    """

    folder: Path
    work_tree: Path
    remote: Remote
    certificates: Path | None = None
    protocols: str = "https"
    stall_seconds: int = STALL_SECONDS
    secrets: tuple[str, ...] = ()
    ssh: str | None = None

    @property
    def repository(self) -> Path:
        """Git's own files."""
        return self.folder / "repository"

    @property
    def _refused(self) -> Path:
        """Is there once the server has refused the login."""
        return self.folder / "login-refused"

    def initialise(self) -> None:
        """Begin anew, also where an earlier container of the same Pod left something (init containers may run again).

        Raises:
            GitError: if git fails.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.discard()
        self._refused.unlink(missing_ok=True)
        empty(self.work_tree)
        self.run("init", "--quiet", "--template=")

    def discard(self) -> None:
        """Remove git's own files; the work tree stays."""
        shutil.rmtree(self.repository, ignore_errors=True)

    def run(self, *arguments: str, more: Mapping[str, str] | None = None) -> str:
        """What git prints, run in the work tree; `more` is added to its environment.

        Raises:
            GitError: if its status is not 0.
            PrepareError: SourceTooLarge if it prints more than anybody reads.
        """
        command = ["git", *(word for pair in self._settings() for word in ("-c", "=".join(pair))), *arguments]
        try:
            printed = run(command, {**self._environment(), **(more or {})}, self.work_tree)
        except OutputTooLongError:
            message = f"What git lists of {self.remote.url} has more than {OUTPUT_BYTES} bytes."
            raise PrepareError(Reason.SOURCE_TOO_LARGE, message, _LIST_HINT) from None
        if printed.status != 0:
            raise GitError(printed.status, printed.told, self.secrets)
        return printed.output

    def _settings(self) -> list[tuple[str, str]]:
        settings = [*_SETTINGS.items(), ("http.lowSpeedTime", str(self.stall_seconds)), ("credential.helper", "")]
        if self.remote.login is not None and not self.remote.ssh:
            settings.append((f"credential.{origin(self.remote.url)}.helper", self._helper(self.remote.login)))
        return settings

    def _helper(self, login: SourceSecret) -> str:
        scheme = server_of(self.remote.url).scheme
        arguments = (str(login.folder), scheme, self.remote.host, str(self._refused))
        return f"!{shlex.join((sys.executable, '-I', credential_helper.__file__, *arguments))}"

    def _environment(self) -> dict[str, str]:
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment |= {
            "HOME": str(self.folder),
            "LC_ALL": "C",
            "GIT_DIR": str(self.repository),
            "GIT_WORK_TREE": str(self.work_tree),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": self.protocols,
        }
        if self.certificates is not None:
            environment["GIT_SSL_CAINFO"] = str(self.certificates)
        if self.ssh is not None:
            environment |= {"GIT_SSH_COMMAND": self.ssh, "GIT_SSH_VARIANT": "ssh"}
        return environment


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets; short ones too, even if that blackens words."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
