"""Fetches submodules, each like a repository of its own, so that nothing of git stays in the build context.

`git submodule` itself would fetch from wherever .gitmodules says, leave its files in the work tree, and tell of a
failure in words that do not say which submodule it was.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.git_checkout import Pause, checked_out
from imagebuild_operator.prepare.git_client import GitClient, GitError
from imagebuild_operator.prepare.git_errors import explained
from imagebuild_operator.prepare.git_lfs import fetch_files
from imagebuild_operator.prepare.git_remote import Remote, resolved, server_of, without_login
from imagebuild_operator.prepare.result import PrepareError

log = logging.getLogger(__name__)

_MODULES: Final = ".gitmodules"
# Submodules may name one another: two in each, on ten levels, would be a thousand fetches.
DEPTH: Final = 10
COUNT: Final = 200
_LINK: Final = re.compile(r"160000 commit (?P<commit>[0-9a-f]+)\t(?P<path>.+)", re.DOTALL)


@dataclass(frozen=True)
class _Submodule:
    """A folder of a repository that is another one's commit; `url` as it stands in .gitmodules."""

    path: str
    commit: str
    url: str


@dataclass(frozen=True)
class Submodules:
    """Fetching all submodules of a repository, and theirs.

    Attributes:
        main: the repository that the spec names: its login is for its server, whoever's submodule is there.
        lfs: whether to fetch files of Git LFS, too.
        pause: waits for seconds.
    """

    main: Remote
    lfs: bool
    pause: Pause
    _numbers: Iterator[int] = field(default_factory=lambda: count(1), repr=False, compare=False)

    def fetch(self, client: GitClient, above: str = "", level: int = 1) -> None:
        """Check out the submodules of what a client has checked out in the folder `above` of the context.

        Raises:
            PrepareError: if one cannot be fetched; the message names it.
        """
        for submodule in _submodules(client):
            path = f"{above}{submodule.path}"
            self._bound(path, level)
            log.info("Submodule %s", path)
            try:
                inner = self._client(client, submodule)
                checked_out(inner, submodule.commit, pause=self.pause)
                if self.lfs:
                    fetch_files(inner, pause=self.pause)
            except PrepareError as error:
                told = error.failure
                raise PrepareError(Reason(told.reason), f"Submodule {path}: {told.message}", told.hint) from None
            self.fetch(inner, f"{path}/", level + 1)
            inner.discard()

    def _bound(self, path: str, level: int) -> None:
        if level > DEPTH or next(self._numbers) > COUNT:
            raise PrepareError(
                Reason.SOURCE_TOO_LARGE,
                f"Submodule {path}: {self.main.url} has more than {COUNT} submodules, or more than {DEPTH} inside one "
                "another.",
                "Leave out of it what the build does not need.",
            )

    def _client(self, client: GitClient, submodule: _Submodule) -> GitClient:
        folder = client.work_tree / submodule.path
        if folder.resolve() != client.work_tree.resolve() / submodule.path:
            raise PrepareError(Reason.SOURCE_FAILED, "its folder lies behind a symbolic link.")
        remote = self._remote(without_login(resolved(submodule.url, client.remote.url)), client.protocols.split(":"))
        return replace(client, folder=client.folder / "submodule", work_tree=folder, remote=remote)

    def _remote(self, url: str, protocols: list[str]) -> Remote:
        """The submodule's repository, with the login only if its server is the main repository's."""
        if not url:
            raise PrepareError(Reason.SOURCE_FAILED, f"it has no url in {_MODULES}.")
        server, home = server_of(url), server_of(self.main.url)
        if server.scheme not in protocols or (server.scheme == "ssh" and server != home):
            raise PrepareError(
                Reason.SOURCE_FAILED,
                f"{url} is not fetched: a submodule must be on https, or on the ssh host of the repository itself.",
                f"Write a relative url into {_MODULES}, such as ../library.git: it is fetched as the repository is.",
            )
        remote = Remote(
            url,
            url_field=f"the submodule's url in {_MODULES}",
            revision_hint="Push the submodule's commit, or record another one in the repository that names it.",
        )
        if server == home:
            return replace(remote, login=self.main.login)
        hint = f"Logins are sent to {self.main.host} only: submodules elsewhere must be open to everybody."
        return replace(remote, login_hint=hint)


def _submodules(client: GitClient) -> Iterator[_Submodule]:
    """Those that .gitmodules names and the commit has; as for git itself, not those with `update = none`."""
    try:
        known = {settings["path"]: settings for settings in _settings(client) if settings.get("path")}
        listing = client.run("ls-tree", "-z", "--full-tree", "HEAD", "--", *sorted(known)) if known else ""
    except GitError as error:
        raise explained(error, client.remote) from None
    for entry in listing.split("\0"):
        link = _LINK.fullmatch(entry)
        settings = known.get(link["path"]) if link else None
        if link is not None and settings is not None and settings.get("update") != "none":
            yield _Submodule(link["path"], link["commit"], settings.get("url", ""))


def _settings(client: GitClient) -> list[dict[str, str]]:
    """The members of each section of .gitmodules, as it was committed: no link can stand in its place."""
    if not client.run("ls-tree", "HEAD", "--", _MODULES).startswith("100"):
        return []
    try:
        listing = client.run("config", "--blob", f"HEAD:{_MODULES}", "--null", "--list")
    except GitError as error:
        line = error.masked(error.output.partition("\n")[0].removeprefix("error: "))
        message = f"{client.remote.url} has a {_MODULES} that git cannot read: {line}"
        raise PrepareError(Reason.SOURCE_FAILED, message) from None
    sections: dict[str, dict[str, str]] = {}
    for entry in listing.split("\0"):
        name, _, value = entry.partition("\n")
        section, _, key = name.rpartition(".")
        if section.startswith("submodule."):
            sections.setdefault(section, {})[key] = value
    return list(sections.values())
