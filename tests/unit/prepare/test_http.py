"""Fetching archives from a real web server on the loopback, over TLS."""

import hashlib
import logging
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.plan import Plan
from imagebuild_operator.pod.prepared import Prepared, PrepareFailure
from imagebuild_operator.pod.source_plans import HttpPlan, SourceSecret
from imagebuild_operator.prepare.__main__ import carry_out
from imagebuild_operator.prepare.ground import Ground
from imagebuild_operator.prepare.http import http_fetcher
from imagebuild_operator.prepare.http_client import HttpClient
from imagebuild_operator.prepare.redirects import origin_of
from imagebuild_operator.prepare.result import PrepareError
from tests.cluster.certificates import Authority, KeyPair
from tests.unit.prepare.tars import Entry, tar, tar_gz, tree
from tests.unit.prepare.web_server import (
    WebServer,
    basic,
    cut,
    file,
    guarded,
    in_turn,
    redirect,
    serving,
    silent,
    status,
)

PASSWORD = "pä$$ word'\"\\%41"
TOKEN = "glpat-0123.abc_DEF"
ARCHIVE = tar_gz(Entry("web-1.4/Dockerfile", b"FROM scratch\n"))
CHECKSUM = hashlib.sha256(ARCHIVE).hexdigest()
UNPACKED = {"web-1.4/": "", "web-1.4/Dockerfile": "FROM scratch\n"}
PREPARED = Prepared(digest=f"sha256:{CHECKSUM}")


@dataclass
class Fetch:
    """One go of the init container with an http source."""

    base: Path
    url: str
    trusted: Path | None = None
    login: SourceSecret | None = None
    pauses: list[float] = field(default_factory=list)

    @property
    def ground(self) -> Ground:
        return Ground(self.base / "context", self.base / "scratch", self.trusted)

    def __call__(self, sha256: str | None = None) -> Prepared:
        plan = HttpPlan(url=self.url, sha256=sha256, login=self.login)
        return http_fetcher(plan, pause=self.pauses.append)(self.ground)

    def failure(self, sha256: str | None = None) -> PrepareFailure:
        with pytest.raises(PrepareError) as caught:
            self(sha256)
        told = repr(caught.value.failure)
        assert not any(secret in told for secret in (PASSWORD, basic("reader", PASSWORD), TOKEN, "password'"))
        return caught.value.failure

    def write_login(self, **values: str | bytes) -> None:
        folder = self.base / "login"
        folder.mkdir()
        for key, value in values.items():
            (folder / key).write_bytes(value.encode() if isinstance(value, str) else value)
        self.login = SourceSecret(secret="files-login", folder=folder)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> KeyPair:
    return authority.issue("servers", "files", names=("localhost", "127.0.0.1"))


@pytest.fixture
def server(pair: KeyPair) -> Iterator[WebServer]:
    with serving(pair) as server:
        server.answers["/web.tgz"] = file(ARCHIVE)
        yield server


@pytest.fixture
def fetch(tmp_path: Path, authority: Authority, server: WebServer) -> Fetch:
    (tmp_path / "context").mkdir()
    (tmp_path / "scratch").mkdir()
    return Fetch(tmp_path, server.url(), authority.pair.certificate)


# What is fetched


@pytest.mark.parametrize("sha256", [None, CHECKSUM, CHECKSUM.upper()])
def test_an_archive_is_unpacked_and_its_checksum_told(fetch: Fetch, sha256: str | None) -> None:
    assert fetch(sha256) == PREPARED
    assert tree(fetch.ground.context) == UNPACKED
    assert tree(fetch.ground.scratch) == {}
    assert fetch.pauses == []


def test_an_archive_that_is_not_compressed(fetch: Fetch, server: WebServer) -> None:
    server.answers["/web.tgz"] = file(tar([Entry("Dockerfile")]))
    fetch()
    assert tree(fetch.ground.context) == {"Dockerfile": ""}


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
def test_compression_is_the_archives_own_whatever_the_server_calls_it(
    fetch: Fetch, server: WebServer, encoding: str
) -> None:
    server.answers["/web.tgz"] = file(ARCHIVE, Content_Encoding=encoding)
    assert fetch(CHECKSUM) == PREPARED
    assert server.asked[0].headers["accept-encoding"] == "identity"


def test_what_an_earlier_container_left_is_gone(fetch: Fetch) -> None:
    (fetch.ground.context / "folder").mkdir()
    (fetch.ground.context / "folder" / "old").touch()
    (fetch.ground.scratch / "archive").write_text("half of it")
    fetch()
    assert tree(fetch.ground.context) == UNPACKED


def test_another_checksum(fetch: Fetch) -> None:
    failure = fetch.failure("0123456789ABCDEF" * 4)
    assert failure.reason == Reason.CHECKSUM_MISMATCH
    assert failure.message == (
        f"{fetch.url} has another checksum: sha256 {CHECKSUM}, expected {'0123456789abcdef' * 4}."
    )
    assert tree(fetch.ground.context) == {}
    assert fetch.pauses == []


def test_an_archive_that_reaches_out(fetch: Fetch, server: WebServer) -> None:
    server.answers["/web.tgz"] = file(tar_gz(Entry("../scratch/x", b"x")))
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_INVALID
    assert failure.message.startswith(f"{fetch.url} holds ../scratch/x, which ")
    assert tree(fetch.ground.scratch).keys() == {"archive"}


def test_a_page_instead_of_an_archive(fetch: Fetch, server: WebServer) -> None:
    server.answers["/web.tgz"] = file(b"<!DOCTYPE html><title>Log in</title>")
    assert fetch.failure().reason == Reason.SOURCE_INVALID


def test_a_download_stops_at_the_limit(fetch: Fetch, server: WebServer) -> None:
    client = HttpClient(HttpPlan(url=server.url()), trusted=fetch.trusted, limit=len(ARCHIVE) - 1)
    with pytest.raises(PrepareError) as caught:
        client.download(fetch.ground.scratch / "archive")
    assert caught.value.failure.reason == Reason.SOURCE_TOO_LARGE
    assert f"more than {len(ARCHIVE) - 1} bytes" in caught.value.failure.message


# Logins


@pytest.mark.parametrize("end", ["", "\n"])
def test_username_and_password(fetch: Fetch, server: WebServer, end: str) -> None:
    server.answers["/web.tgz"] = guarded(ARCHIVE, basic("reader", PASSWORD))
    fetch.write_login(username="reader", password=PASSWORD + end)
    assert fetch() == PREPARED


def test_a_token(fetch: Fetch, server: WebServer) -> None:
    server.answers["/web.tgz"] = guarded(ARCHIVE, f"Bearer {TOKEN}")
    fetch.write_login(token=f"{TOKEN}\n")
    assert fetch() == PREPARED


@pytest.mark.parametrize("code", [401, 403])
def test_a_login_that_is_refused(fetch: Fetch, server: WebServer, code: int) -> None:
    server.answers["/web.tgz"] = status(code)
    fetch.write_login(username="reader", password=PASSWORD)
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_AUTH_FAILED
    assert f"refuses the login in Secret files-login: localhost:{server.port} answers {code}" in failure.message
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [401, 403])
def test_a_login_that_is_lacking(fetch: Fetch, server: WebServer, code: int) -> None:
    server.answers["/web.tgz"] = status(code)
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_AUTH_FAILED
    assert "asks for a login" in failure.message
    assert "spec.source.http.secretRef" in failure.hint


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "has no key username"),
        ({"username": "reader"}, "has no key password"),
        ({"password": PASSWORD}, "has no key username"),
        ({"username": "", "password": PASSWORD}, "has an empty username"),
        ({"username": "reader", "password": "two\nlines"}, "has a password of more than one line"),
        ({"username": "reader", "password": b"\xff"}, "has a password that is not text"),
        ({"token": ""}, "has an empty token"),
        ({"token": "two words"}, "has a token with characters that no token has"),
        ({"token": "tökèn"}, "has a token with characters that no token has"),
    ],
)
def test_a_secret_that_cannot_be_used(
    fetch: Fetch, server: WebServer, values: dict[str, str | bytes], told: str
) -> None:
    fetch.write_login(**values)
    failure = fetch.failure()
    assert failure.reason == Reason.SECRET_INVALID
    assert failure.message == f"Secret files-login {told}."
    assert server.asked == []


# Redirects


def test_a_redirect_on_the_same_server_keeps_the_login(fetch: Fetch, server: WebServer) -> None:
    fetch.write_login(username="reader", password=PASSWORD)
    server.answers["/latest"] = redirect("web.tgz?version=1")
    server.answers["/web.tgz"] = guarded(ARCHIVE, basic("reader", PASSWORD))
    fetch.url = server.url("/latest")
    assert fetch() == PREPARED
    assert [asked.path for asked in server.asked] == ["/latest", "/web.tgz?version=1"]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("values", [{"username": "reader", "password": PASSWORD}, {"token": TOKEN}])
def test_a_redirect_to_another_host_loses_the_login(
    fetch: Fetch, server: WebServer, code: int, values: dict[str, str]
) -> None:
    fetch.write_login(**values)
    server.answers["/latest"] = redirect(server.url(host="127.0.0.1"), code)
    fetch.url = server.url("/latest")
    assert fetch() == PREPARED
    assert [asked.authorization is not None for asked in server.asked] == [True, False]


def test_another_port_is_another_server(fetch: Fetch, server: WebServer, pair: KeyPair) -> None:
    fetch.write_login(username="reader", password=PASSWORD)
    with serving(pair) as other:
        other.answers["/web.tgz"] = file(ARCHIVE)
        server.answers["/web.tgz"] = redirect(other.url())
        assert fetch() == PREPARED
    assert [asked.authorization for asked in other.asked] == [None]


def test_the_login_is_back_where_it_belongs(fetch: Fetch, server: WebServer) -> None:
    fetch.write_login(username="reader", password=PASSWORD)
    server.answers["/latest"] = redirect(server.url("/back", host="127.0.0.1"))
    server.answers["/back"] = redirect(server.url())
    fetch.url = server.url("/latest")
    assert fetch() == PREPARED
    assert [asked.authorization is not None for asked in server.asked] == [True, False, True]


def test_the_server_at_the_end_asks_for_a_login(fetch: Fetch, server: WebServer) -> None:
    fetch.write_login(username="reader", password=PASSWORD)
    server.answers["/latest"] = redirect(server.url(host="127.0.0.1"))
    server.answers["/web.tgz"] = guarded(ARCHIVE, basic("reader", PASSWORD))
    fetch.url = server.url("/latest")
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_AUTH_FAILED
    assert f"redirects to another server, which asks for a login: 127.0.0.1:{server.port} answers 401" in (
        failure.message
    )
    assert f"Logins are sent to localhost:{server.port} only" in failure.hint


def test_plain_http_needs_a_checksum_after_a_redirect_too(fetch: Fetch, server: WebServer) -> None:
    fetch.write_login(username="reader", password=PASSWORD)
    with serving() as plain:
        plain.answers["/web.tgz"] = file(ARCHIVE)
        server.answers["/web.tgz"] = redirect(plain.url())
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_FAILED
        assert f"not https, of localhost:{plain.port}" in failure.message
        assert plain.asked == []
        assert fetch(CHECKSUM) == PREPARED
        assert [asked.authorization for asked in plain.asked] == [None]


def test_plain_http_from_the_beginning(fetch: Fetch) -> None:
    with serving() as plain:
        plain.answers["/web.tgz"] = file(ARCHIVE)
        fetch.url = plain.url()
        assert fetch(CHECKSUM) == PREPARED
        assert fetch.failure("0" * 64).reason == Reason.CHECKSUM_MISMATCH


@pytest.mark.parametrize("to", ["ftp://localhost/web.tgz", "file:///etc/passwd", "data:text/plain,x"])
def test_a_redirect_to_something_else(fetch: Fetch, server: WebServer, to: str) -> None:
    server.answers["/web.tgz"] = redirect(to)
    assert fetch.failure(CHECKSUM).reason == Reason.SOURCE_FAILED


@pytest.mark.parametrize(
    "to",
    [
        "https://127.0.0.1:{port}\\@localhost:{port}/web.tgz",
        "\\\\127.0.0.1:{port}/web.tgz",
        "https://reader@localhost:{port}/web.tgz",
        "https://reader:word@127.0.0.1:{port}/web.tgz",
        "https://@localhost:{port}/web.tgz",
        "//reader@localhost:{port}/web.tgz",
        "/web.tgz?a b",
        "/web.\ttgz",
        "/web.\x01tgz",
        "/web.\x7ftgz",
        "/web.\xc2\xa0tgz",
        "/web.\xe9tgz",
        "https://:443/web.tgz",
        "https://[nothing/",
    ],
)
def test_a_redirect_that_programs_read_differently(fetch: Fetch, server: WebServer, to: str) -> None:
    """Where one of them says localhost, another may connect to 127.0.0.1."""
    fetch.write_login(username="reader", password=PASSWORD)
    server.answers["/latest"] = redirect(to.format(port=server.port))
    fetch.url = server.url("/latest")
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_FAILED
    assert failure.message == f"{fetch.url} redirects to an address that is none."
    assert [asked.path for asked in server.asked] == ["/latest"]


def test_the_body_of_a_redirect_is_not_waited_for(fetch: Fetch, server: WebServer) -> None:
    """It may have any size."""
    enough = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/web.tgz")
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.flush()
        enough.wait(30)

    server.answers["/latest"] = answer
    client = HttpClient(HttpPlan(url=server.url("/latest")), trusted=fetch.trusted, timeout=(5, 1))
    try:
        assert client.download(fetch.ground.scratch / "archive") == CHECKSUM
    finally:
        enough.set()


def test_a_redirect_in_letters_of_any_alphabet(fetch: Fetch, server: WebServer) -> None:
    """Servers send them as UTF-8, which is none of what HTTP allows."""
    server.answers["/latest"] = redirect("/Émile.tgz".encode().decode("latin-1"))
    server.answers["/%C3%89mile.tgz"] = file(ARCHIVE)
    fetch.url = server.url("/latest")
    assert fetch() == PREPARED


def test_the_same_server_in_other_letters_keeps_the_login(fetch: Fetch, server: WebServer) -> None:
    fetch.write_login(username="reader", password=PASSWORD)
    server.answers["/latest"] = redirect(server.url(host="LocalHost"))
    fetch.url = server.url("/latest")
    assert fetch() == PREPARED
    assert [asked.authorization is not None for asked in server.asked] == [True, True]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Files.example/x", ("https", "files.example", 443)),
        ("https://files.example:443/x", ("https", "files.example", 443)),
        ("https://files.example:8443/x", ("https", "files.example", 8443)),
        ("http://files.example", ("http", "files.example", 80)),
        ("https://[::1]/x", ("https", "[::1]", 443)),
        ("https://evil.example\\@files.example/x", ("https", "evil.example", 443)),
        ("https://evil.example/%5C@files.example/x", ("https", "evil.example", 443)),
    ],
)
def test_which_server_gets_the_login(url: str, origin: tuple[str, str, int]) -> None:
    assert origin_of(url) == origin
    client = HttpClient(HttpPlan(url="https://files.example/web.tgz"), f"Bearer {TOKEN}")
    request = requests.Request("GET", url, auth=client.login).prepare()
    assert ("Authorization" in request.headers) == (origin == ("https", "files.example", 443))


def test_five_redirects_and_no_more(fetch: Fetch, server: WebServer) -> None:
    for number in range(6):
        server.answers[f"/{number}"] = redirect(f"/{number + 1}" if number < 5 else "/web.tgz")
    fetch.url = server.url("/1")
    assert fetch() == PREPARED
    fetch.url = server.url("/0")
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_FAILED
    assert "redirects more than 5 times" in failure.message


# Answers that are no archive


@pytest.mark.parametrize("code", [404, 410])
def test_nothing_there(fetch: Fetch, server: WebServer, code: int) -> None:
    server.answers["/web.tgz"] = status(code)
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_NOT_FOUND
    assert f"answers {code}" in failure.message
    assert "private" in failure.hint
    fetch.write_login(token=TOKEN)
    assert "the login in Secret files-login may not read it" in fetch.failure().hint


@pytest.mark.parametrize("code", [204, 206, 304, 400, 406, 418])
def test_an_answer_that_nobody_expects(fetch: Fetch, server: WebServer, code: int) -> None:
    server.answers["/web.tgz"] = status(code)
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_FAILED
    assert f"answers {code}" in failure.message
    assert fetch.pauses == []


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503])
def test_a_server_that_cannot_now_is_asked_again(fetch: Fetch, server: WebServer, code: int) -> None:
    server.answers["/web.tgz"] = in_turn(status(code), status(code), file(ARCHIVE))
    assert fetch() == PREPARED
    assert fetch.pauses == [2, 5]
    server.answers["/web.tgz"] = status(code)
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_UNREACHABLE
    assert f"answers {code}" in failure.message
    assert len(server.asked) == 6


def test_what_stands_behind_the_question_mark_is_not_told(fetch: Fetch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    signature = "X-Signature=0123456789"
    for address in (fetch.url, fetch.url.replace("web", "none"), "https://127.0.0.1:1/x"):
        fetch.url = f"{address}?{signature}"
        failure = fetch.failure("0" * 64)
        assert "Signature" not in repr(failure) + caplog.text
        assert re.search(r"(localhost|127\.0\.0\.1):\d+", failure.message)


# Faults of the network


def test_nobody_listens(fetch: Fetch) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{reserved.getsockname()[1]}"
        fetch.url = f"https://{host}/web.tgz"
        failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_UNREACHABLE
    assert failure.message == f"{host} cannot be reached: Connection refused."
    assert fetch.pauses == [2, 5]


def test_a_host_that_nobody_knows(fetch: Fetch) -> None:
    fetch.url = "https://nowhere.invalid/web.tgz"
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_UNREACHABLE
    assert failure.message.startswith("The name of nowhere.invalid cannot be resolved: ")
    assert "DNS" in failure.hint


def test_a_port_that_is_none(fetch: Fetch) -> None:
    fetch.url = "https://localhost:99999/web.tgz?signature"
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_FAILED
    assert failure.message.startswith("https://localhost:99999/web.tgz cannot be asked")


def test_a_download_that_breaks_off_begins_anew(fetch: Fetch, server: WebServer) -> None:
    server.answers["/web.tgz"] = in_turn(cut(ARCHIVE), file(ARCHIVE))
    assert fetch() == PREPARED
    assert fetch.pauses == [2]
    server.answers["/web.tgz"] = cut(ARCHIVE)
    failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_UNREACHABLE
    assert failure.message == f"localhost:{server.port} broke the connection off."


@pytest.mark.parametrize("beginning", [b"", ARCHIVE[:20]], ids=["at once", "in the middle"])
def test_a_server_that_falls_silent_is_given_up(fetch: Fetch, server: WebServer, beginning: bytes) -> None:
    enough = threading.Event()
    server.answers["/web.tgz"] = silent(enough, beginning)
    client = HttpClient(HttpPlan(url=server.url()), trusted=fetch.trusted, timeout=(5, 0.2))
    try:
        with pytest.raises(PrepareError) as caught:
            client.download(fetch.ground.scratch / "archive")
    finally:
        enough.set()
    assert caught.value.failure.reason == Reason.SOURCE_UNREACHABLE
    assert caught.value.failure.message == f"localhost:{server.port} does not answer in time."


def test_an_authority_that_nobody_vouches_for(fetch: Fetch, server: WebServer, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    fetch.trusted = Authority(tmp_path / "other").pair.certificate
    failure = fetch.failure()
    assert failure.reason == Reason.CERTIFICATE_UNKNOWN
    assert f"The certificate of localhost:{server.port} is not trusted, or has expired: " in failure.message
    assert "spec.registries.caBundle" in failure.hint
    assert (server.asked, fetch.pauses) == ([], [])


def test_the_systems_authorities_are_asked_without_a_bundle(fetch: Fetch) -> None:
    fetch.trusted = None
    assert fetch.failure().reason == Reason.CERTIFICATE_UNKNOWN


def test_a_certificate_for_another_host(fetch: Fetch, authority: Authority) -> None:
    with serving(authority.issue("other", "other", names=("files.example.com",))) as other:
        fetch.url = other.url()
        failure = fetch.failure()
    assert failure.reason == Reason.CERTIFICATE_UNKNOWN
    assert f"The certificate of localhost:{other.port} is for another host name: " in failure.message


def test_a_server_without_tls(fetch: Fetch) -> None:
    with serving() as plain:
        fetch.url = plain.url().replace("http:", "https:")
        failure = fetch.failure()
    assert failure.reason == Reason.SOURCE_FAILED
    assert failure.message == f"localhost:{plain.port} does not speak TLS."


# With the rest of the preparation


@pytest.mark.parametrize(("sub_path", "reason"), [("web-1.4", None), ("web-1.5", Reason.SUB_PATH_INVALID)])
def test_the_folder_at_the_top_is_named_by_sub_path(fetch: Fetch, sub_path: str, reason: Reason | None) -> None:
    with serving() as plain:
        plain.answers["/web.tgz"] = file(ARCHIVE)
        source = HttpPlan(url=plain.url(), sha256=CHECKSUM)
        ground = fetch.ground
        result = carry_out(Plan(context=ground.context, scratch=ground.scratch, source=source, sub_path=sub_path))
    assert (result.reason if isinstance(result, PrepareFailure) else None) == reason
    assert reason is not None or result == PREPARED
