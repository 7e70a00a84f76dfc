"""Fetching one revision of a git repository, shallow, with the git client."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from imagebuild_operator.prepare.failure import PrepareError
from imagebuild_operator.prepare.plan import GitPlan

FULL_COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
SHORT_COMMIT: Final = re.compile(r"[0-9a-f]{7,39}")
STALLED_SECONDS: Final = 60

_CA_HINT: Final = "Name the certificate authority in spec.registries.caBundle."
_AUTH_HINT: Final = (
    "Check spec.source.git.secretRef: a Secret of type kubernetes.io/basic-auth with username and password."
)
# What git and libcurl (GnuTLS and OpenSSL) say; the first that matches counts.
_FAILURES: Final[tuple[tuple[str, str, str, str], ...]] = (
    (
        r"certificate verif|SSL certificate|certificate problem|certificate signed by|SSL_ERROR|gnutls_handshake",
        "UnknownCertificate",
        "The certificate of {host} is not trusted.",
        _CA_HINT,
    ),
    (
        r"could not read (Username|Password)|Authentication failed|error: 40[13]|HTTP 40[13]|Access denied",
        "GitAuthenticationFailed",
        "{host} refused the login for {url}.",
        _AUTH_HINT,
    ),
    (
        r"repository '.*' not found|error: 404|HTTP 404|does not appear to be a git repository",
        "RepositoryNotFound",
        "There is no repository {url}, or not for this login.",
        "Check spec.source.git.url; many servers say so of private repositories too.",
    ),
    (
        r"Could not resolve host|Failed to connect|Couldn't connect|Connection (refused|reset|timed out)|timed out"
        r"|too slow|early EOF|unexpected disconnect|transfer closed|error: 5\d\d|No route to host",
        "GitUnreachable",
        "{host} cannot be reached",
        "Check the address, and whether network policies let the build's Pod reach it.",
    ),
    (
        r"couldn't find remote ref|not our ref|upload-pack: not our ref|does not allow request for unadvertised",
        "RevisionNotFound",
        "There is no revision {revision} in {url}.",
        "Check spec.source.git.revision.",
    ),
    (
        r"No space left on device",
        "NoSpace",
        "The disk is full.",
        "Raise spec.sourceResources.limits.ephemeral-storage.",
    ),
)


@dataclass(frozen=True)
class Fetched:
    """What was fetched."""

    commit: str
    revision: str


class Repository:
    """One repository, fetched into the plan's target.

    Args:
        plan: what to fetch.
        trusted: a file with all certificates git shall trust, or None for the system's.
        home: a folder for git's temporary files.
        protocols: those git may use, redirects included.
    """

    def __init__(
        self, plan: GitPlan, *, trusted: Path | None, home: Path, protocols: tuple[str, ...] = ("https",)
    ) -> None:
        self._plan = plan
        self._trusted = trusted
        self._home = home
        self._protocols = protocols

    def fetch(self) -> Fetched:
        """Fetch and check out the revision.

        Raises:
            PrepareError: with the cause, as far as git tells it.
        """
        self._check_login()
        self._git("init", "--quiet", str(self._plan.target))
        self._git_in("remote", "add", "origin", self._plan.url)
        reference = self._resolve()
        self._fetch(reference)
        self._git_in("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD^{commit}")
        commit = self._git_in("rev-parse", "HEAD").strip()
        self._check_sub_path()
        return Fetched(commit, self._plan.revision or reference)

    def _check_login(self) -> None:
        login = self._plan.login
        if login is not None and not (login / "password").exists():
            raise PrepareError(
                "InvalidGitSecret",
                f"Secret {self._plan.secret} has no key password.",
                "It must be of type kubernetes.io/basic-auth, with the keys username and password.",
            )

    def _resolve(self) -> str:
        """The full reference, or the commit, that the revision means; a branch comes before a tag of that name."""
        revision = self._plan.revision
        if FULL_COMMIT.fullmatch(revision):
            return revision
        wanted = [revision] if revision.startswith("refs/") else [f"refs/heads/{revision}", f"refs/tags/{revision}"]
        patterns = wanted if revision else ["HEAD"]
        lines = self._git_in("ls-remote", "--quiet", "origin", *patterns).splitlines()
        offered = {line.partition("\t")[2] for line in lines}
        for reference in patterns:
            if reference in offered:
                return reference
        if not revision:
            raise PrepareError("RevisionNotFound", f"The repository {self._plan.url} is empty.", "Push a commit to it.")
        if SHORT_COMMIT.fullmatch(revision):
            raise PrepareError(
                "ShortCommit",
                f"There is no branch or tag {revision} in {self._plan.url}; it looks like a shortened commit.",
                "Write all 40 digits of the commit in spec.source.git.revision.",
            )
        raise self._failure("RevisionNotFound")

    def _fetch(self, reference: str) -> None:
        """One commit without its history; where a server refuses that for a commit, all branches and tags."""
        try:
            self._git_in("fetch", "--quiet", "--depth=1", "--no-tags", "origin", reference)
        except PrepareError as error:
            if error.reason != "RevisionNotFound" or not FULL_COMMIT.fullmatch(reference):
                raise
            self._git_in("fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
            if not self._has(reference):
                raise
            (self._plan.target / ".git" / "FETCH_HEAD").write_text(f"{reference}\t\t\n")

    def _has(self, commit: str) -> bool:
        try:
            self._git_in("cat-file", "-e", f"{commit}^{{commit}}")
        except PrepareError:
            return False
        return True

    def _check_sub_path(self) -> None:
        root = self._plan.target.resolve()
        context = (root / self._plan.sub_path).resolve()
        if not context.is_relative_to(root):
            raise PrepareError(
                "InvalidSubPath",
                f"source.subPath {self._plan.sub_path} leads out of the repository.",
                "It must not go through a link that points outside.",
            )
        if not context.is_dir():
            raise PrepareError(
                "SubPathNotFound",
                f"There is no folder {self._plan.sub_path} in {self._plan.url} at {self._plan.revision or 'HEAD'}.",
                "Check spec.source.subPath.",
            )

    def _git_in(self, *arguments: str) -> str:
        return self._git("-C", str(self._plan.target), *arguments)

    def _git(self, *arguments: str) -> str:
        result = subprocess.run(
            ["git", *self._settings(), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            env=self._environment(),
            check=False,
        )
        if result.returncode != 0:
            raise self._classified(result.stderr)
        return result.stdout

    def _settings(self) -> Iterator[str]:
        settings = {
            "safe.directory": "*",
            "core.hooksPath": os.devnull,
            "advice.detachedHead": "false",
            "init.defaultBranch": "main",
            "gc.auto": "0",
            "protocol.version": "2",
            "protocol.allow": "never",
            **{f"protocol.{protocol}.allow": "always" for protocol in self._protocols},
            # A server that hangs must not hold the Pod until its deadline.
            "http.lowSpeedLimit": "1",
            "http.lowSpeedTime": str(STALLED_SECONDS),
        }
        if self._plan.login is not None:
            parts = urlsplit(self._plan.url)
            helper = f"!{sys.executable} -m imagebuild_operator.prepare.git_login {self._plan.login}"
            settings[f"credential.{parts.scheme}://{parts.netloc}.helper"] = helper
        for name, value in settings.items():
            yield "-c"
            yield f"{name}={value}"

    def _environment(self) -> Mapping[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", *_PROXIES) if name in os.environ}
        return {
            **kept,
            "HOME": str(self._home),
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ASKPASS": "true",
            **({"GIT_SSL_CAINFO": str(self._trusted)} if self._trusted else {}),
        }

    def _classified(self, said: str) -> PrepareError:
        for pattern, reason, _, _ in _FAILURES:
            if re.search(pattern, said):
                return self._failure(reason, said)
        return PrepareError("GitFailed", f"Fetching {self._plan.url} failed: {_last_line(said)}")

    def _failure(self, reason: str, said: str = "") -> PrepareError:
        _, _, message, hint = next(row for row in _FAILURES if row[1] == reason)
        host = urlsplit(self._plan.url).netloc
        text = message.format(host=host, url=self._plan.url, revision=self._plan.revision or "HEAD")
        return PrepareError(reason, text if text.endswith(".") else f"{text}: {_last_line(said)}", hint)


_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("fatal: ") if lines else "git said nothing."
