"""Fetches exactly one commit of a git repository into the build context."""

import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from imagebuild_operator.pod.plan import GitLogin, GitPlan
from imagebuild_operator.prepare.credential_helper import value
from imagebuild_operator.prepare.git_client import GitClient, GitError
from imagebuild_operator.prepare.git_errors import explained
from imagebuild_operator.prepare.result import Prepared, PrepareError, Reason

log = logging.getLogger(__name__)

# Name resolution and routes of a Pod that has just started sometimes need a moment.
PAUSES: Final = (2.0, 5.0)

TARGET: Final = "refs/imagebuild/source"
_EVERYTHING: Final = ("+refs/heads/*:refs/imagebuild/heads/*", "+refs/tags/*:refs/imagebuild/tags/*")

_COMMIT: Final = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_SHORT_COMMIT: Final = re.compile(r"[0-9a-fA-F]{7,39}")
_UNKNOWN_OBJECT: Final = re.compile(r"not our ref|couldn't find remote ref", re.IGNORECASE)
_NOT_ADVERTISED: Final = re.compile(r"unadvertised object|exact SHA1|want \S+ not valid|not valid", re.IGNORECASE)
_REVISION_HINT: Final = "Check spec.source.git.revision: a branch, a tag, refs/... or all 40 digits of a commit."

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


def fetch_source(plan: GitPlan, client: GitClient, *, pause: Callable[[float], None] = time.sleep) -> Prepared:
    """Check the revision out into the client's work tree, without `.git` and without history.

    Raises:
        PrepareError: if that is not possible.
    """
    client.initialise()
    wanted = _patiently(lambda: _resolved(plan, client), plan, pause)
    log.info("Fetching %s of %s", wanted.revision, plan.url)
    commit = _patiently(lambda: _fetched(wanted, plan, client), plan, pause)
    try:
        client.run("checkout", "--quiet", "--force", "--detach", commit)
    except GitError as error:
        raise explained(error, plan) from None
    client.discard()
    log.info("Checked out commit %s", commit)
    return Prepared(commit, wanted.revision)


def login_values(login: GitLogin) -> tuple[str, str]:
    """Username and password of a mounted Secret, to check them and to blacken them; git gets them elsewhere.

    Raises:
        PrepareError: if one of them is missing, empty, or of several lines.
    """
    return _login_value(login, "username"), _login_value(login, "password")


def checked_folder(context: Path, sub_path: str, source: str) -> Path:
    """The folder below the context, links followed.

    Raises:
        PrepareError: if it is not there, no folder, or outside of the context.
    """
    folder = (context / sub_path).resolve()
    if not folder.is_relative_to(context.resolve()):
        message = f"spec.source.subPath {sub_path} leads out of {source} through a symbolic link."
        raise PrepareError(Reason.SUB_PATH_INVALID, message, "Name a folder inside the source.")
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        message = f"spec.source.subPath {sub_path} {what} in {source}."
        raise PrepareError(Reason.SUB_PATH_INVALID, message, "Name a folder inside the source.")
    return folder


def _patiently(step: Callable[[], T], plan: GitPlan, pause: Callable[[float], None]) -> T:
    """Try a step again after faults of the network; git's errors become ours."""
    for seconds in (*PAUSES, None):
        try:
            return step()
        except GitError as error:
            told = explained(error, plan)
            if seconds is None or told.failure.reason != Reason.UNREACHABLE:
                raise told from None
            log.info("%s Trying again in %g s.", told, seconds)
            pause(seconds)
    raise AssertionError("the last try returns or raises")


def _resolved(plan: GitPlan, client: GitClient) -> Wanted:
    """What the revision stands for; where a branch and a tag have the same name, the branch."""
    revision = plan.revision
    if revision is None:
        return _default_branch(plan, client)
    if _COMMIT.fullmatch(revision):
        return Wanted(revision.lower(), revision)
    candidates = [revision] if revision.startswith("refs/") else [f"refs/heads/{revision}", f"refs/tags/{revision}"]
    there = _references(client.run("ls-remote", "--quiet", plan.url, *candidates).splitlines())
    for candidate in candidates:
        if candidate in there:
            return Wanted(candidate, revision)
    raise _no_revision(plan, revision)


def _default_branch(plan: GitPlan, client: GitClient) -> Wanted:
    lines = client.run("ls-remote", "--quiet", "--symref", plan.url, "HEAD").splitlines()
    for line in lines:
        if line.startswith("ref: refs/heads/") and line.endswith("\tHEAD"):
            branch = line.removeprefix("ref: refs/heads/").removesuffix("\tHEAD")
            return Wanted("HEAD", branch)
    if "HEAD" in _references(lines):
        return Wanted("HEAD", "HEAD")
    message = f"{plan.url} has no default branch with a commit: it is empty, or its HEAD names a branch it lacks."
    raise PrepareError(Reason.REPOSITORY_EMPTY, message, "Push a commit, or name spec.source.git.revision.")


def _references(lines: Iterable[str]) -> frozenset[str]:
    return frozenset(name for line in lines if not line.startswith("ref: ") for name in line.split("\t")[1:])


def _fetched(wanted: Wanted, plan: GitPlan, client: GitClient) -> str:
    """The commit, its files fetched."""
    try:
        client.run("fetch", "--quiet", "--no-tags", "--depth=1", plan.url, f"+{wanted.reference}:{TARGET}")
    except GitError as error:
        if _UNKNOWN_OBJECT.search(error.output):
            raise _no_revision(plan, wanted.revision) from None
        if not wanted.by_commit or not _NOT_ADVERTISED.search(error.output):
            raise
        return _fetched_with_history(wanted, plan, client)
    return _commit_of(TARGET, wanted, plan, client)


def _fetched_with_history(wanted: Wanted, plan: GitPlan, client: GitClient) -> str:
    """The same from a server that gives commits away only as part of a branch or tag."""
    log.info("The server does not hand out single commits: fetching all branches and tags.")
    client.run("fetch", "--quiet", "--no-tags", plan.url, *_EVERYTHING)
    return _commit_of(wanted.reference, wanted, plan, client)


def _commit_of(name: str, wanted: Wanted, plan: GitPlan, client: GitClient) -> str:
    try:
        return client.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
    except GitError:
        raise _no_revision(plan, wanted.revision) from None


def _no_revision(plan: GitPlan, revision: str) -> PrepareError:
    if _SHORT_COMMIT.fullmatch(revision):
        return PrepareError(
            Reason.SHORT_COMMIT,
            f"Revision {revision} is no branch or tag of {plan.url}, and too short for a commit.",
            "Git servers know commits by their full name only: give all 40 digits (git rev-parse <commit>).",
        )
    what = "commit" if _COMMIT.fullmatch(revision) else "branch or tag"
    message = f"Revision {revision} not found: {plan.url} has no such {what}."
    return PrepareError(Reason.REVISION_NOT_FOUND, message, _REVISION_HINT)


def _login_value(login: GitLogin, key: str) -> str:
    try:
        text = value(login.folder, key)
    except FileNotFoundError:
        raise _bad_login(login, f"has no key {key}") from None
    except UnicodeDecodeError:
        raise _bad_login(login, f"has a {key} that is not text") from None
    if not text:
        raise _bad_login(login, f"has an empty {key}")
    if re.search(r"[\r\n\0]", text):
        raise _bad_login(login, f"has a {key} of more than one line")
    return text


def _bad_login(login: GitLogin, what: str) -> PrepareError:
    return PrepareError(
        Reason.GIT_SECRET_INVALID,
        f"Secret {login.secret} {what}.",
        "spec.source.git.secretRef must name a Secret of type kubernetes.io/basic-auth with the keys username and "
        "password.",
    )
