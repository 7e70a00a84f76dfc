"""What git's messages mean: one ordered table, from the text git prints to reason, message and hint.

The texts are git's own in the C locale (remote-curl.c, http.c, transport.c, upload-pack.c) and those of libcurl with
GnuTLS or OpenSSL below it. Adding a cause means adding a row.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from imagebuild_operator.pod.plan import GitPlan
from imagebuild_operator.prepare.git_client import GitError, host_of, origin
from imagebuild_operator.prepare.result import PrepareError, Reason

Words = tuple[str, str]


@dataclass(frozen=True)
class GitCause:
    """One row: what git prints, and what is said; `{line}` in the words stands for git's own last line."""

    reason: Reason
    pattern: re.Pattern[str]
    words: Callable[[GitPlan, str], Words]


def _row(reason: Reason, pattern: str, words: Callable[[GitPlan, str], Words]) -> GitCause:
    return GitCause(reason, re.compile(pattern, re.IGNORECASE), words)


def _login_required(plan: GitPlan, line: str) -> Words:
    if origin(plan.url) in line:
        return (
            f"{plan.url} asks for a login.",
            "Name a Secret of type kubernetes.io/basic-auth in spec.source.git.secretRef.",
        )
    return (
        f"{plan.url} redirects to another server, which asks for a login: {line}",
        f"Logins are sent to {host_of(plan.url)} only: put the final address into spec.source.git.url.",
    )


def _login_refused(plan: GitPlan, line: str) -> Words:
    if plan.login is None:
        return (
            f"{plan.url} refuses access without a login: {line}",
            "Name a Secret of type kubernetes.io/basic-auth in spec.source.git.secretRef.",
        )
    return (
        f"{plan.url} refuses the login in Secret {plan.login.secret}: {line}",
        "Check username and password there; a token must not have expired and must be allowed to read the repository.",
    )


def _not_found(plan: GitPlan, line: str) -> Words:
    hint = "Check spec.source.git.url."
    if plan.login is None:
        hint += " Some servers say the same of a private repository: then name a Secret in spec.source.git.secretRef."
    else:
        hint += f" Some servers say the same when the login in Secret {plan.login.secret} may not read it."
    return f"There is no git repository at {plan.url}: {line}", hint


def _fixed(message: str, hint: str = "") -> Callable[[GitPlan, str], Words]:
    return lambda plan, line: (message.format(url=plan.url, host=host_of(plan.url), line=line), hint)


CAUSES: Final[tuple[GitCause, ...]] = (
    _row(
        Reason.OUT_OF_MEMORY,
        r"died of signal 9|out of memory|malloc failed|cannot allocate memory",
        _fixed(
            "Git ran out of memory while it fetched {url}.",
            "Raise spec.sourceResources.limits.memory.",
        ),
    ),
    _row(
        Reason.OUT_OF_SPACE,
        r"no space left on device|disk quota exceeded",
        _fixed(
            "The node's disk is full: {line}",
            "Free space on the nodes, or ask for it in spec.sourceResources.requests.ephemeral-storage.",
        ),
    ),
    _row(
        Reason.CERTIFICATE_UNKNOWN,
        r"certificate subject name|no alternative certificate|does not match target host",
        _fixed("The certificate of {host} is for another host name: {line}", "Check the host in spec.source.git.url."),
    ),
    _row(
        Reason.CERTIFICATE_UNKNOWN,
        r"certificate verification failed|SSL certificate problem|certificate has expired|self[- ]signed certificate",
        _fixed(
            "The certificate of {host} is not trusted, or has expired: {line}",
            "Put the certificate authority that signed it into a ConfigMap and name that in spec.registries.caBundle.",
        ),
    ),
    _row(
        Reason.LOGIN_REQUIRED,
        r"could not read (username|password) for|terminal prompts disabled",
        _login_required,
    ),
    _row(Reason.LOGIN_REFUSED, r"authentication failed for|returned error: 40[13]", _login_refused),
    _row(
        Reason.REPOSITORY_NOT_FOUND,
        r"repository '.*' not found|returned error: (404|410)|info/refs not valid|did you run git update-server-info",
        _not_found,
    ),
    _row(
        Reason.GIT_FAILED,
        r"protocol \S+ (disabled|not supported)|transport '\S+' not allowed",
        _fixed(
            "{url} redirects to an address that is not https: {line}", "Put the final address into spec.source.git.url."
        ),
    ),
    _row(
        Reason.UNREACHABLE,
        r"could not resolve (host|proxy)",
        _fixed("The name of {host} cannot be resolved: {line}", "Check spec.source.git.url and the cluster's DNS."),
    ),
    _row(
        Reason.UNREACHABLE,
        r"operation too slow|timed out",
        _fixed("{host} does not answer in time: {line}", "Check that Pods may reach it: network policies, proxies."),
    ),
    _row(
        Reason.UNREACHABLE,
        r"failed to connect|couldn't connect|connection (refused|reset)|unreachable|no route to host|empty reply|"
        r"returned error: (429|5\d\d)|early EOF|hung up unexpectedly|remote end hung up|unexpected disconnect|"
        r"RPC failed|gnutls_handshake|recv error|send failure|SSL_(connect|read)|transfer closed|HTTP/2 stream",
        _fixed("{host} cannot be reached: {line}", "Check that Pods may reach it: network policies, proxies."),
    ),
)


def explained(error: GitError, plan: GitPlan) -> PrepareError:
    """The first row of the table that applies, or git's own words."""
    if error.status == -9:
        return _said(CAUSES[0], plan, "")
    line = last_line(error.output)
    for cause in CAUSES:
        if cause.pattern.search(error.output):
            return _said(cause, plan, line)
    return PrepareError(Reason.GIT_FAILED, f"Git failed to fetch {plan.url}: {line or error}")


def last_line(output: str) -> str:
    """Git's last line that tells an error, without its prefix and without what only a server may have to know."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith(("fatal: ", "error: "))] or lines
    line = said[-1] if said else ""
    line = re.sub(r"^(fatal|error): ", "", line)
    line = re.sub(r"^unable to access '[^']*': ", "", line)
    # Logins and signatures travel in these parts of an address.
    return re.sub(r"(https?://)[^/@\s']*@", r"\1", re.sub(r"(https?://[^\s?']*)\?[^\s']*", r"\1", line))


def _said(cause: GitCause, plan: GitPlan, line: str) -> PrepareError:
    message, hint = cause.words(plan, line)
    return PrepareError(cause.reason, message, hint)
