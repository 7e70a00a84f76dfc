"""Fetching over ssh, from a real sshd on the loopback."""

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.plan import Plan
from imagebuild_operator.pod.prepared import Prepared, PrepareFailure
from imagebuild_operator.pod.source_plans import GitPlan, SourceSecret
from imagebuild_operator.prepare.__main__ import carry_out
from tests.cluster import lfs
from tests.cluster.process import spawn, wait_ready
from tests.cluster.sshserver import SshServer, greets, make_key, public_key
from tests.unit.prepare.fetching import Fetch
from tests.unit.prepare.git_server import GitServer, Remote, asks_for, git
from tests.unit.prepare.loopback import serving

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory, git_tools: None) -> Iterator[SshServer]:
    """A server for all tests of the module, each of which has repositories of its own below its root."""
    folder = tmp_path_factory.mktemp("ssh")
    with serving(GitServer(folder.parent)) as web:
        web.before.append(asks_for("robot", "secret-1"))
        address = f"http://{HOST}:{web.port}"
        server = SshServer(folder, folder.parent, HOST, HOST, (free_port(),), address, "robot:secret-1")
        process = spawn("sshd", server.prepare(), folder / "sshd.log")
        try:
            wait_ready(process, lambda: greets(HOST, server.ports[0]), 10)
            yield server
        finally:
            process.stop()


@pytest.fixture
def login(tmp_path: Path, sshd: SshServer) -> SourceSecret:
    """The Secret as the kubelet mounts it."""
    folder = tmp_path / "login"
    folder.mkdir()
    key = folder / "ssh-privatekey"
    key.write_bytes(sshd.key.read_bytes())
    key.chmod(0o400)
    (folder / "known_hosts").write_text(sshd.known_hosts)
    return SourceSecret(secret="git-login", folder=folder)


@pytest.fixture
def fetch(tmp_path: Path, sshd: SshServer, login: SourceSecret, remote: Remote) -> Fetch:
    return Fetch(tmp_path, address(sshd, remote), login)


def address(sshd: SshServer, remote: Remote) -> str:
    return sshd.url(str(remote.bare.relative_to(sshd.root)).removesuffix(".git"))


def change(login: SourceSecret, key: str, content: bytes, *, mode: int = 0o400) -> None:
    file = login.folder / key
    file.unlink(missing_ok=True)
    file.write_bytes(content)
    file.chmod(mode)


@pytest.mark.parametrize("revision", [None, "main", "refs/heads/main"])
def test_a_revision(fetch: Fetch, remote: Remote, revision: str | None) -> None:
    assert fetch(revision) == Prepared(git(remote.work, "rev-parse", "HEAD"), revision or "main")
    assert fetch.files() == ["Dockerfile", "services/web/app.py"]


def test_a_commit_that_no_branch_ends_with(fetch: Fetch, remote: Remote) -> None:
    commit = git(remote.work, "rev-parse", "HEAD")
    remote.commit({"later": ""})
    assert fetch(commit) == Prepared(commit, commit)
    assert "later" not in fetch.files()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("open to others", lambda key: key),
        ("no line break at the end", lambda key: key.rstrip()),
        ("line breaks of Windows", lambda key: key.replace(b"\n", b"\r\n")),
    ],
)
def test_a_key_that_ssh_would_refuse_as_it_is(fetch: Fetch, login: SourceSecret, name: str, content: object) -> None:
    key = (login.folder / "ssh-privatekey").read_bytes()
    change(login, "ssh-privatekey", content(key), mode=0o444 if name == "open to others" else 0o400)  # type: ignore[operator]
    assert fetch("main").revision == "main"


def test_nothing_of_the_secret_stays_in_the_scratch_folder(fetch: Fetch, login: SourceSecret) -> None:
    change(login, "ssh-privatekey", (login.folder / "ssh-privatekey").read_bytes(), mode=0o444)
    fetch("main")
    assert [file for file in fetch.scratch.rglob("*") if file.is_file()] == []


def test_a_host_that_is_not_known(fetch: Fetch, login: SourceSecret, sshd: SshServer) -> None:
    change(login, "known_hosts", sshd.known_hosts.replace(HOST, "git.example.com").encode())
    failure = fetch.failure("main")
    assert failure.reason == Reason.HOST_KEY_UNKNOWN
    assert (
        f"The host key of {HOST}:{sshd.ports[0]} is not in the key known_hosts of Secret git-login" in failure.message
    )
    assert f"ssh-keyscan -p {sshd.ports[0]} {HOST} prints" in failure.hint
    assert fetch.pauses == []


def test_a_host_with_another_key(tmp_path: Path, fetch: Fetch, login: SourceSecret, sshd: SshServer) -> None:
    other = public_key(make_key(tmp_path / "other")).read_text().split()
    name = sshd.known_hosts.split()[0]
    change(login, "known_hosts", f"{name} {other[0]} {other[1]}\n".encode())
    failure = fetch.failure("main")
    assert failure.reason == Reason.HOST_KEY_UNKNOWN
    assert "another host key" in failure.message
    assert "somebody stands between" in failure.hint


def test_what_is_trusted_comes_from_the_secret_alone(
    tmp_path: Path, fetch: Fetch, login: SourceSecret, sshd: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home" / ".ssh"
    home.mkdir(parents=True)
    (home / "known_hosts").write_text(sshd.known_hosts)
    (home / "config").write_text("Host *\n  StrictHostKeyChecking no\n")
    monkeypatch.setenv("HOME", str(home.parent))
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -o StrictHostKeyChecking=no")
    change(login, "known_hosts", b"git.example.com ssh-ed25519 AAAA\n")
    assert fetch.failure("main").reason == Reason.HOST_KEY_UNKNOWN


def test_a_key_that_the_server_does_not_know(tmp_path: Path, fetch: Fetch, login: SourceSecret) -> None:
    change(login, "ssh-privatekey", make_key(tmp_path / "stranger").read_bytes())
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_AUTH_FAILED
    assert "refuses the ssh key in Secret git-login" in failure.message
    assert "Permission denied (publickey)" in failure.message
    assert fetch.pauses == []


def test_the_agent_is_not_asked(
    tmp_path: Path, fetch: Fetch, login: SourceSecret, sshd: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that has the right key helps a wrong one of the Secret nothing."""
    path = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL) as agent:
        try:
            monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
            add = ["ssh-add", "-q", str(sshd.key)]
            # The agent makes its socket a moment after its start.
            subprocess.run(["timeout", "10", "sh", "-c", f"until [ -S {path} ]; do sleep 0.05; done"], check=True)
            subprocess.run(add, check=True)
            change(login, "ssh-privatekey", make_key(tmp_path / "stranger").read_bytes())
            assert fetch.failure("main").reason == Reason.SOURCE_AUTH_FAILED
        finally:
            agent.terminate()


def test_a_repository_that_is_not_there(fetch: Fetch) -> None:
    fetch.url = fetch.url.replace("app.git", "other.git")
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_NOT_FOUND
    assert fetch.url in failure.message


def test_a_revision_that_is_not_there(fetch: Fetch) -> None:
    assert fetch.failure("nowhere").reason == Reason.REVISION_NOT_FOUND
    assert fetch.failure("abcdef1").reason == Reason.SHORT_COMMIT


def test_a_port_where_nobody_listens(fetch: Fetch, sshd: SshServer) -> None:
    fetch.url = fetch.url.replace(str(sshd.ports[0]), str(free_port()))
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_UNREACHABLE
    assert fetch.pauses == [2.0, 5.0]


def test_a_name_that_does_not_resolve(fetch: Fetch) -> None:
    fetch.url = "git@git.invalid:acme/web.git"
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_UNREACHABLE
    assert "The name of git.invalid cannot be resolved" in failure.message


def test_a_server_that_says_nothing_is_given_up(fetch: Fetch, sshd: SshServer) -> None:
    with socket.create_server((HOST, 0)) as silent:
        fetch.url = fetch.url.replace(str(sshd.ports[0]), str(silent.getsockname()[1]))
        fetch.stall_seconds = 1
        failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_UNREACHABLE
    assert "in time" in failure.message


@pytest.mark.parametrize(
    ("key", "content", "said"),
    [
        ("known_hosts", None, "has no key known_hosts"),
        ("known_hosts", b" \n", "has an empty known_hosts"),
        ("ssh-privatekey", None, "has no key ssh-privatekey"),
        ("ssh-privatekey", b"not a key", "no private key that ssh can read"),
    ],
)
def test_a_secret_that_is_not_whole(
    fetch: Fetch, login: SourceSecret, key: str, content: bytes | None, said: str
) -> None:
    change(login, key, content or b"")
    if content is None:
        (login.folder / key).unlink()
    result = carry_out(Plan(context=fetch.context, scratch=fetch.scratch, source=GitPlan(url=fetch.url, login=login)))
    assert isinstance(result, PrepareFailure)
    assert result.reason == Reason.SECRET_INVALID
    assert "git-login" in result.message
    assert said in result.message


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_key_with_a_passphrase(tmp_path: Path, fetch: Fetch, login: SourceSecret, kind: str) -> None:
    key = make_key(tmp_path / "guarded", passphrase="open sesame", kind=kind)
    change(login, "ssh-privatekey", key.read_bytes())
    failure = fetch.failure("main")
    assert failure.reason == Reason.SECRET_INVALID
    assert "protected by a passphrase" in failure.message
    assert "git-login" in failure.message


def test_a_public_key_in_the_place_of_the_private_one(fetch: Fetch, login: SourceSecret, sshd: SshServer) -> None:
    change(login, "ssh-privatekey", public_key(sshd.key).read_bytes())
    assert "no private key" in fetch.failure("main").message


def test_submodules_of_the_same_host_and_no_other(
    tmp_path: Path, fetch: Fetch, remote: Remote, sshd: SshServer
) -> None:
    library = Remote.create(tmp_path, "library.git")
    commit = library.commit({"lib.py": "library\n"})
    remote.link("lib", "../library.git", commit)
    fetch.submodules = True
    fetch("main")
    assert (fetch.context / "lib" / "lib.py").read_text() == "library\n"
    elsewhere = replace(sshd, host="localhost")
    remote.link("lib", address(elsewhere, library), commit)
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_FAILED
    assert "Submodule lib: ssh://" in failure.message


def test_files_of_git_lfs(fetch: Fetch, remote: Remote) -> None:
    """The ssh server tells the address of Git LFS, which is on the web, and a login for it."""
    pointer = lfs.store(remote.bare, b"large\n")
    remote.commit({".gitattributes": "*.bin filter=lfs\n", "large.bin": pointer})
    fetch.lfs, fetch.protocols = True, "https:http"
    fetch("main")
    assert (fetch.context / "large.bin").read_text() == "large\n"


def test_git_lfs_over_ssh_on_another_host(fetch: Fetch, remote: Remote) -> None:
    remote.commit({".lfsconfig": "[lfs]\n\turl = ssh://git@git.example.com/app.git\n"})
    fetch.lfs, fetch.protocols = True, "https:http"
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_FAILED
    assert "not fetched from git@git.example.com" in failure.message
