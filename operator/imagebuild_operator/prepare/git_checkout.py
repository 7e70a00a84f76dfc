"""Fetches exactly one commit of one repository, and checks its files out."""

import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.prepared import Prepared
from imagebuild_operator.prepare.git_causes import GitCause
from imagebuild_operator.prepare.git_client import GitClient, GitError
from imagebuild_operator.prepare.git_errors import explained
from imagebuild_operator.prepare.git_remote import Remote
from imagebuild_operator.prepare.patience import patiently
from imagebuild_operator.prepare.result import PrepareError

log = logging.getLogger(__name__)

Pause = Callable[[float], None]

TARGET: Final = "refs/imagebuild/source"
_EVERYTHING: Final = ("+refs/heads/*:refs/imagebuild/heads/*", "+refs/tags/*:refs/imagebuild/tags/*")


def _told(pattern: str) -> re.Pattern[str]:
    """In a line of git's own, which may quote the server."""
    return re.compile(rf"^(fatal|error): .*({pattern})", re.IGNORECASE | re.MULTILINE)


_COMMIT: Final = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_SHORT_COMMIT: Final = re.compile(r"[0-9a-fA-F]{7,39}")
_UNKNOWN_OBJECT: Final = _told(r"not our ref|couldn't find remote ref")
_NOT_ADVERTISED: Final = _told(r"unadvertised object|exact SHA1|not valid")

T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """What to ask the server for: a reference or a commit, and what the user calls it."""

    reference: str
    revision: str

    @property
    def by_commit(self) -> bool:
        """Whether it is a commit."""
        return _COMMIT.fullmatch(self.reference) is not None


def checked_out(client: GitClient, revision: str | None, *, pause: Pause = time.sleep) -> Prepared:
    """Check a revision, without one the default branch, out into the client's work tree, without history.

    Git's own files stay for those who need them, until the client discards them.

    Raises:
        PrepareError: if that is not possible.
    """
    client.initialise()
    wanted = trying(client.remote, lambda: _resolved(revision, client), pause)
    log.info("Fetching %s of %s", wanted.revision, client.remote.url)
    commit = trying(client.remote, lambda: _fetched(wanted, client), pause)
    try:
        client.run("checkout", "--quiet", "--force", "--detach", commit)
    except GitError as error:
        raise explained(error, client.remote) from None
    log.info("Checked out commit %s", commit)
    return Prepared(commit, wanted.revision)


def trying(remote: Remote, step: Callable[[], T], pause: Pause, causes: tuple[GitCause, ...] = ()) -> T:
    """What a step of git returns, tried again after faults of the network; git's errors become ours.

    `causes` are looked at before the table of git's own.
    """

    def explaining() -> T:
        try:
            return step()
        except GitError as error:
            raise explained(error, remote, causes) from None

    return patiently(explaining, pause)


def _resolved(revision: str | None, client: GitClient) -> Wanted:
    """What the revision stands for; where a branch and a tag have the same name, the branch."""
    if revision is None:
        return _default_branch(client)
    if _COMMIT.fullmatch(revision):
        return Wanted(revision.lower(), revision)
    candidates = [revision] if revision.startswith("refs/") else [f"refs/heads/{revision}", f"refs/tags/{revision}"]
    there = _references(client.run("ls-remote", "--quiet", "--", client.remote.url, *candidates).splitlines())
    for candidate in candidates:
        if candidate in there:
            return Wanted(candidate, revision)
    raise _no_revision(client.remote, revision)


def _default_branch(client: GitClient) -> Wanted:
    url = client.remote.url
    lines = client.run("ls-remote", "--quiet", "--symref", "--", url, "HEAD").splitlines()
    for line in lines:
        if line.startswith("ref: refs/heads/") and line.endswith("\tHEAD"):
            branch = line.removeprefix("ref: refs/heads/").removesuffix("\tHEAD")
            return Wanted("HEAD", branch)
    if "HEAD" in _references(lines):
        return Wanted("HEAD", "HEAD")
    message = f"{url} has no default branch with a commit: it is empty, or its HEAD names a branch it lacks."
    raise PrepareError(Reason.SOURCE_NOT_FOUND, message, "Push a commit, or name spec.source.git.revision.")


def _references(lines: Iterable[str]) -> frozenset[str]:
    return frozenset(name for line in lines if not line.startswith("ref: ") for name in line.split("\t")[1:])


def _fetched(wanted: Wanted, client: GitClient) -> str:
    """The commit, its files fetched."""
    try:
        client.run(
            "fetch", "--quiet", "--no-tags", "--depth=1", "--", client.remote.url, f"+{wanted.reference}:{TARGET}"
        )
    except GitError as error:
        if _UNKNOWN_OBJECT.search(error.output):
            raise _no_revision(client.remote, wanted.revision) from None
        if not wanted.by_commit or not _NOT_ADVERTISED.search(error.output):
            raise
        return _fetched_with_history(wanted, client)
    return _commit_of(TARGET, wanted, client)


def _fetched_with_history(wanted: Wanted, client: GitClient) -> str:
    """The same from a server that gives commits away only as part of a branch or tag."""
    log.info("The server does not hand out single commits: fetching all branches and tags.")
    client.run("fetch", "--quiet", "--no-tags", "--", client.remote.url, *_EVERYTHING)
    return _commit_of(wanted.reference, wanted, client)


def _commit_of(name: str, wanted: Wanted, client: GitClient) -> str:
    try:
        return client.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
    except GitError:
        raise _no_revision(client.remote, wanted.revision) from None


def _no_revision(remote: Remote, revision: str) -> PrepareError:
    if _SHORT_COMMIT.fullmatch(revision):
        return PrepareError(
            Reason.SHORT_COMMIT,
            f"Revision {revision} is no branch or tag of {remote.url}, and too short for a commit.",
            "Git servers know commits by their full name only: give all 40 digits (git rev-parse <commit>).",
        )
    what = "commit" if _COMMIT.fullmatch(revision) else "branch or tag"
    message = f"Revision {revision} not found: {remote.url} has no such {what}."
    return PrepareError(Reason.REVISION_NOT_FOUND, message, remote.revision_hint)
