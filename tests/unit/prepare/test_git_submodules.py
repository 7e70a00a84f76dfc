"""Submodules, fetched from real repositories on the loopback."""

from pathlib import Path

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.prepared import Prepared
from imagebuild_operator.prepare import git_submodules
from imagebuild_operator.prepare.git_remote import host_of, resolved, server_of, without_login
from tests.cluster import lfs
from tests.unit.prepare.fetching import Fetch, write_login
from tests.unit.prepare.git_server import GitServer, Remote, asks_for, git
from tests.unit.prepare.loopback import serving


@pytest.fixture
def library(tmp_path: Path) -> Remote:
    """A second repository beside the first, with one commit."""
    library = Remote.create(tmp_path, "library.git")
    library.commit({"lib.py": "library\n"})
    return library


@pytest.fixture
def fetch(tmp_path: Path, server: GitServer) -> Fetch:
    return Fetch(tmp_path, server.url(), submodules=True)


def head(remote: Remote) -> str:
    return git(remote.work, "rev-parse", "HEAD")


@pytest.mark.parametrize("url", ["../library.git", "./../library.git", "../../../library.git/"])
def test_a_submodule_beside_the_repository(fetch: Fetch, remote: Remote, library: Remote, url: str) -> None:
    commit = remote.link("third party/lib", url, head(library))
    assert fetch() == Prepared(commit, "main")
    assert fetch.files() == [".gitmodules", "Dockerfile", "services/web/app.py", "third party/lib/lib.py"]


def test_the_commit_that_is_recorded_and_not_a_newer_one(fetch: Fetch, remote: Remote, library: Remote) -> None:
    remote.link("lib", "../library.git", head(library))
    library.commit({"lib.py": "newer\n"})
    fetch()
    assert (fetch.context / "lib" / "lib.py").read_text() == "library\n"


def test_submodules_of_submodules(fetch: Fetch, tmp_path: Path, remote: Remote, library: Remote) -> None:
    core = Remote.create(tmp_path, "core.git")
    library.link("deep/core", "../core.git", core.commit({"core.py": "core\n"}))
    remote.link("lib", "../library.git", head(library))
    fetch()
    assert (fetch.context / "lib" / "deep" / "core" / "core.py").read_text() == "core\n"
    assert not [path for path in fetch.files() if path.split("/")[-1] == ".git"]


@pytest.mark.parametrize(("depth", "most"), [(3, 100), (10, 4)])
def test_submodules_without_end(
    fetch: Fetch, tmp_path: Path, remote: Remote, monkeypatch: pytest.MonkeyPatch, depth: int, most: int
) -> None:
    """Two in each, on four levels: thirty fetches of five small repositories."""
    monkeypatch.setattr(git_submodules, "DEPTH", depth)
    monkeypatch.setattr(git_submodules, "COUNT", most)
    below = Remote.create(tmp_path, "level-4.git")
    commit = below.commit({"file": "4\n"})
    for level in (3, 2, 1):
        above = Remote.create(tmp_path, f"level-{level}.git")
        for name in ("one", "two"):
            above.link(name, f"../level-{level + 1}.git", commit)
        commit = head(above)
    for name in ("one", "two"):
        remote.link(name, "../level-1.git", commit)
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_TOO_LARGE
    assert "submodules" in failure.message


def test_their_folders_stay_empty_unless_asked_for(fetch: Fetch, remote: Remote, library: Remote) -> None:
    remote.link("lib", "../library.git", head(library))
    fetch.submodules = False
    fetch()
    assert list((fetch.context / "lib").iterdir()) == []


def test_one_that_is_not_to_be_updated_stays_empty(fetch: Fetch, remote: Remote, library: Remote) -> None:
    remote.link("lib", "../library.git", head(library), update="none")
    fetch()
    assert list((fetch.context / "lib").iterdir()) == []


def test_a_repository_without_any(fetch: Fetch, remote: Remote) -> None:
    assert fetch() == Prepared(head(remote), "main")


def test_the_login_is_for_the_repositorys_host(
    tmp_path: Path, fetch: Fetch, remote: Remote, library: Remote, server: GitServer
) -> None:
    server.before.append(asks_for("robot", "secret-1"))
    fetch.login = write_login(tmp_path, username="robot", password="secret-1")
    remote.link("lib", "../library.git", head(library))
    fetch()
    assert (fetch.context / "lib" / "lib.py").exists()


def test_the_login_is_for_no_other_host(
    tmp_path: Path, fetch: Fetch, remote: Remote, library: Remote, server: GitServer
) -> None:
    server.before.append(asks_for("robot", "secret-1"))
    fetch.login = write_login(tmp_path, username="robot", password="secret-1")
    with serving(GitServer(tmp_path / "served")) as other:
        other.before.append(asks_for("robot", "secret-1"))
        remote.link("libs/other", other.url("library.git"), head(library))
        failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_AUTH_FAILED
    assert failure.message.startswith("Submodule libs/other: http://127.0.0.1:")
    assert f"Logins are sent to 127.0.0.1:{server.port} only" in failure.hint
    assert other.seen
    assert {authorization for _, authorization in other.seen} == {None}


def test_the_way_over_another_host_changes_nothing(
    tmp_path: Path, fetch: Fetch, remote: Remote, library: Remote, server: GitServer
) -> None:
    """A submodule of the repository's own host gets the login, whosever submodule it is; the one between does not."""
    server.before.append(asks_for("robot", "secret-1"))
    fetch.login = write_login(tmp_path, username="robot", password="secret-1")
    core = Remote.create(tmp_path, "core.git")
    with serving(GitServer(tmp_path / "served")) as other:
        library.link("core", server.url("core.git"), core.commit({"core.py": "core\n"}))
        remote.link("lib", other.url("library.git"), head(library))
        fetch()
    assert (fetch.context / "lib" / "core" / "core.py").exists()
    assert {authorization for _, authorization in other.seen} == {None}


def test_a_login_in_its_address_is_left_out(fetch: Fetch, remote: Remote, library: Remote, server: GitServer) -> None:
    url = server.url("library.git").replace("http://", "http://robot:secret-1@")
    remote.link("lib", url, head(library))
    server.before.append(asks_for("robot", "secret-1"))
    fetch.login = write_login(fetch.tmp_path, username="robot", password="guess-work")
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_AUTH_FAILED
    assert "secret-1" not in failure.message + failure.hint


@pytest.mark.parametrize(
    "url",
    [
        *("file:///srv/library.git", "/srv/library.git", "git@git.example.com:library.git", "ext::sh -c id", "-x"),
        *("--upload-pack=id@127.0.0.1:p", "ssh://evil.example%2f@127.0.0.1/p"),
    ],
)
def test_a_protocol_that_is_not_used(fetch: Fetch, remote: Remote, library: Remote, url: str) -> None:
    remote.link("lib", url, head(library))
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_FAILED
    assert failure.message.startswith(f"Submodule lib: {url} is not fetched")
    assert "relative url" in failure.hint


def test_a_commit_that_was_not_pushed(fetch: Fetch, remote: Remote, library: Remote) -> None:
    remote.link("lib", "../library.git", "0123456789" * 4)
    failure = fetch.failure()
    assert failure.reason == Reason.REVISION_NOT_FOUND
    assert failure.message.startswith("Submodule lib: ")
    assert "Push the submodule's commit" in failure.hint


def test_a_repository_that_is_not_there(fetch: Fetch, remote: Remote, library: Remote) -> None:
    remote.link("lib", "../other.git", head(library))
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_NOT_FOUND
    assert failure.message.startswith("Submodule lib: ")
    assert ".gitmodules" in failure.hint


def test_one_without_an_address(fetch: Fetch, remote: Remote, library: Remote) -> None:
    remote.link("lib", "", head(library))
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_FAILED
    assert failure.message == "Submodule lib: it has no url in .gitmodules."


def test_a_broken_gitmodules(fetch: Fetch, remote: Remote, library: Remote) -> None:
    remote.link("lib", "../library.git", head(library))
    remote.commit({".gitmodules": "[submodule\n"})
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_FAILED
    assert failure.message.endswith(
        "has a .gitmodules that git cannot read: bad config line 1 in blob HEAD:.gitmodules"
    )


@pytest.mark.usefixtures("git_tools")
def test_their_files_of_git_lfs(fetch: Fetch, remote: Remote, library: Remote) -> None:
    pointer = lfs.store(library.bare, b"large\n")
    commit = library.commit({".gitattributes": "*.bin filter=lfs\n", "large.bin": pointer})
    remote.link("lib", "../library.git", commit)
    fetch.lfs = True
    fetch()
    assert (fetch.context / "lib" / "large.bin").read_text() == "large\n"


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("../lib.git", "https://git.example.com/acme/web.git", "https://git.example.com/acme/lib.git"),
        ("../../other/lib", "https://git.example.com:8443/acme/web/", "https://git.example.com:8443/other/lib"),
        ("./lib.git", "https://git.example.com/acme/web.git", "https://git.example.com/acme/web.git/lib.git"),
        ("../../../../evil/x", "https://git.example.com/acme/web.git", "https://git.example.com/evil/x"),
        ("../lib.git", "git@git.example.com:acme/web.git", "git@git.example.com:acme/lib.git"),
        ("../../lib.git", "git@git.example.com:acme/web.git", "git@git.example.com:lib.git"),
        ("../lib.git", "git@git.example.com:/acme/web.git", "git@git.example.com:/acme/lib.git"),
        ("../lib.git", "ssh://git@git.example.com:22/acme/web.git", "ssh://git@git.example.com:22/acme/lib.git"),
        ("https://other.example.com/x", "https://git.example.com/acme/web.git", "https://other.example.com/x"),
    ],
)
def test_relative_addresses(url: str, base: str, expected: str) -> None:
    assert resolved(url, base) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://git.example.com/a", "https://GIT.example.com:443/b", True),
        ("https://git.example.com/a", "https://git.example.com:8443/a", False),
        ("https://git.example.com/a", "http://git.example.com/a", False),
        ("https://git.example.com/a", "https://git.example.com.evil.example/a", False),
        ("https://git.example.com/a", "https://git.example.com@evil.example/a", False),
        ("https://git.example.com/a", "git@git.example.com:a", False),
        ("ssh://git@git.example.com/a", "git@git.example.com:a", True),
        ("ssh://git@git.example.com:2222/a", "git@git.example.com:a", False),
        ("ssh://git@[2001:db8::1]/a", "ssh://git@[2001:DB8::1]:22/b", True),
    ],
)
def test_the_same_server(one: str, other: str, same: bool) -> None:
    assert (server_of(one) == server_of(other)) == same


@pytest.mark.parametrize(
    "url",
    [
        *("", "/srv/app", "./app", "C:/app", "ext::sh -c id", "https://[::1/x", "https://host:port/x", "-x", "a//b"),
        # What git or ssh would take for another host, or for an option.
        *(
            "ssh://evil.example%2f@git.example.com/a",
            "https://evil.example\\@git.example.com/a",
            "--upload-pack=id@h:a",
        ),
        *("ssh://-oProxyCommand=id/a", "https://git.example.com /a", "evil.example://git.example.com x/"),
    ],
)
def test_what_is_no_address_is_on_no_server(url: str) -> None:
    assert server_of(url).scheme not in ("https", "http") or not server_of(url).host
    assert isinstance(host_of("https://host:port/x"), str)


def test_addresses_without_what_may_be_secret() -> None:
    assert without_login("https://me:secret@git.example.com/a@b") == "https://git.example.com/a@b"
    assert without_login("ssh://git:secret@git.example.com/a") == "ssh://git@git.example.com/a"
    assert without_login("git@git.example.com:a") == "git@git.example.com:a"
