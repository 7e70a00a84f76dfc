"""What git's messages mean: one ordered table, from the text git prints to reason, message and hint.

The texts are git's own in the C locale (remote-curl.c, http.c, transport.c, upload-pack.c) and those of libcurl with
GnuTLS or OpenSSL below it. Adding a cause means adding a row.
"""

import re
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.git_causes import AUTHORITY_HINT, REACH_HINT, GitCause, Words, fixed, row
from imagebuild_operator.prepare.git_client import GitError
from imagebuild_operator.prepare.git_output import own_and_servers
from imagebuild_operator.prepare.git_remote import Remote, origin
from imagebuild_operator.prepare.git_ssh_errors import SSH_CAUSES, key_refused
from imagebuild_operator.prepare.result import PrepareError

# Lines that stand below the one that says what happened.
_NOISE: Final = re.compile(
    r"(fatal: )?could not read from remote repository|please make sure you have the correct access rights|"
    r"and the repository exists\.|host key verification failed|failed to fetch some objects|errors logged to|"
    r"use `git lfs logs|check that (it exists|you have)|(fatal: )?credential helper .* told us to quit",
    re.IGNORECASE,
)

_PREFIX: Final = re.compile(r"^(fatal|error): ", re.IGNORECASE)
# Characters of a line that are told at most; a message holds fewer.
_TOLD: Final = 4096


def _login_required(remote: Remote, line: str) -> Words:
    if remote.ssh or origin(remote.url) in line:
        return f"{remote.url} asks for a login.", remote.login_hint
    return (
        f"{remote.url} redirects to another server, which asks for a login: {line}",
        f"Logins are sent to {remote.host} only: put the final address into {remote.url_field}.",
    )


def _login_refused(remote: Remote, line: str) -> Words:
    if remote.login is None:
        return f"{remote.url} refuses access without a login: {line}", remote.login_hint
    return (
        f"{remote.url} refuses the login in Secret {remote.login.secret}: {line}",
        "Check username and password there; a token must not have expired and must be allowed to read the repository.",
    )


def _refused_by_host(remote: Remote, line: str) -> Words:
    return (key_refused if remote.ssh else _login_refused)(remote, line)


def _not_found(remote: Remote, line: str) -> Words:
    hint = f"Check {remote.url_field}."
    if remote.login is None:
        hint += f" Some servers say the same of a private repository. {remote.login_hint}"
    else:
        hint += f" Some servers say the same when the login in Secret {remote.login.secret} may not read it."
    return f"There is no git repository at {remote.url}: {line}", hint


CAUSES: Final[tuple[GitCause, ...]] = (
    row(
        Reason.OUT_OF_MEMORY,
        r"died of signal 9|out of memory|malloc failed|cannot allocate memory",
        fixed(
            "Git ran out of memory while it fetched {url}.",
            "Raise spec.sourceResources.limits.memory.",
        ),
    ),
    row(
        Reason.OUT_OF_STORAGE,
        r"no space left on device|disk quota exceeded",
        fixed(
            "The node's disk is full: {line}",
            "Free space on the nodes, or ask for it in spec.sourceResources.requests.ephemeral-storage.",
        ),
    ),
    row(
        Reason.CERTIFICATE_UNKNOWN,
        r"certificate subject name|no alternative certificate|does not match target host",
        fixed("The certificate of {host} is for another host name: {line}", "Check the host in {field}."),
    ),
    row(
        Reason.CERTIFICATE_UNKNOWN,
        r"certificate verification failed|SSL certificate problem|certificate has expired|self[- ]signed certificate",
        fixed(
            "The certificate of {host} is not trusted, or has expired: {line}",
            AUTHORITY_HINT,
        ),
    ),
    *SSH_CAUSES,
    row(
        Reason.SOURCE_AUTH_FAILED,
        r"could not read (username|password) for|terminal prompts disabled",
        _login_required,
    ),
    row(Reason.SOURCE_AUTH_FAILED, r"authentication failed for|returned error: 40[13]", _login_refused),
    row(
        Reason.SOURCE_NOT_FOUND,
        r"repository '.*' not found|returned error: (404|410)|info/refs not valid|did you run git update-server-info|"
        r"does not appear to be a git repository|repository not found|could not be found",
        _not_found,
    ),
    row(
        Reason.SOURCE_FAILED,
        r"protocol \S+ (disabled|not supported)|transport '\S+' not allowed",
        fixed("{url} redirects to an address that is not https: {line}", "Put the final address into {field}."),
    ),
    row(
        Reason.SOURCE_UNREACHABLE,
        r"could not resolve (host|proxy)",
        fixed("The name of {host} cannot be resolved: {line}", "Check {field} and the cluster's DNS."),
    ),
    row(
        Reason.SOURCE_UNREACHABLE,
        r"operation too slow|timed out",
        fixed("{host} does not answer in time: {line}", REACH_HINT),
    ),
    row(
        Reason.SOURCE_UNREACHABLE,
        r"failed to connect|couldn't connect|connection (refused|reset)|unreachable|no route to host|empty reply|"
        r"returned error: (429|5\d\d)|early EOF|hung up unexpectedly|remote end hung up|unexpected disconnect|"
        r"RPC failed|gnutls_handshake|recv error|send failure|SSL_(connect|read)|transfer closed|HTTP/2 stream",
        fixed("{host} cannot be reached: {line}", REACH_HINT),
    ),
)


# What hosts say where git has no words of its own; as those are the server's, nothing else is taken from them.
HOSTS_CAUSES: Final[tuple[GitCause, ...]] = (
    row(
        Reason.SOURCE_AUTH_FAILED,
        r"^(unauthorized|public key authentication failed)|^(error: )?repository access denied",
        _refused_by_host,
    ),
    row(
        Reason.SOURCE_NOT_FOUND,
        r"^(error: )?repository( '.*')? not found|could not be found|repository not exported",
        _not_found,
    ),
)


def explained(error: GitError, remote: Remote, first: tuple[GitCause, ...] = ()) -> PrepareError:
    """The first row that applies to git's own words, of `first` and then of the table; then what a host says."""
    if error.status == -9:
        return _said(CAUSES[0], remote, "")
    line = last_line(error)
    own, servers = ("\n".join(lines) for lines in own_and_servers(error.output))
    for causes, words in (((*first, *CAUSES), own), (HOSTS_CAUSES, servers)):
        for cause in causes:
            if cause.pattern.search(words):
                return _said(cause, remote, line)
    return PrepareError(Reason.SOURCE_FAILED, f"Git failed to fetch {remote.url}: {line or error}")


def last_line(error: GitError) -> str:
    """Git's last line that tells an error, without its prefix and without what only a server may have to know.

    Where git tells none, the server's last.
    """
    both = own_and_servers(error.output)
    telling = [[line for line in lines if not _NOISE.match(line)] for lines in both]
    choices = (*map(_errors, telling), *telling, *map(_errors, both), *both)
    line = next((lines[-1] for lines in choices if lines), "")
    # A server may write a line of any length, and the expressions below take its square.
    line = " ".join(error.masked(_PREFIX.sub("", line)).split())[:_TOLD]
    line = re.sub(r"^unable to access '[^']*': ", "", line)
    # Logins and signatures travel in these parts of an address.
    return re.sub(r"(https?://)[^/@\s']*@", r"\1", re.sub(r"(https?://[^\s?']*)\?[^\s']*", r"\1", line))


def _errors(lines: list[str]) -> list[str]:
    return [line for line in lines if _PREFIX.match(line)]


def _said(cause: GitCause, remote: Remote, line: str) -> PrepareError:
    message, hint = cause.words(remote, line)
    return PrepareError(cause.reason, message, hint)
