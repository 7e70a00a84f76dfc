"""What git and libcurl print, and what it means; lines that a test on the loopback cannot provoke."""

from pathlib import Path

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.source_plans import SourceSecret
from imagebuild_operator.prepare.git_client import GitError
from imagebuild_operator.prepare.git_errors import explained, last_line
from imagebuild_operator.prepare.git_lfs_errors import LFS_CAUSES
from imagebuild_operator.prepare.git_remote import Remote

URL = "https://git.example.com/acme/web.git"
REMOTE = Remote(URL)
ACCESS = f"fatal: unable to access '{URL}/': "


@pytest.mark.parametrize(
    ("output", "reason", "hint"),
    [
        (
            f"{ACCESS}server certificate verification failed. CAfile: /etc/ssl/certs/ca-certificates.crt CRLfile: none",
            Reason.CERTIFICATE_UNKNOWN,
            "spec.registries.caBundle",
        ),
        (
            f"{ACCESS}SSL certificate problem: unable to get local issuer certificate",
            Reason.CERTIFICATE_UNKNOWN,
            "spec.registries.caBundle",
        ),
        (
            f"{ACCESS}SSL: certificate subject name (other.example.com) does not match target host name "
            "'git.example.com'",
            Reason.CERTIFICATE_UNKNOWN,
            "spec.source.git.url",
        ),
        (f"{ACCESS}Could not resolve host: git.example.com", Reason.SOURCE_UNREACHABLE, "DNS"),
        (
            f"{ACCESS}Failed to connect to git.example.com port 443: Connection timed out",
            Reason.SOURCE_UNREACHABLE,
            "reach",
        ),
        (
            f"{ACCESS}gnutls_handshake() failed: An unexpected TLS packet was received.",
            Reason.SOURCE_UNREACHABLE,
            "reach",
        ),
        (f"{ACCESS}The requested URL returned error: 502", Reason.SOURCE_UNREACHABLE, "reach"),
        (f"{ACCESS}The requested URL returned error: 429", Reason.SOURCE_UNREACHABLE, "reach"),
        (
            "error: RPC failed; curl 18 transfer closed with outstanding read data remaining\n"
            "fatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
            Reason.SOURCE_UNREACHABLE,
            "reach",
        ),
        (f"remote: Not found.\nfatal: repository '{URL}/' not found", Reason.SOURCE_NOT_FOUND, "secretRef"),
        (f"remote: Denied.\nfatal: Authentication failed for '{URL}/'", Reason.SOURCE_AUTH_FAILED, "secretRef"),
        (
            "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output",
            Reason.OUT_OF_STORAGE,
            "ephemeral-storage",
        ),
        (
            "error: index-pack died of signal 9\nfatal: index-pack failed",
            Reason.OUT_OF_MEMORY,
            "spec.sourceResources.limits.memory",
        ),
        ("fatal: something nobody has seen before", Reason.SOURCE_FAILED, ""),
        ("", Reason.SOURCE_FAILED, ""),
    ],
)
def test_each_cause(output: str, reason: Reason, hint: str) -> None:
    failure = explained(GitError(128, output), REMOTE).failure
    assert failure.reason == reason
    assert hint in failure.hint
    assert "git.example.com" in failure.message or reason == Reason.OUT_OF_STORAGE


def test_git_itself_killed_for_its_memory() -> None:
    assert explained(GitError(-9, ""), REMOTE).failure.reason == Reason.OUT_OF_MEMORY


def test_the_line_leaves_out_what_may_be_secret() -> None:
    output = "hint: x\nfatal: redirected to https://robot:pass@git.example.com/x?X-Signature=abc&y=1 there\n\n"
    line = last_line(GitError(128, output))
    assert line == "redirected to https://git.example.com/x there"


def test_a_line_without_end_is_cut_before_it_is_read() -> None:
    line = last_line(GitError(128, "fatal: " + "http://" * 10_000))
    assert 0 < len(line) <= 4096


DISGUISED = [
    "remote: fatal: Authentication failed for 'https://git.example.com'",
    "remote: error: 403\rfatal: Authentication failed for 'https://git.example.com'",
    "remote: x\x0bfatal: Authentication failed for 'https://git.example.com'",
    "remote: x\u2028fatal: Authentication failed for 'https://git.example.com'",
    "remote:fatal: No space left on device",
    "warning: redirecting to https://git.example.com/certificate has expired/",
]


@pytest.mark.parametrize("line", DISGUISED)
def test_a_servers_words_are_not_taken_for_gits(line: str) -> None:
    own = "fatal: early EOF"
    for output in (f"{line}\n{own}", f"{own}\n{line}"):
        failure = explained(GitError(128, output), REMOTE).failure
        assert failure.reason == Reason.SOURCE_UNREACHABLE
        assert failure.message.endswith("cannot be reached: early EOF")


@pytest.mark.parametrize("line", [*DISGUISED, "fatal: remote error: x\nfatal: Authentication failed for 'https://x'"])
def test_a_servers_words_alone_explain_nothing(line: str) -> None:
    failure = explained(GitError(128, line), REMOTE).failure
    assert failure.reason == Reason.SOURCE_FAILED


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("fatal: remote error: access denied or repository not exported: /web.git", Reason.SOURCE_NOT_FOUND),
        ("fatal: remote error: \n  Repository not found.", Reason.SOURCE_NOT_FOUND),
        ("remote: Repository access denied.\nfatal: expected flush after ref listing", Reason.SOURCE_AUTH_FAILED),
    ],
)
def test_what_hosts_say_counts_where_git_says_nothing(output: str, reason: Reason) -> None:
    assert explained(GitError(128, output), REMOTE).failure.reason == reason


@pytest.mark.parametrize("secret", ["a", "fatal", "Authentication failed", "e"])
def test_a_login_that_is_part_of_gits_words_is_blackened_only_when_they_are_told(secret: str) -> None:
    output = f"remote: you sent {secret}\nfatal: Authentication failed for '{URL}': {secret}"
    failure = explained(GitError(128, output, (secret,)), REMOTE).failure
    assert failure.reason == Reason.SOURCE_AUTH_FAILED
    assert failure.message.endswith(": ***")


SSH = Remote("git@git.example.com:acme/web.git", SourceSecret(secret="git-key", folder=Path("login")))
END = (
    "fatal: Could not read from remote repository.\n\n"
    "Please make sure you have the correct access rights\nand the repository exists.\n"
)


@pytest.mark.parametrize(
    ("output", "reason", "said"),
    [
        ("ERROR: Repository not found.\n", Reason.SOURCE_NOT_FOUND, "acme/web.git: Repository not found."),
        (
            "remote: \nremote: ====\nremote: \n"
            "remote: ERROR: The project you were looking for could not be found or you may not view it.\n"
            "remote: \nremote: ====\n",
            Reason.SOURCE_NOT_FOUND,
            "The project you were looking for could not be found",
        ),
        ("Unauthorized\n", Reason.SOURCE_AUTH_FAILED, "refuses the ssh key in Secret git-key: Unauthorized"),
        (
            "remote: Public key authentication failed.\n",
            Reason.SOURCE_AUTH_FAILED,
            "refuses the ssh key in Secret git-key",
        ),
        (
            "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 192.0.2.1 port 22\n",
            Reason.SOURCE_UNREACHABLE,
            "git.example.com cannot be reached: Connection reset by 192.0.2.1 port 22",
        ),
        (
            "Timeout, server git.example.com not responding.\n",
            Reason.SOURCE_UNREACHABLE,
            "git.example.com does not answer in time",
        ),
        (
            "Unable to negotiate with 192.0.2.1 port 22: no matching host key type found. Their offer: ssh-rsa\n",
            Reason.SOURCE_FAILED,
            "offers only algorithms that ssh takes for broken",
        ),
        ("", Reason.SOURCE_FAILED, "Could not read from remote repository."),
    ],
)
def test_each_cause_over_ssh(output: str, reason: Reason, said: str) -> None:
    failure = explained(GitError(128, output + END), SSH).failure
    assert failure.reason == reason
    assert said in failure.message


@pytest.mark.parametrize(
    ("output", "reason", "hint"),
    [
        ("x509: certificate signed by unknown authority", Reason.CERTIFICATE_UNKNOWN, "spec.registries.caBundle"),
        ("x509: certificate is valid for a.example.com, not b.example.com", Reason.CERTIFICATE_UNKNOWN, ""),
        ("dial tcp 192.0.2.1:443: i/o timeout", Reason.SOURCE_UNREACHABLE, "reach"),
        ("LFS: Authorization error: https://git.example.com/o/1", Reason.SOURCE_AUTH_FAILED, "Git LFS"),
        ("write /prepare/scratch/git/x: no space left on device", Reason.OUT_OF_STORAGE, "nodes"),
        ("error: git-lfs died of signal 9", Reason.OUT_OF_MEMORY, "spec.sourceResources"),
        ("panic: runtime error: index out of range [0] with length 0", Reason.SOURCE_UNREACHABLE, "reach"),
        ("something nobody has seen before", Reason.SOURCE_FAILED, ""),
    ],
)
def test_each_cause_of_git_lfs(output: str, reason: Reason, hint: str) -> None:
    output = f"{output}\nFailed to fetch some objects from 'https://git.example.com/acme/web.git/info/lfs'\n"
    failure = explained(GitError(2, output), REMOTE, LFS_CAUSES).failure
    assert failure.reason == reason
    assert hint in failure.hint
