"""What git and libcurl print, and what it means; lines that a test on the loopback cannot provoke."""

import pytest

from imagebuild_operator.pod.plan import GitPlan
from imagebuild_operator.prepare.git_client import GitError
from imagebuild_operator.prepare.git_errors import explained, last_line
from imagebuild_operator.prepare.result import Reason

URL = "https://git.example.com/acme/web.git"
PLAN = GitPlan(url=URL, revision="main")
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
        (f"{ACCESS}Could not resolve host: git.example.com", Reason.UNREACHABLE, "DNS"),
        (f"{ACCESS}Failed to connect to git.example.com port 443: Connection timed out", Reason.UNREACHABLE, "reach"),
        (f"{ACCESS}gnutls_handshake() failed: An unexpected TLS packet was received.", Reason.UNREACHABLE, "reach"),
        (f"{ACCESS}The requested URL returned error: 502", Reason.UNREACHABLE, "reach"),
        (f"{ACCESS}The requested URL returned error: 429", Reason.UNREACHABLE, "reach"),
        (
            "error: RPC failed; curl 18 transfer closed with outstanding read data remaining\n"
            "fatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
            Reason.UNREACHABLE,
            "reach",
        ),
        (f"remote: Not found.\nfatal: repository '{URL}/' not found", Reason.REPOSITORY_NOT_FOUND, "secretRef"),
        (f"remote: Denied.\nfatal: Authentication failed for '{URL}/'", Reason.LOGIN_REFUSED, "secretRef"),
        (
            "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output",
            Reason.OUT_OF_SPACE,
            "ephemeral-storage",
        ),
        (
            "error: index-pack died of signal 9\nfatal: index-pack failed",
            Reason.OUT_OF_MEMORY,
            "spec.sourceResources.limits.memory",
        ),
        ("fatal: something nobody has seen before", Reason.GIT_FAILED, ""),
        ("", Reason.GIT_FAILED, ""),
    ],
)
def test_each_cause(output: str, reason: Reason, hint: str) -> None:
    failure = explained(GitError(128, output), PLAN).failure
    assert failure.reason == reason
    assert hint in failure.hint
    assert "git.example.com" in failure.message or reason == Reason.OUT_OF_SPACE


def test_git_itself_killed_for_its_memory() -> None:
    assert explained(GitError(-9, ""), PLAN).failure.reason == Reason.OUT_OF_MEMORY


def test_the_line_leaves_out_what_may_be_secret() -> None:
    line = last_line("hint: x\nfatal: redirected to https://robot:pass@git.example.com/x?X-Signature=abc&y=1 there\n\n")
    assert line == "redirected to https://git.example.com/x there"
