"""Files of Git LFS, fetched by its real client from a small server."""

from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from imagebuild_operator.api.names import Reason
from tests.cluster import lfs
from tests.unit.prepare.fetching import Fetch, write_login
from tests.unit.prepare.git_server import GitServer, Remote, answers, asks_for
from tests.unit.prepare.loopback import Answer, serving

pytestmark = pytest.mark.usefixtures("git_tools")

ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
CONTENT = "large\n" * 1000


@pytest.fixture
def pointer(remote: Remote) -> str:
    """The pointer in `assets/large.bin` of the repository."""
    pointer = lfs.store(remote.bare, CONTENT.encode())
    remote.commit({".gitattributes": ATTRIBUTES, "assets/large.bin": pointer})
    return pointer


@pytest.fixture
def fetch(tmp_path: Path, server: GitServer, pointer: str) -> Fetch:
    return Fetch(tmp_path, server.url(), lfs=True)


def large(fetch: Fetch) -> str:
    return (fetch.context / "assets" / "large.bin").read_text()


def only_for_lfs(answer: Answer) -> Answer:
    def only(request: BaseHTTPRequestHandler) -> bool:
        return "/info/lfs/" in request.path and answer(request)

    return only


def test_pointers_become_files(fetch: Fetch) -> None:
    assert fetch("main").revision == "main"
    assert large(fetch) == CONTENT
    assert fetch.files() == [".gitattributes", "Dockerfile", "assets/large.bin", "services/web/app.py"]


def test_pointers_stay_unless_asked_for(fetch: Fetch, server: GitServer, pointer: str) -> None:
    fetch.lfs = False
    fetch("main")
    assert large(fetch) == pointer
    assert not [path for path, _ in server.seen if "lfs" in path]


def test_a_repository_without_any(fetch: Fetch, remote: Remote) -> None:
    remote.commit({"Dockerfile": "FROM busybox\n"}, branch="plain")
    assert fetch("plain").revision == "plain"


def test_what_the_repository_excludes_stays_a_pointer(fetch: Fetch, remote: Remote, pointer: str) -> None:
    remote.commit({".lfsconfig": "[lfs]\n\tfetchexclude = assets\n"})
    fetch("main")
    assert large(fetch) == pointer


def test_the_login_is_used(fetch: Fetch, server: GitServer) -> None:
    server.before.append(asks_for("robot", "secret-1"))
    fetch.login = write_login(fetch.tmp_path, username="robot", password="secret-1")
    fetch("main")
    assert large(fetch) == CONTENT


def test_the_login_goes_to_no_other_host(tmp_path: Path, fetch: Fetch, server: GitServer, remote: Remote) -> None:
    with serving(GitServer(tmp_path / "served")) as other:
        other.before.append(asks_for("robot", "secret-1"))
        server.before.append(asks_for("robot", "secret-1"))
        fetch.login = write_login(tmp_path, username="robot", password="secret-1")
        remote.commit({".lfsconfig": f"[lfs]\n\turl = {other.url()}/info/lfs\n"})
        failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_AUTH_FAILED
    assert "asks for a login" in failure.message
    assert f"sent to 127.0.0.1:{server.port} only" in failure.hint
    assert other.seen
    assert {authorization for _, authorization in other.seen} == {None}


def test_an_open_server_elsewhere(tmp_path: Path, fetch: Fetch, remote: Remote) -> None:
    with serving(GitServer(tmp_path / "served")) as other:
        remote.commit({".lfsconfig": f"[lfs]\n\turl = {other.url()}/info/lfs\n"})
        fetch("main")
    assert large(fetch) == CONTENT


@pytest.mark.parametrize("url", ["file:///srv/app.git", "/srv/app.git", "ssh://git@git.example.com/app.git"])
def test_a_server_that_is_not_on_the_web(fetch: Fetch, remote: Remote, url: str) -> None:
    remote.commit({".lfsconfig": f"[lfs]\n\turl = {url}\n"})
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_FAILED
    assert "are not fetched from" in failure.message
    assert ".lfsconfig" in failure.hint


@pytest.mark.parametrize(
    "config",
    [
        '[remote]\n\tlfsdefault = other\n[remote "other"]\n\tlfsurl = https://git.example.com/x\n'
        '[remote "origin"]\n\tlfsurl = file:///srv/app.git\n',
        '[lfs]\n\turl = "evil.example.com://git.example.com x/"\n',
    ],
)
def test_a_server_that_the_configuration_hides(fetch: Fetch, remote: Remote, config: str) -> None:
    """Files of the init container, Secrets among them, could be told by their checksums, or fetched by them."""
    remote.commit({".lfsconfig": config})
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_FAILED
    assert "are not fetched from" in failure.message


@pytest.mark.parametrize("with_login", [False, True])
def test_an_object_that_was_never_pushed(
    fetch: Fetch, server: GitServer, remote: Remote, pointer: str, with_login: bool
) -> None:
    if with_login:
        server.before.append(asks_for("robot", "secret-1"))
        fetch.login = write_login(fetch.tmp_path, username="robot", password="secret-1")
    lfs.stored(remote.bare, pointer.split("sha256:")[1].split()[0]).unlink()
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_NOT_FOUND
    assert "assets/large.bin" in failure.message
    assert "git lfs push" in failure.hint
    assert fetch.pauses == []


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (403, Reason.SOURCE_AUTH_FAILED, "refuses access without a login"),
        (404, Reason.SOURCE_NOT_FOUND, "no Git LFS"),
        (501, Reason.SOURCE_NOT_FOUND, "no Git LFS"),
        (429, Reason.SOURCE_UNREACHABLE, "cannot be reached"),
        (503, Reason.SOURCE_UNREACHABLE, "cannot be reached"),
    ],
)
@pytest.mark.parametrize("content", [b"", b'{"message": "No."}'])
def test_what_the_server_answers(
    fetch: Fetch, server: GitServer, status: int, reason: Reason, said: str, content: bytes
) -> None:
    """With words of its own, the client leaves the number out."""
    server.before.append(only_for_lfs(answers(status, content, {"Content-Type": lfs.MEDIA_TYPE})))
    failure = fetch.failure("main")
    assert failure.reason == reason
    assert said in failure.message
    assert str(status) in failure.message


def test_the_wrong_login(fetch: Fetch, server: GitServer) -> None:
    server.before.append(only_for_lfs(asks_for("robot", "secret-1")))
    fetch.login = write_login(fetch.tmp_path, username="robot", password="guess-work")
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_AUTH_FAILED
    assert "refuses the login in Secret git-login" in failure.message
    assert "guess-work" not in failure.message + failure.hint


def test_a_server_that_is_not_there(fetch: Fetch, remote: Remote) -> None:
    remote.commit({".lfsconfig": "[lfs]\n\turl = http://git.invalid/app.git/info/lfs\n"})
    failure = fetch.failure("main")
    assert failure.reason == Reason.SOURCE_UNREACHABLE
    assert "no such host" in failure.message
    assert fetch.pauses == [2.0, 5.0]
