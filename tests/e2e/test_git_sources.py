"""Git over https and ssh, submodules and Git LFS: one namespace, all builds at once, a test for each."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import installation
from tests.cluster.handle import ClusterHandle
from tests.cluster.settings import NODE_ADDRESS
from tests.cluster.sshserver import SshServer
from tests.e2e.git_repositories import LARGE, WRONG_TOKEN, key_lines, make_repositories, secret, secrets
from tests.e2e.missing import assert_waited, until_told
from tests.e2e.reported import reported
from tests.e2e.team import JSON, Team

KEY = {"secretRef": {"name": "git-key"}}
SHORT_COMMIT = "0f1e2d3"
EVERYTHING = {"submodules": True, "lfs": True}


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "git")
    yield space
    space.delete()


@pytest.fixture(scope="module")
def server(cluster: ClusterHandle) -> Iterator[SshServer]:
    with cluster.ssh_server() as server:
        yield server


@pytest.fixture(scope="module")
def builds(team: Team, server: SshServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    """All of them, applied at once."""
    make_repositories(team)
    public, private = f"public/{team.namespace}", f"private/{team.namespace}"
    team.cluster.git.commit(private, {"which": "branch"}, "Try", branch="next")
    sources: dict[str, JSON] = {
        "ssh": {"url": server.url(private), "revision": "next", **KEY},
        "ssh-tag": {"url": server.short_url(private), "revision": "v1", **KEY, **EVERYTHING},
        "token": {"url": team.cluster.git.url(private), "secretRef": {"name": "git-token"}, **EVERYTHING},
        "open": {"url": team.cluster.git.url(public), **EVERYTHING},
        "plain": {"url": team.cluster.git.url(public)},
    }
    sources |= {name: source(team, server) for name, source in FAILING.items()}
    folder: Path = tmp_path_factory.mktemp("keys")
    team.apply(*secrets(team, server, folder))
    team.apply(
        team.manifest("late", {"git": over_https(team, "late-login")}),
        # What may pass is tried again, unless that is not wanted.
        team.manifest("nowhere", {"git": sources.pop("nowhere")}, retry={"limit": 0}),
        *(team.manifest(name, {"git": source}) for name, source in sources.items()),
    )


@pytest.fixture(scope="module")
def late_login(team: Team, builds: None) -> None:
    """It comes as soon as it is missed: the kubelet looks again later, and meanwhile the others build."""
    until_told(team, "late", 'secret "late-login" not found')
    login = {"username": team.cluster.git.user, "password": team.cluster.git.password}
    team.apply(secret(team, "late-login", "kubernetes.io/basic-auth", login))


def over_ssh(team: Team, server: SshServer, login: str, **more: object) -> JSON:
    return {"url": server.url(f"private/{team.namespace}"), "secretRef": {"name": login}, **more}


def over_https(team: Team, login: str) -> JSON:
    return {"url": team.cluster.git.url(f"private/{team.namespace}"), "secretRef": {"name": login}}


FAILING: dict[str, Callable[[Team, SshServer], JSON]] = {
    "no-hosts": lambda team, server: over_ssh(team, server, "no-hosts"),
    "other-hosts": lambda team, server: over_ssh(team, server, "other-hosts"),
    "changed-host": lambda team, server: over_ssh(team, server, "changed-host"),
    "strange-key": lambda team, server: over_ssh(team, server, "strange-key"),
    "guarded-key": lambda team, server: over_ssh(team, server, "guarded-key"),
    "password-for-ssh": lambda team, server: over_ssh(team, server, "git-login"),
    "key-for-https": lambda team, server: {"url": team.cluster.git.url(f"private/{team.namespace}"), **KEY},
    "ssh-nowhere": lambda team, server: {"url": server.url("private/nowhere"), **KEY},
    "ssh-no-revision": lambda team, server: over_ssh(team, server, "git-key", revision="nowhere"),
    "refused": lambda team, server: over_https(team, "wrong-token"),
    "no-login": lambda team, server: {"url": team.cluster.git.url(f"private/{team.namespace}")},
    "nowhere": lambda team, server: {"url": "https://nowhere.imb.test/shop/web.git"},
    "short-commit": lambda team, server: {
        "url": team.cluster.git.url(f"public/{team.namespace}"),
        "revision": SHORT_COMMIT,
    },
    "elsewhere": lambda team, server: {
        "url": team.cluster.git.url(f"private/{team.namespace}-elsewhere"),
        "secretRef": {"name": "git-login"},
        "submodules": True,
    },
    "lost-file": lambda team, server: {"url": team.cluster.git.url(f"public/{team.namespace}-lost"), "lfs": True},
}


@pytest.mark.usefixtures("late_login")
class TestBuilt:
    @pytest.mark.parametrize(
        ("name", "tree", "revision"),
        [("ssh", "branch", "next"), ("ssh-tag", "private", "v1"), ("token", "private", "main")],
    )
    def test_a_private_repository(self, team: Team, name: str, tree: str, revision: str) -> None:
        status = team.result(name)
        assert status["phase"] == "Succeeded", status
        assert status["source"]["revision"] == revision
        assert re.fullmatch(r"[0-9a-f]{40}", status["source"]["commit"])
        files = team.files(status["image"])
        assert files["src/which"].content == tree
        assert not [path for path in files if path.split("/")[-1] == ".git"]

    @pytest.mark.parametrize(("name", "tree"), [("ssh-tag", "private"), ("token", "private"), ("open", "public")])
    def test_submodules_and_large_files(self, team: Team, name: str, tree: str) -> None:
        status = team.result(name)
        assert status["phase"] == "Succeeded", status
        files = team.files(status["image"])
        assert files["src/library/library.txt"].content == tree
        assert files["src/library/core/core.txt"].content == tree
        assert files["src/large.bin"].content == LARGE

    def test_neither_unless_asked_for(self, team: Team) -> None:
        status = team.result("plain")
        assert status["phase"] == "Succeeded", status
        files = team.files(status["image"])
        assert "src/library/library.txt" not in files
        assert files["src/large.bin"].content.startswith("version https://git-lfs.github.com/spec/v1\n")

    def test_the_commit_is_the_main_repositorys(self, team: Team) -> None:
        commits = {team.result(name)["source"]["commit"] for name in ("open", "plain")}
        assert len(commits) == 1

    def test_the_private_key_is_told_nowhere(self, team: Team, server: SshServer) -> None:
        for name in ("ssh", *FAILING):
            team.result(name)
        told = {kind: json.dumps(team.cluster.get(kind, "-n", team.namespace)) for kind in ("pods", "imb", "events")}
        told["operator's log"] = installation.operator_log(team.cluster, lines=-1)
        told["prepare's log"] = team.log("ssh", "prepare")
        hidden = (key_lines(server)[0], team.cluster.git.token, WRONG_TOKEN)
        assert [kind for kind, text in told.items() if any(value in text for value in hidden)] == []


WHY = [
    ("no-hosts", "SecretInvalid", r"^Secret no-hosts has no key known_hosts\.", "ssh-keyscan"),
    ("other-hosts", "HostKeyUnknown", r"is not in the key known_hosts of Secret other-hosts", "ssh-keyscan -p"),
    ("changed-host", "HostKeyUnknown", r"another host key than the key known_hosts of Secret", "stands between"),
    ("strange-key", "SourceAuthFailed", r"refuses the ssh key in Secret strange-key", "deploy key"),
    ("guarded-key", "SecretInvalid", r"^Secret guarded-key: .* protected by a passphrase", "without a passphrase"),
    ("password-for-ssh", "SecretInvalid", r"^Secret git-login has no key ssh-privatekey", "kubernetes.io/ssh-auth"),
    ("key-for-https", "SecretInvalid", r"^Secret git-key has no key password", "kubernetes.io/basic-auth"),
    ("ssh-nowhere", "SourceNotFound", r"no git repository at ssh://\S+/nowhere\.git", "spec.source.git.url"),
    ("ssh-no-revision", "RevisionNotFound", r"Revision nowhere not found", "spec.source.git.revision"),
    ("refused", "SourceAuthFailed", r"refuses the login in Secret wrong-token: ", "Check username and password there"),
    ("no-login", "SourceAuthFailed", r"git\.imb\.test\S+ asks for a login", "spec.source.git.secretRef"),
    ("nowhere", "SourceUnreachable", r"^The name of nowhere\.imb\.test cannot be resolved", "the cluster's DNS"),
    ("short-commit", "ShortCommit", rf"^Revision {SHORT_COMMIT} is no branch or tag of", "give all 40 digits"),
    ("elsewhere", "SourceAuthFailed", rf"^Submodule library: https://{NODE_ADDRESS}:\d+/", "sent to git.imb.test"),
    ("lost-file", "SourceNotFound", r"not on its Git LFS server: lost\.bin", "git lfs push"),
]


@pytest.mark.parametrize(("name", "reason", "message", "hint"), reported(WHY))
@pytest.mark.usefixtures("late_login")
def test_a_failure_says_why(team: Team, name: str, reason: str, message: str, hint: str) -> None:
    status = team.result(name)
    assert status["phase"] == "Failed"
    failure = status["failure"]
    assert failure["reason"] == reason, failure
    assert re.search(message, failure["message"]), failure
    assert hint in failure["hint"], failure
    assert "retries" not in status["run"]


@pytest.mark.usefixtures("late_login")
def test_a_login_that_comes_late_is_waited_for(team: Team) -> None:
    assert_waited(team, "late")


def test_every_failing_build_is_looked_at() -> None:
    assert {name for name, *_ in WHY} == FAILING.keys()
