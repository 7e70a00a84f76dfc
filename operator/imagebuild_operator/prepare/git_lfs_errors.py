"""What git-lfs's messages mean (lfshttp/errors.go, and Go's own about networks and certificates)."""

import re
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.git_causes import AUTHORITY_HINT, REACH_HINT, GitCause, Words, fixed, row
from imagebuild_operator.prepare.git_remote import Remote

OBJECT: Final = re.compile(r"\b[0-9a-f]{64}\b")


def _not_found(remote: Remote, line: str) -> Words:
    if OBJECT.search(line):
        return (
            f"A file of {remote.url} is not on its Git LFS server: {line}",
            "Push it there (git lfs push --all), or leave it out by lfs.fetchexclude in .lfsconfig.",
        )
    return (
        f"There is no Git LFS for {remote.url}: {line}",
        "Switch it on at the host, or take spec.source.git.lfs out. Some hosts say the same when the login may not "
        "read the repository.",
    )


def _login_required(remote: Remote, line: str) -> Words:
    return (
        f"The Git LFS server of {remote.url} asks for a login: {line}",
        f"{remote.login_hint} It is sent to {remote.host} only.",
    )


def _login_refused(remote: Remote, line: str) -> Words:
    whose = f"the login in Secret {remote.login.secret}" if remote.login else "access without a login"
    return (
        f"The Git LFS server of {remote.url} refuses {whose}: {line}",
        f"Let it read the files of Git LFS, too; it is sent to {remote.host} only.",
    )


LFS_CAUSES: Final[tuple[GitCause, ...]] = (
    # By our own credential helper, which gives a login only once.
    row(Reason.SOURCE_AUTH_FAILED, r"told us to quit", _login_refused),
    row(
        Reason.SOURCE_AUTH_FAILED,
        r"could not read (username|password) for|terminal prompts disabled|credentials for \S+ not found",
        _login_required,
    ),
    row(
        Reason.SOURCE_AUTH_FAILED,
        r"authentication required|authorization error|\[40[13]\]|returned error: 40[13]",
        _login_refused,
    ),
    row(
        Reason.SOURCE_NOT_FOUND,
        r"object not found|\[(404|410)\]|not implemented|returned error: (404|405|410|501)",
        _not_found,
    ),
    row(
        Reason.CERTIFICATE_UNKNOWN,
        r"x509: certificate is (not )?valid for|cannot validate certificate for",
        fixed("The certificate of the Git LFS server of {url} is for another host name: {line}"),
    ),
    row(
        Reason.CERTIFICATE_UNKNOWN,
        r"x509: ",
        fixed("The certificate of the Git LFS server of {url} is not trusted, or has expired: {line}", AUTHORITY_HINT),
    ),
    row(
        Reason.SOURCE_UNREACHABLE,
        r"dial tcp|i/o timeout|handshake timeout|connection re(fused|set)|unexpected EOF|server error|"
        r"returned error: (429|5\d\d)|runtime error",
        fixed("The Git LFS server of {url} cannot be reached: {line}", REACH_HINT),
    ),
)
