"""Fetching from real repositories: over http from git's own backend, on the loopback."""

import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.plan import Plan
from imagebuild_operator.pod.prepared import Prepared, PrepareFailure
from imagebuild_operator.pod.source_plans import GitPlan
from imagebuild_operator.prepare.__main__ import carry_out
from imagebuild_operator.prepare.git_client import GitClient
from tests.unit.prepare.fetching import Fetch, write_login
from tests.unit.prepare.git_server import GitServer, Remote, answers, asks_for, git, redirects_to
from tests.unit.prepare.loopback import serving

PASSWORD = "pa$$ word'\"\\%41"


@pytest.fixture
def fetch(tmp_path: Path, server: GitServer) -> Fetch:
    return Fetch(tmp_path, server.url())


def test_the_default_branch_without_git_files(fetch: Fetch, remote: Remote) -> None:
    commit = git(remote.work, "rev-parse", "HEAD")
    assert fetch() == Prepared(commit, "main")
    assert fetch.files() == ["Dockerfile", "services/web/app.py"]
    assert (fetch.context / "Dockerfile").read_text() == "FROM scratch\n"


def test_another_default_branch(fetch: Fetch, remote: Remote) -> None:
    commit = remote.commit({"trunk": ""}, branch="trunk/next")
    git(remote.bare, "symbolic-ref", "HEAD", "refs/heads/trunk/next")
    assert fetch() == Prepared(commit, "trunk/next")


@pytest.mark.parametrize("revision", ["feature/x", "refs/heads/feature/x"])
def test_a_branch(fetch: Fetch, remote: Remote, revision: str) -> None:
    commit = remote.commit({"feature": ""}, branch="feature/x")
    remote.commit({"other": ""}, branch="zz/refs/heads/feature/x")
    assert fetch(revision) == Prepared(commit, revision)
    assert "feature" in fetch.files()
    assert "other" not in fetch.files()


@pytest.mark.parametrize("annotated", [False, True])
@pytest.mark.parametrize("revision", ["v1.2", "refs/tags/v1.2"])
def test_a_tag_gives_its_commit(fetch: Fetch, remote: Remote, revision: str, annotated: bool) -> None:
    commit = git(remote.work, "rev-parse", "HEAD")
    git(remote.work, "tag", *(["--annotate", "--message=one"] if annotated else []), "v1.2")
    remote.commit({"later": ""})
    git(remote.work, "push", "--quiet", "origin", "v1.2")
    assert fetch(revision) == Prepared(commit, revision)
    assert "later" not in fetch.files()


def test_a_branch_comes_before_a_tag_of_its_name(fetch: Fetch, remote: Remote) -> None:
    git(remote.work, "tag", "same")
    git(remote.work, "push", "--quiet", "origin", "refs/tags/same")
    git(remote.work, "checkout", "--quiet", "-b", "elsewhere")
    commit = remote.commit({"branch": ""}, branch="elsewhere")
    git(remote.bare, "update-ref", "refs/heads/same", commit)
    assert fetch("same").commit == commit
    assert fetch("refs/tags/same").commit != commit


def test_a_reference_that_is_neither(fetch: Fetch, remote: Remote) -> None:
    commit = remote.commit({"pull": ""}, branch="pull")
    git(remote.bare, "update-ref", "refs/pull/7/head", commit)
    assert fetch("refs/pull/7/head") == Prepared(commit, "refs/pull/7/head")


@pytest.mark.parametrize("version", [0, 2])
def test_a_commit_that_no_branch_ends_with(fetch: Fetch, remote: Remote, server: GitServer, version: int) -> None:
    commit = git(remote.work, "rev-parse", "HEAD")
    remote.commit({"later": ""})
    server.version = version
    assert fetch(commit) == Prepared(commit, commit)
    assert fetch.files() == ["Dockerfile", "services/web/app.py"]


@pytest.mark.parametrize("version", [0, 2])
def test_a_commit_that_is_not_there(fetch: Fetch, server: GitServer, version: int) -> None:
    server.version = version
    failure = fetch.failure("0123456789" * 4)
    assert failure.reason == Reason.REVISION_NOT_FOUND
    assert "0123456789" * 4 in failure.message


def test_only_one_commit_is_fetched(fetch: Fetch, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    remote.commit({"second": ""})
    monkeypatch.setattr(GitClient, "discard", lambda self: None)
    fetch("main")
    with fetch.client() as client:
        assert client.run("rev-list", "--count", "refs/imagebuild/source").strip() == "1"


def test_modes_and_links_are_kept_and_the_umask_is_not_asked(fetch: Fetch, remote: Remote) -> None:
    (remote.work / "run.sh").write_text("#!/bin/sh\n")
    (remote.work / "run.sh").chmod(0o755)
    (remote.work / "link").symlink_to("run.sh")
    remote.commit({})
    fetch()
    assert stat.S_IMODE((fetch.context / "run.sh").stat().st_mode) & 0o111
    assert not stat.S_IMODE((fetch.context / "Dockerfile").stat().st_mode) & 0o111
    assert (fetch.context / "link").is_symlink()


def test_a_second_go_in_the_same_folders_leaves_nothing_of_the_first(fetch: Fetch, remote: Remote) -> None:
    fetch()
    (fetch.context / "stale").mkdir()
    (fetch.context / "stale" / "file").write_text("")
    (fetch.context / "dangling").symlink_to("nowhere")
    fetch()
    assert fetch.files() == ["Dockerfile", "services/web/app.py"]


def test_hooks_and_filters_of_a_repository_do_not_run(fetch: Fetch, remote: Remote) -> None:
    mark = fetch.tmp_path / "ran"
    remote.commit({".gitattributes": "* filter=evil\n", ".githooks/post-checkout": f"#!/bin/sh\ntouch {mark}\n"})
    fetch()
    assert not mark.exists()


@pytest.mark.parametrize(
    ("revision", "reason"),
    [
        ("does-not-exist", Reason.REVISION_NOT_FOUND),
        ("refs/heads/does-not-exist", Reason.REVISION_NOT_FOUND),
        ("abcdef1", Reason.SHORT_COMMIT),
        ("ABCDEF0123456789", Reason.SHORT_COMMIT),
        ("abcdef", Reason.REVISION_NOT_FOUND),
    ],
)
def test_a_revision_that_is_not_there(fetch: Fetch, server: GitServer, revision: str, reason: Reason) -> None:
    failure = fetch.failure(revision)
    assert failure.reason == reason
    assert revision in failure.message
    assert server.url() in failure.message
    assert "revision" in failure.hint or "digits" in failure.hint


def test_a_branch_may_look_like_a_short_commit(fetch: Fetch, remote: Remote) -> None:
    commit = git(remote.work, "rev-parse", "HEAD")
    git(remote.bare, "update-ref", "refs/heads/deadbeef", commit)
    assert fetch("deadbeef") == Prepared(commit, "deadbeef")


def test_a_tag_of_a_file_is_no_revision(fetch: Fetch, remote: Remote) -> None:
    git(remote.bare, "update-ref", "refs/tags/blob", git(remote.work, "rev-parse", "HEAD:Dockerfile"))
    assert fetch.failure("blob").reason == Reason.REVISION_NOT_FOUND


def test_an_empty_repository(tmp_path: Path, server: GitServer) -> None:
    Remote.create(tmp_path, "empty.git")
    failure = Fetch(tmp_path, server.url("empty.git")).failure()
    assert failure.reason == Reason.SOURCE_NOT_FOUND
    assert server.url("empty.git") in failure.message


def test_a_repository_that_is_not_there(tmp_path: Path, server: GitServer) -> None:
    failure = Fetch(tmp_path, server.url("other.git")).failure("main")
    assert failure.reason == Reason.SOURCE_NOT_FOUND
    assert server.url("other.git") in failure.message
    assert "secretRef" in failure.hint


def test_an_address_that_is_no_repository(fetch: Fetch, server: GitServer) -> None:
    server.before.append(answers(200, b"<!doctype html>\n<html>\n<p>Welcome\n</html>\n", {"Content-Type": "text/html"}))
    assert fetch.failure("main").reason == Reason.SOURCE_NOT_FOUND


def test_the_right_login(fetch: Fetch, remote: Remote, server: GitServer) -> None:
    server.before.append(asks_for("robot", PASSWORD))
    # Editors and `echo` end files with a line break.
    fetch.login = write_login(fetch.tmp_path, username="robot", password=f"{PASSWORD}\n")
    assert fetch("main").commit == git(remote.work, "rev-parse", "HEAD")


def test_a_token_alone(fetch: Fetch, remote: Remote, server: GitServer) -> None:
    server.before.append(asks_for("oauth2", PASSWORD))
    fetch.login = write_login(fetch.tmp_path, password=PASSWORD)
    assert fetch("main").commit == git(remote.work, "rev-parse", "HEAD")


def test_the_wrong_login(fetch: Fetch, server: GitServer) -> None:
    server.before.append(asks_for("robot", PASSWORD))
    fetch.login = write_login(fetch.tmp_path, username="robot", password="guess-work")
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_AUTH_FAILED
    assert "git-login" in failure.message
    assert "guess-work" not in failure.message + failure.hint
    assert fetch.pauses == []


def test_no_login_where_one_is_needed(fetch: Fetch, server: GitServer) -> None:
    server.before.append(asks_for("robot", PASSWORD))
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_AUTH_FAILED
    assert "spec.source.git.secretRef" in failure.hint


@pytest.mark.parametrize("with_login", [False, True])
def test_access_forbidden(fetch: Fetch, server: GitServer, with_login: bool) -> None:
    server.before.append(answers(403))
    if with_login:
        fetch.login = write_login(fetch.tmp_path, username="robot", password="secret-1")
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_AUTH_FAILED
    assert "403" in failure.message


@pytest.mark.parametrize("asked_first", [False, True])
def test_a_redirect_to_another_server_never_gets_the_login(
    tmp_path: Path, fetch: Fetch, server: GitServer, asked_first: bool
) -> None:
    with serving(GitServer(tmp_path / "served")) as other:
        other.before.append(asks_for("robot", PASSWORD))
        server.before += [*([asks_for("robot", PASSWORD)] if asked_first else []), redirects_to(other)]
        fetch.login = write_login(tmp_path, username="robot", password=PASSWORD)
        failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_AUTH_FAILED
    assert asked_first or "redirects to another server" in failure.message
    assert other.seen
    assert {authorization for _, authorization in other.seen} == {None}


def test_a_redirect_to_an_open_repository_is_followed(tmp_path: Path, fetch: Fetch, server: GitServer) -> None:
    with serving(GitServer(tmp_path / "served")) as other:
        server.before.append(redirects_to(other))
        assert fetch("main").revision == "main"


def test_a_redirect_to_another_protocol_is_refused(fetch: Fetch, server: GitServer) -> None:
    server.before.append(
        answers(302, headers={"Location": "ftp://127.0.0.1/app.git/info/refs?service=git-upload-pack"})
    )
    assert fetch.failure("main").reason == Reason.SOURCE_FAILED


def test_only_https_outside_of_tests(tmp_path: Path, server: GitServer) -> None:
    plan = Plan(context=tmp_path / "context", scratch=tmp_path / "scratch", source=GitPlan(url=server.url()))
    result = carry_out(plan)
    assert isinstance(result, PrepareFailure)
    assert "not allowed" in result.message
    assert server.seen == []


def test_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    fetch = Fetch(tmp_path, "http://git.invalid/app.git")
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_UNREACHABLE
    assert "git.invalid" in failure.message
    assert fetch.pauses == [2.0, 5.0]


def test_a_port_where_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    failure = Fetch(tmp_path, f"http://127.0.0.1:{port}/app.git").failure("main")
    assert failure.reason == Reason.SOURCE_UNREACHABLE


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        fetch = Fetch(tmp_path, f"http://127.0.0.1:{port}/app.git", stall_seconds=1)
        failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_UNREACHABLE
    assert "in time" in failure.message


def test_a_fault_of_the_moment_is_tried_again(fetch: Fetch, server: GitServer) -> None:
    once = iter([True])
    broken = answers(503)
    server.before.append(lambda request: next(once, False) and broken(request))
    assert fetch("main").revision == "main"
    assert fetch.pauses == [2.0]


def test_what_a_server_sends_back_is_blackened(fetch: Fetch, tmp_path: Path, server: GitServer) -> None:
    """A server may repeat the login it was sent in its own error, which git prints."""
    password = "secret-from-the-cluster"
    packet = f"ERR you sent {password} to me".encode()
    content = b"001e# service=git-upload-pack\n0000" + f"{len(packet) + 4:04x}".encode() + packet
    server.before.append(answers(200, content, {"Content-Type": "application/x-git-upload-pack-advertisement"}))
    login = write_login(tmp_path, username="robot", password=password)
    plan = Plan(
        context=fetch.context,
        scratch=tmp_path / "scratch",
        source=GitPlan(url=server.url(), revision="main", login=login),
    )
    result = carry_out(plan, protocols="http")
    assert isinstance(result, PrepareFailure)
    assert "you sent *** to me" in result.message


def test_what_git_says_is_understood_before_it_is_blackened(fetch: Fetch, tmp_path: Path, server: GitServer) -> None:
    server.before.append(asks_for("robot", PASSWORD))
    login = write_login(tmp_path, username="robot", password="Authentication")
    source = GitPlan(url=server.url(), revision="main", login=login)
    result = carry_out(Plan(context=fetch.context, scratch=tmp_path / "scratch", source=source), protocols="http")
    assert isinstance(result, PrepareFailure)
    assert result.reason == Reason.SOURCE_AUTH_FAILED
    assert "*** failed for" in result.message


def test_the_login_is_in_no_argument_no_variable_and_no_file(
    fetch: Fetch, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.before.append(asks_for("robot-name", PASSWORD))
    fetch.login = write_login(fetch.tmp_path, username="robot-name", password=PASSWORD)
    seen: list[str] = []
    real = subprocess.Popen

    def spying(command: Sequence[str], **options: Any) -> object:
        seen.extend([*command, *map(str, options["env"].items())])
        return real(command, **options)

    monkeypatch.setattr("imagebuild_operator.prepare.git_output.subprocess.Popen", spying)
    monkeypatch.setattr(GitClient, "discard", lambda self: None)
    fetch("main")
    written = [path.read_bytes() for path in (fetch.tmp_path / "scratch").rglob("*") if path.is_file()]
    assert seen
    assert written
    assert not any("robot-name" in text or PASSWORD in text for text in seen)
    assert not any(b"robot-name" in content or PASSWORD.encode() in content for content in written)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"username": "robot"}, "no key password"),
        ({"username": "", "password": "x1"}, "empty username"),
        ({"username": "robot", "password": "\n"}, "empty password"),
        ({"username": "robot", "password": "one\ntwo"}, "more than one line"),
        ({"ssh-privatekey": "x1"}, "no key password"),
    ],
)
def test_a_login_that_is_not_whole(tmp_path: Path, server: GitServer, values: dict[str, str], said: str) -> None:
    plan = Plan(
        context=tmp_path / "context",
        scratch=tmp_path / "scratch",
        source=GitPlan(url=server.url(), login=write_login(tmp_path, **values)),
    )
    result = carry_out(plan, protocols="http")
    assert isinstance(result, PrepareFailure)
    assert result.reason == Reason.SECRET_INVALID
    assert said in result.message
    assert "git-login" in result.message
    assert server.seen == []


@pytest.mark.parametrize(
    ("sub_path", "said"),
    [
        ("services/web", None),
        ("inside", None),
        ("services/api", "does not exist"),
        ("Dockerfile", "is a file"),
        ("outside", "symbolic link"),
        ("absolute", "symbolic link"),
    ],
)
def test_the_sub_path(tmp_path: Path, remote: Remote, server: GitServer, sub_path: str, said: str | None) -> None:
    (remote.work / "inside").symlink_to("services")
    (remote.work / "outside").symlink_to("../..")
    (remote.work / "absolute").symlink_to("/etc")
    commit = remote.commit({})
    plan = Plan(
        context=tmp_path / "context", scratch=tmp_path / "scratch", sub_path=sub_path, source=GitPlan(url=server.url())
    )
    result = carry_out(plan, protocols="http")
    if said is None:
        assert result == Prepared(commit, "main")
    else:
        assert isinstance(result, PrepareFailure)
        assert result.reason == Reason.SUB_PATH_INVALID
        assert said in result.message
        assert sub_path in result.message


def test_the_credential_helper_answers_for_its_host_only(tmp_path: Path) -> None:
    from imagebuild_operator.prepare import credential_helper

    login = write_login(tmp_path, username="robot", password="secret-1")
    arguments = (str(login.folder), "https", "git.example.com:8443", str(tmp_path / "refused"))
    command = [sys.executable, "-I", credential_helper.__file__, *arguments]

    def ask(host: str, protocol: str = "https", operation: str = "get") -> str:
        question = f"protocol={protocol}\nhost={host}\nwwwauth[]=Basic realm=x\n\n"
        done = subprocess.run([*command, operation], input=question, capture_output=True, text=True, check=True)
        return done.stdout

    assert ask("git.example.com:8443") == "username=robot\npassword=secret-1\n"
    assert ask("git.example.com") == ""
    assert ask("git.example.com:8443", protocol="http") == ""
    assert ask("git.example.com:8443.evil.example") == ""
    assert ask("git.example.com:8443.evil.example", operation="erase") == ""
    assert ask("git.example.com:8443").startswith("username=")
    assert ask("git.example.com:8443", operation="erase") == ""
    assert ask("git.example.com:8443") == "quit=1\n"


@pytest.mark.parametrize("to", ["/kaniko/.docker", "/", "/proc/1", "/var/run/secrets/kubernetes.io", "../" * 32])
def test_a_link_to_the_builds_own_credentials(fetch: Fetch, remote: Remote, to: str) -> None:
    """COPY follows links among the folders above what it copies."""
    (remote.work / "config").symlink_to(to)
    remote.commit({"other": "file\n"})
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_INVALID
    assert "config, a symbolic link to" in failure.message


@pytest.mark.parametrize("to", ["/run", "/etc/motd", "../elsewhere", "services", "nowhere"])
def test_other_links_are_the_repositorys_business(fetch: Fetch, remote: Remote, to: str) -> None:
    (remote.work / "config").symlink_to(to)
    remote.commit({"other": "file\n"})
    fetch("main")
    assert (fetch.context / "config").readlink() == Path(to)
