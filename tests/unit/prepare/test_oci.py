"""Fetching images and artifacts from a registry on the loopback."""

import base64
import json
import os
import platform
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from imagebuild_operator.api.names import Reason, RegistrySecretType
from imagebuild_operator.pod.plan import LoginsPlan, Plan, RegistrySecret
from imagebuild_operator.pod.prepared import Prepared, PrepareFailure
from imagebuild_operator.pod.source_plans import OciPlan, SourceSecret
from imagebuild_operator.prepare import oci, registry_client
from imagebuild_operator.prepare.__main__ import carry_out
from imagebuild_operator.prepare.archive import Limits
from imagebuild_operator.prepare.ground import Ground
from imagebuild_operator.prepare.image_reference import parse_reference
from imagebuild_operator.prepare.oci import oci_fetcher
from imagebuild_operator.prepare.registry_client import MANIFEST_BYTES
from imagebuild_operator.prepare.registry_login import TOKEN_BYTES
from imagebuild_operator.prepare.result import PrepareError
from tests.cluster.certificates import Authority
from tests.unit.prepare.git_server import answers, asks_for
from tests.unit.prepare.loopback import Answer, reply, serving
from tests.unit.prepare.registry_server import OCI_INDEX, TITLE, UNPACK, RegistryServer, TokenServer, digest_of, tar
from tests.unit.prepare.test_certificates import pair

USER, PASSWORD = "robot", "pa$$ word:'\"\\%41"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass
class Fetch:
    """One go of the init container with an image or artifact."""

    tmp_path: Path
    server: RegistryServer
    reference: str = ""
    artifact: bool = False
    login: SourceSecret | None = None
    logins: tuple[RegistrySecret, ...] = ()
    insecure: bool = True
    trusted: Path | None = None
    pauses: list[float] = field(default_factory=list)

    @property
    def context(self) -> Path:
        return self.tmp_path / "context"

    def __call__(self, wanted: str = ":1") -> Prepared:
        plan = OciPlan(
            reference=self.reference or f"{self.server.host}/app{wanted}",
            artifact=self.artifact,
            login=self.login,
            insecure=self.insecure,
        )
        scratch = self.tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        ground = Ground(self.context, scratch, self.trusted, logins=self.logins)
        prepared = oci_fetcher(plan, pause=self.pauses.append)(ground)
        assert list(scratch.iterdir()) == [], "downloads take up room no longer"
        return prepared

    def failure(self, wanted: str = ":1") -> PrepareFailure:
        with pytest.raises(PrepareError) as caught:
            self(wanted)
        return caught.value.failure

    def files(self) -> dict[str, str]:
        """Files and links by path, with their contents."""
        return {
            str(path.relative_to(self.context)): str(path.readlink()) if path.is_symlink() else path.read_text()
            for path in sorted(self.context.rglob("*"))
            if path.is_symlink() or path.is_file()
        }


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with serving(RegistryServer()) as server:
        yield server


@pytest.fixture
def fetch(tmp_path: Path, server: RegistryServer) -> Fetch:
    return Fetch(tmp_path, server)


def write_login(tmp_path: Path, registry: str, **entry: str) -> SourceSecret:
    folder = tmp_path / "login"
    folder.mkdir(exist_ok=True)
    (folder / ".dockerconfigjson").write_text(json.dumps({"auths": {registry: entry}}))
    return SourceSecret(secret="context-login", folder=folder)


def leads(part: str, to: str) -> Answer:
    """Redirects requests whose path has this part."""

    def answer(request: BaseHTTPRequestHandler) -> bool:
        if part in request.path:
            reply(request, 307, headers={"Location": to})
        return part in request.path

    return answer


def tokens_only(tokens: TokenServer) -> Answer:
    """A token server next to a registry that does not name it."""
    return lambda request: request.path.startswith("/token") and tokens(request)


class TestImages:
    def test_the_layers_files_are_the_context(self, fetch: Fetch, server: RegistryServer) -> None:
        first = server.layer({"./": None, "./Dockerfile": "FROM scratch\n", "src/": None, "src/app.py": "print()"})
        second = server.layer({"src/": None, "src/app.py": "print(2)", "other": "x"}, packed=False)
        digest = server.manifest(first, second)
        assert fetch() == Prepared(revision="1", digest=digest)
        assert fetch.files() == {"Dockerfile": "FROM scratch\n", "other": "x", "src/app.py": "print(2)"}

    def test_by_digest(self, fetch: Fetch, server: RegistryServer) -> None:
        digest = server.manifest(server.layer({"which": "old"}))
        server.manifest(server.layer({"which": "new"}))
        assert fetch(f"@{digest}") == Prepared(digest=digest)
        assert fetch.files() == {"which": "old"}

    def test_the_digest_wins_over_the_tag(self, fetch: Fetch, server: RegistryServer) -> None:
        digest = server.manifest(server.layer({"which": "old"}))
        server.manifest(server.layer({"which": "new"}))
        assert fetch(f":1@{digest}") == Prepared(revision="1", digest=digest)
        assert fetch.files() == {"which": "old"}

    def test_without_a_tag_it_is_the_latest(self, fetch: Fetch, server: RegistryServer) -> None:
        server.manifest(server.layer({"which": "latest"}), tag="latest")
        assert fetch("").revision == "latest"

    def test_later_layers_hide_files_of_earlier_ones(self, fetch: Fetch, server: RegistryServer) -> None:
        lower = server.layer({"gone": "", "kept": "", "folder/gone": "", "folder/kept": "", "opaque/gone": ""})
        upper = server.layer({".wh.gone": "", "folder/.wh.gone": "", "opaque/.wh..wh..opq": "", "opaque/new": ""})
        server.manifest(lower, upper)
        fetch()
        assert set(fetch.files()) == {"kept", "folder/kept", "opaque/new"}

    def test_of_several_platforms_the_nodes_is_taken(
        self, fetch: Fetch, server: RegistryServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(platform, "machine", lambda: "aarch64")
        entries = [
            {"digest": server.manifest(server.layer({"which": name}), tag=name), "platform": known}
            for name, known in {
                "windows": {"os": "windows", "architecture": "arm64"},
                "amd64": {"os": "linux", "architecture": "amd64"},
                "arm64": {"os": "linux", "architecture": "arm64", "variant": "v8"},
                "attestation": {"os": "unknown", "architecture": "unknown"},
            }.items()
        ]
        index = server.document({"schemaVersion": 2, "manifests": entries}, kind=OCI_INDEX)
        assert fetch() == Prepared(revision="1", digest=index)
        assert fetch.files() == {"which": "arm64"}
        monkeypatch.setattr(platform, "machine", lambda: "s390x")
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_NOT_FOUND
        assert "linux/s390x" in failure.message
        assert "linux/amd64, linux/arm64, windows/arm64" in failure.message

    def test_a_second_go_leaves_nothing_of_the_first(self, fetch: Fetch, server: RegistryServer) -> None:
        server.manifest(server.layer({"old": "", "same": "old"}))
        fetch()
        server.manifest(server.layer({"same": "new"}))
        fetch()
        assert fetch.files() == {"same": "new"}

    def test_modes_are_kept_and_all_is_ours(self, fetch: Fetch, server: RegistryServer) -> None:
        server.manifest(server.layer({"folder": None, "folder/file": ""}))
        fetch()
        found = (fetch.context / "folder/file").stat()
        assert (oct(found.st_mode & 0o777), found.st_uid) == ("0o640", os.getuid())

    @pytest.mark.parametrize("links", [{"out": "../secret"}, {"out": "/etc/passwd"}])
    def test_a_link_out_of_the_image_is_refused(
        self, fetch: Fetch, server: RegistryServer, links: dict[str, str]
    ) -> None:
        server.manifest(server.layer({}, links=links))
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_INVALID
        assert "out" in failure.message

    def test_a_link_that_a_later_layer_leads_astray_is_refused(self, fetch: Fetch, server: RegistryServer) -> None:
        """Within its own layer it leads to a folder of the image."""
        lower = server.layer({"a/b/c/file": ""}, links={"deep": "a/b/c", "out": "deep/../../x"})
        server.manifest(lower, server.layer({}, links={"deep": "."}))
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_INVALID
        assert "out" in failure.message

    def test_zstd_is_told(self, fetch: Fetch, server: RegistryServer) -> None:
        layer = server.blob(b"\x28\xb5\x2f\xfd rest")
        for kind in (layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+zstd"):
            server.manifest(layer | {"mediaType": kind})
            failure = fetch.failure()
            assert failure.reason == Reason.SOURCE_INVALID
            assert "zstd" in failure.message
            assert "gzip" in failure.hint

    def test_files_larger_than_the_limit_are_not_downloaded(self, fetch: Fetch, server: RegistryServer) -> None:
        server.manifest(server.layer({"x": ""}) | {"size": 2**40})
        assert fetch.failure().reason == Reason.SOURCE_TOO_LARGE
        assert not [path for path, _ in server.seen if "/blobs/" in path]

    def test_the_limits_are_for_all_layers_together(
        self, fetch: Fetch, server: RegistryServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        layers = [server.layer({name: "x" * 50_000, f"{name}2": ""}) for name in ("a", "b", "c")]
        server.manifest(*layers)
        for limits in (Limits(size=150_000), Limits(entries=5)):
            monkeypatch.setattr(oci, "LIMITS", limits)
            failure = fetch.failure()
            assert failure.reason == Reason.SOURCE_TOO_LARGE
            assert f"{limits.size} bytes, or {limits.entries} files" in failure.message
        monkeypatch.setattr(oci, "LIMITS", Limits(size=200_000, entries=6))
        fetch()
        assert fetch.files().keys() == {"a", "a2", "b", "b2", "c", "c2"}


class TestArtifacts:
    @pytest.fixture
    def fetch(self, tmp_path: Path, server: RegistryServer) -> Fetch:
        return Fetch(tmp_path, server, artifact=True)

    def test_an_archive_without_a_title_is_unpacked(self, fetch: Fetch, server: RegistryServer) -> None:
        """As flux push artifact makes it."""
        layer = server.layer({"Dockerfile": "FROM scratch\n", "src/app.py": ""})
        flux = "application/vnd.cncf.flux.content.v1.tar+gzip"
        digest = server.manifest(layer | {"mediaType": flux}, config={"mediaType": "application/vnd.cncf.flux.config"})
        assert fetch() == Prepared(revision="1", digest=digest)
        assert fetch.files() == {"Dockerfile": "FROM scratch\n", "src/app.py": ""}

    def test_what_oras_pushes(self, fetch: Fetch, server: RegistryServer) -> None:
        """Files as they are, folders as archives of a folder of that name."""
        plain = server.blob(b"FROM scratch\n") | {"annotations": {TITLE: "docker/Dockerfile"}}
        archived = server.blob(tar({"x": ""})) | {"annotations": {TITLE: "as-it-is.tar.gz"}}
        folder = server.layer({"src": None, "src/app.py": "print()"}) | {"annotations": {TITLE: "src", UNPACK: "true"}}
        server.manifest(plain, archived, folder)
        fetch()
        assert (fetch.context / "as-it-is.tar.gz").read_bytes() == tar({"x": ""})
        (fetch.context / "as-it-is.tar.gz").unlink()
        assert fetch.files() == {"docker/Dockerfile": "FROM scratch\n", "src/app.py": "print()"}
        assert (fetch.context / "docker/Dockerfile").stat().st_mode & 0o777 == 0o644

    @pytest.mark.parametrize("title", ["../out", "/out", "link/out", "a/../../out", "."])
    def test_a_title_that_leads_out_is_refused(self, fetch: Fetch, server: RegistryServer, title: str) -> None:
        (fetch.tmp_path / "elsewhere").mkdir()
        server.manifest(
            server.layer({}, links={"link": "../elsewhere"}) if title.startswith("link") else server.layer({}),
            server.blob(b"") | {"annotations": {TITLE: title}},
        )
        assert fetch.failure().reason == Reason.SOURCE_INVALID
        assert not list(fetch.tmp_path.rglob("out"))

    @pytest.mark.parametrize("title", ["a/b", "a/b/c", "x\0y", "x\ud800", "n" * 300, "d/" * 300 + "x"])
    def test_a_title_that_cannot_be_is_refused(self, fetch: Fetch, server: RegistryServer, title: str) -> None:
        blobs = [server.blob(name.encode(errors="replace")) | {"annotations": {TITLE: name}} for name in ("a", title)]
        server.manifest(*blobs)
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_INVALID
        assert f"holds {title}, which" in failure.message

    @pytest.mark.parametrize("limits", [Limits(size=15_000), Limits(entries=1)])
    def test_files_with_titles_count_too(
        self, fetch: Fetch, server: RegistryServer, monkeypatch: pytest.MonkeyPatch, limits: Limits
    ) -> None:
        server.manifest(
            server.blob(b"x" * 10_000) | {"annotations": {TITLE: "a"}},
            server.layer({"b": "x"}) | {"annotations": {TITLE: "b", UNPACK: "true"}},
        )
        monkeypatch.setattr(oci, "LIMITS", limits)
        assert fetch.failure().reason == Reason.SOURCE_TOO_LARGE
        server.manifest(*(server.blob(text) | {"annotations": {TITLE: text.decode()}} for text in (b"a", b"b")))
        monkeypatch.setattr(oci, "LIMITS", Limits(entries=1))
        assert fetch.failure().reason == Reason.SOURCE_TOO_LARGE

    def test_an_artifact_without_files(self, fetch: Fetch, server: RegistryServer) -> None:
        empty = server.blob(b"{}") | {"mediaType": "application/vnd.oci.empty.v1+json"}
        for layers in ([], [empty]):
            server.manifest(*layers)
            failure = fetch.failure()
            assert failure.reason == Reason.SOURCE_NOT_FOUND
            assert "no files" in failure.message

    def test_what_is_no_archive(self, fetch: Fetch, server: RegistryServer) -> None:
        layer = server.blob(b"{}")
        server.manifest(layer)
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_INVALID
        assert layer["digest"] in failure.message


class TestLogins:
    def test_basic_authentication(self, fetch: Fetch, server: RegistryServer) -> None:
        server.before.append(asks_for(USER, PASSWORD))
        server.manifest(server.layer({"x": ""}))
        fetch.login = write_login(fetch.tmp_path, server.host, username=USER, password=PASSWORD)
        fetch()
        assert "x" in fetch.files()

    def test_a_token_for_user_and_password(self, fetch: Fetch, server: RegistryServer) -> None:
        tokens = TokenServer(server, f"Basic {BASIC}")
        server.before.append(tokens)
        server.manifest(server.layer({"x": ""}))
        fetch.login = write_login(fetch.tmp_path, server.host, auth=BASIC)
        fetch()
        assert tokens.asked == [("GET", f"Basic {BASIC}", {"service": ["registry"], "scope": ["repository:app:pull"]})]
        sent = {authorization for path, authorization in server.seen if path.startswith("/v2/app/")}
        assert sent == {None, "Bearer the-token"}, "the registry itself gets the token only"

    def test_a_token_for_an_identity_token(self, fetch: Fetch, server: RegistryServer) -> None:
        tokens = TokenServer(server, "identity")
        server.before.append(tokens)
        server.manifest(server.layer({"x": ""}))
        fetch.login = write_login(fetch.tmp_path, server.host, identitytoken="identity")
        fetch()
        [(method, _, asked)] = tokens.asked
        assert (method, asked["grant_type"], asked["scope"]) == ("POST", ["refresh_token"], ["repository:app:pull"])

    def test_a_token_without_a_login(self, fetch: Fetch, server: RegistryServer) -> None:
        """As public images of Docker Hub need one."""
        server.before.append(TokenServer(server, None))
        server.manifest(server.layer({"x": ""}))
        fetch()
        assert "x" in fetch.files()

    def test_a_token_of_the_registrys_own(self, fetch: Fetch, server: RegistryServer) -> None:
        server.before.append(TokenServer(server, "nothing"))
        server.manifest(server.layer({"x": ""}))
        fetch.login = write_login(fetch.tmp_path, server.host, registrytoken="the-token")
        fetch()
        assert "x" in fetch.files()

    def test_a_token_that_runs_out_is_renewed(self, fetch: Fetch, server: RegistryServer) -> None:
        tokens = TokenServer(server, None)
        server.before.append(tokens)

        def run_out(request: BaseHTTPRequestHandler) -> bool:
            if "/manifests/" in request.path:
                tokens.token = "the-next-token"
            return False

        server.before.append(run_out)
        server.manifest(server.layer({"x": ""}))
        fetch()
        assert len(tokens.asked) == 2

    def test_the_wrong_login(self, fetch: Fetch, server: RegistryServer) -> None:
        for refuses in (asks_for(USER, PASSWORD), TokenServer(server, f"Basic {BASIC}"), answers(403)):
            server.before = [refuses]
            fetch.login = write_login(fetch.tmp_path, server.host, username=USER, password="guess-work")
            failure = fetch.failure()
            assert failure.reason == Reason.SOURCE_AUTH_FAILED
            assert "Secret context-login" in failure.message
            assert server.host in failure.message
            assert "guess-work" not in failure.message + failure.hint
        assert fetch.pauses == []

    def test_no_login_where_one_is_needed(self, fetch: Fetch, server: RegistryServer) -> None:
        server.before.append(asks_for(USER, PASSWORD))
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_AUTH_FAILED
        assert "asks for a login" in failure.message
        assert "spec.source.oci.secretRef" in failure.hint

    def test_a_login_for_another_registry_is_told_and_not_sent(self, fetch: Fetch, server: RegistryServer) -> None:
        server.before.append(asks_for(USER, PASSWORD))
        fetch.login = write_login(fetch.tmp_path, "registry.example.com", username=USER, password=PASSWORD)
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_AUTH_FAILED
        assert "Secret context-login holds no login for it" in failure.message
        assert {authorization for _, authorization in server.seen} == {None}

    def test_a_secret_that_is_broken(self, fetch: Fetch, server: RegistryServer) -> None:
        fetch.login = write_login(fetch.tmp_path, server.host)
        failure = fetch.failure()
        assert failure.reason == Reason.SECRET_INVALID
        assert "context-login" in failure.message
        assert server.seen == []

    def test_the_logins_of_the_whole_build_are_used_without_one_of_its_own(
        self, fetch: Fetch, server: RegistryServer
    ) -> None:
        server.before.append(asks_for(USER, PASSWORD))
        server.manifest(server.layer({"x": ""}))
        folder = fetch.tmp_path / "basic"
        folder.mkdir()
        (folder / "username").write_text(USER)
        (folder / "password").write_text(PASSWORD)
        secret = RegistrySecret(secret="push", folder=folder, type=RegistrySecretType.BASIC_AUTH, registry=server.host)
        plan = Plan(
            context=fetch.context,
            scratch=fetch.tmp_path,
            source=OciPlan(reference=f"{server.host}/app:1", insecure=True),
            logins=LoginsPlan(secrets=(secret,), target=fetch.tmp_path / "config.json"),
        )
        assert isinstance(carry_out(plan), Prepared)
        fetch.login = write_login(fetch.tmp_path, "registry.example.com", username=USER, password=PASSWORD)
        fetch.logins = (secret,)
        assert fetch.failure().reason == Reason.SOURCE_AUTH_FAILED

    def test_a_redirect_elsewhere_never_gets_the_login(
        self, fetch: Fetch, server: RegistryServer, tmp_path: Path
    ) -> None:
        """Most registries keep blobs in a bucket."""
        layer = server.layer({"x": ""})
        server.manifest(layer)
        with serving(RegistryServer(stored=dict(server.stored), host_name="localhost")) as bucket:
            path = f"/v2/app/blobs/{layer['digest']}"
            server.before += [asks_for(USER, PASSWORD), leads("/blobs/", f"http://{bucket.host}{path}")]
            fetch.login = write_login(tmp_path, server.host, username=USER, password=PASSWORD)
            fetch()
        assert bucket.seen == [(path, None)]

    def test_another_server_does_not_choose_the_token_server(self, fetch: Fetch, server: RegistryServer) -> None:
        """It would get the registry's login."""
        server.manifest(server.layer({"x": ""}))
        with serving(RegistryServer(host_name="localhost")) as bucket:
            tokens = TokenServer(server, f"Basic {BASIC}")
            bucket.before.append(tokens)
            server.before += [asks_for(USER, PASSWORD), leads("/blobs/", f"http://{bucket.host}/x")]
            server.before.insert(0, tokens_only(tokens))
            fetch.login = write_login(fetch.tmp_path, server.host, username=USER, password=PASSWORD)
            failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_AUTH_FAILED
        assert bucket.host in failure.message
        assert tokens.asked == []
        assert bucket.seen == [("/x", None)]

    def test_a_token_answer_without_end(self, fetch: Fetch, server: RegistryServer) -> None:
        sent = []

        def endless(request: BaseHTTPRequestHandler) -> bool:
            if not request.path.startswith("/token"):
                return False
            sent.append(request.headers["Accept-Encoding"])
            request.send_response(200)
            request.end_headers()
            request.close_connection = True
            # Not for ever, so that one who reads on is found out by what is told.
            request.wfile.write(b'{"token": "the-token"}' + b" " * TOKEN_BYTES)
            return True

        server.before += [endless, TokenServer(server, None)]
        server.manifest(server.layer({"x": ""}))
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_FAILED
        assert f"its answer has more than {TOKEN_BYTES} bytes" in failure.message
        assert sent == ["identity"]

    @pytest.mark.parametrize("body", [b"", b"[]", b"token", b'{"token": 1}', b"\xff", b"[" * 500_000])
    def test_a_token_answer_that_is_none(self, fetch: Fetch, server: RegistryServer, body: bytes) -> None:
        def answer(request: BaseHTTPRequestHandler) -> bool:
            if request.path.startswith("/token"):
                reply(request, 200, body)
            return request.path.startswith("/token")

        server.before += [answer, TokenServer(server, None)]
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_FAILED
        assert "its answer holds none" in failure.message

    def test_a_token_server_that_redirects_is_not_followed(self, fetch: Fetch, server: RegistryServer) -> None:
        """The body of such a request holds the token itself."""
        with serving(RegistryServer(host_name="localhost")) as other:

            def redirect(request: BaseHTTPRequestHandler) -> bool:
                if request.command == "POST":
                    request.rfile.read(int(request.headers["Content-Length"]))
                    reply(request, 307, headers={"Location": f"http://{other.host}/token"})
                return request.command == "POST"

            server.before += [redirect, TokenServer(server, "identity")]
            fetch.login = write_login(fetch.tmp_path, server.host, identitytoken="identity")
            assert fetch.failure().reason == Reason.SOURCE_FAILED
            assert other.seen == []

    @pytest.mark.parametrize("realm", ["http://{other}/token", "http://{other}\\@{registry}/token"])
    def test_a_token_server_without_tls_gets_nothing(self, fetch: Fetch, server: RegistryServer, realm: str) -> None:
        with serving(RegistryServer()) as other:
            other.host_name = "localhost"
            named = realm.format(other=other.host, registry=server.host)
            challenge = {"WWW-Authenticate": f'Bearer realm="{named}"'}
            server.before.append(answers(401, headers=challenge))
            fetch.login = write_login(fetch.tmp_path, server.host, auth=BASIC)
            failure = fetch.failure()
            assert failure.reason == Reason.SOURCE_FAILED
            assert "token server" in failure.message
            assert other.seen == []


class TestRedirects:
    @pytest.mark.parametrize("part", ["/manifests/", "/blobs/"])
    @pytest.mark.parametrize(
        "to",
        [
            "http://localhost:{port}\\@{host}/x",
            "http://{host}\\@localhost:{port}/x",
            "http://robot@{host}/x",
            "/x y",
            "/x\x01",
        ],
    )
    def test_one_that_programs_read_differently(self, fetch: Fetch, server: RegistryServer, part: str, to: str) -> None:
        server.manifest(server.layer({"x": ""}))
        server.before += [asks_for(USER, PASSWORD), leads(part, to.format(host=server.host, port=server.port))]
        fetch.login = write_login(fetch.tmp_path, server.host, username=USER, password=PASSWORD)
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_FAILED
        assert failure.message == f"{server.host}/app redirects to an address that is none."
        assert all(path.startswith("/v2/") for path, _ in server.seen)

    def test_the_login_stays_on_the_same_registry(self, fetch: Fetch, server: RegistryServer) -> None:
        server.manifest(server.layer({"x": ""}))
        server.before += [asks_for(USER, PASSWORD), leads("/manifests/1", "next")]
        server.manifest(server.layer({"x": ""}), tag="next")
        fetch.login = write_login(fetch.tmp_path, server.host, username=USER, password=PASSWORD)
        fetch()
        assert ("/v2/app/manifests/next", f"Basic {BASIC}") in server.seen

    @pytest.mark.parametrize("part", ["manifests", "blobs"])
    def test_five_and_no_more(self, fetch: Fetch, server: RegistryServer, part: str) -> None:
        layer = server.layer({"x": ""})
        server.manifest(layer)
        wanted = {"manifests": "1", "blobs": layer["digest"]}[part]
        server.stored[f"app/{part}/end"] = server.stored[f"app/{part}/{wanted}"]
        server.before = [leads(f"/hop-{number}", f"hop-{number + 1}") for number in range(1, 5)]
        server.before += [leads("/hop-5", "end"), leads(f"/{part}/{wanted}", "hop-2")]
        fetch()
        server.before[-1] = leads(f"/{part}/{wanted}", "hop-1")
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_FAILED
        assert f"{server.host}/app redirects more than 5 times" in failure.message

    def test_to_something_else(self, fetch: Fetch, server: RegistryServer) -> None:
        server.before.append(leads("/manifests/", "ftp://localhost/x"))
        assert fetch.failure().reason == Reason.SOURCE_FAILED

    def test_to_a_server_that_is_not_there(self, fetch: Fetch, server: RegistryServer) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            host = f"localhost:{taken.getsockname()[1]}"
        server.before.append(leads("/manifests/", f"http://{host}/x"))
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_UNREACHABLE
        assert host in failure.message


@pytest.mark.parametrize(
    ("reference", "host", "path", "wanted"),
    [
        ("busybox", "registry-1.docker.io", "library/busybox", "latest"),
        ("shop/web:1", "registry-1.docker.io", "shop/web", "1"),
        ("docker.io/busybox:1.36", "registry-1.docker.io", "library/busybox", "1.36"),
        ("index.docker.io/shop/web", "registry-1.docker.io", "shop/web", "latest"),
        ("registry.example.com/web", "registry.example.com", "web", "latest"),
        ("registry:5000/a/b/web:1.4_2", "registry:5000", "a/b/web", "1.4_2"),
        (f"registry:5000/web@sha256:{'0' * 64}", "registry:5000", "web", f"sha256:{'0' * 64}"),
        (f"Registry.example.com/web:1@sha256:{'0' * 64}", "registry.example.com", "web", f"sha256:{'0' * 64}"),
    ],
)
def test_where_a_reference_leads(reference: str, host: str, path: str, wanted: str) -> None:
    parsed = parse_reference(reference)
    assert (parsed.api_host, parsed.repository, parsed.wanted) == (host, path, wanted)


class TestFaults:
    def test_a_tag_that_is_not_there(self, fetch: Fetch, server: RegistryServer) -> None:
        failure = fetch.failure(":2")
        assert failure.reason == Reason.SOURCE_NOT_FOUND
        assert f"{server.host}/app has no tag 2" in failure.message
        assert "MANIFEST_UNKNOWN" in failure.message
        assert "secretRef" in failure.hint

    def test_a_digest_that_is_not_there(self, fetch: Fetch) -> None:
        digest = digest_of(b"nothing")
        failure = fetch.failure(f"@{digest}")
        assert failure.reason == Reason.SOURCE_NOT_FOUND
        assert f"no digest {digest}" in failure.message

    def test_another_manifest_than_the_digest_says(self, fetch: Fetch, server: RegistryServer) -> None:
        digest = digest_of(b"nothing")
        server.manifest(server.layer({"x": ""}), tag=digest)
        failure = fetch.failure(f"@{digest}")
        assert failure.reason == Reason.CHECKSUM_MISMATCH
        assert digest in failure.message

    @pytest.mark.parametrize("change", ["other", "longer", "shorter"])
    def test_another_blob_than_the_digest_says(self, fetch: Fetch, server: RegistryServer, change: str) -> None:
        content = tar({"x": ""})
        layer = server.blob(content)
        sent = {"other": content[:-1] + b"x", "longer": content + b"x", "shorter": content[:-1]}[change]
        server.stored[f"app/blobs/{layer['digest']}"] = ("application/octet-stream", sent)
        server.manifest(layer)
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_INVALID
        assert layer["digest"] in failure.message
        assert fetch.files() == {}

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_a_registry_that_fails_is_asked_again(self, fetch: Fetch, server: RegistryServer, status: int) -> None:
        server.manifest(server.layer({"x": ""}))
        server.before.append(answers(status))
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_UNREACHABLE
        assert str(status) in failure.message
        assert fetch.pauses == [2.0, 5.0]

    def test_a_download_that_breaks_off_starts_anew(self, fetch: Fetch, server: RegistryServer) -> None:
        content = tar({"x": os.urandom(2**16).hex()})
        server.manifest(server.blob(content))
        once = iter([True])

        def break_off(request: BaseHTTPRequestHandler) -> bool:
            if "/blobs/" not in request.path or not next(once, False):
                return False
            request.send_response(200)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content[:1000])
            request.close_connection = True
            return True

        server.before.append(break_off)
        fetch()
        assert fetch.pauses == [2.0]
        assert "x" in fetch.files()

    def test_a_port_where_nobody_listens(self, fetch: Fetch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            fetch.reference = f"127.0.0.1:{taken.getsockname()[1]}/app:1"
        assert fetch.failure().reason == Reason.SOURCE_UNREACHABLE

    def test_a_server_that_says_nothing_is_given_up(self, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(registry_client, "TIMEOUT", (1.0, 0.1))
        with socket.create_server(("127.0.0.1", 0)) as silent:
            fetch.reference = f"127.0.0.1:{silent.getsockname()[1]}/app:1"
            failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_UNREACHABLE
        assert "in time" in failure.message

    def test_a_name_that_does_not_resolve(self, fetch: Fetch) -> None:
        fetch.reference, fetch.insecure = "registry.invalid/app:1", False
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_UNREACHABLE
        assert "registry.invalid" in failure.message

    @pytest.mark.parametrize(
        "document", [{"schemaVersion": 1, "fsLayers": []}, [], {"layers": [1]}, {"layers": [{"digest": "sha512:0"}]}]
    )
    def test_manifests_that_are_none(self, fetch: Fetch, server: RegistryServer, document: Any) -> None:
        server.document(document)
        assert fetch.failure().reason == Reason.SOURCE_INVALID

    def test_a_manifest_without_end(self, fetch: Fetch, server: RegistryServer) -> None:
        server.document({"layers": [], "annotations": {"x": "x" * MANIFEST_BYTES}})
        failure = fetch.failure()
        assert failure.reason == Reason.SOURCE_INVALID
        assert str(MANIFEST_BYTES) in failure.message


class TestTrust:
    @pytest.fixture
    def trusted(self, tmp_path: Path) -> Path:
        certificate, key = pair("127.0.0.1")
        (tmp_path / "ca.crt").write_text(certificate)
        (tmp_path / "server.key").write_text(key)
        return tmp_path / "ca.crt"

    @pytest.fixture
    def secure(self, trusted: Path) -> Iterator[RegistryServer]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(trusted, trusted.with_name("server.key"))
        with serving(RegistryServer(), context) as server:
            server.manifest(server.layer({"x": ""}))
            yield server

    def test_a_certificate_that_nobody_vouches_for(self, tmp_path: Path, secure: RegistryServer) -> None:
        failure = Fetch(tmp_path, secure, insecure=False).failure()
        assert failure.reason == Reason.CERTIFICATE_UNKNOWN
        assert "caBundle" in failure.hint
        assert secure.seen == []

    def test_a_certificate_for_another_host(self, tmp_path: Path, secure: RegistryServer, trusted: Path) -> None:
        failure = Fetch(tmp_path, secure, insecure=False, trusted=trusted).failure()
        assert failure.reason == Reason.CERTIFICATE_UNKNOWN
        assert "another host" in failure.message

    def test_a_redirect_to_plain_http_is_for_insecure_hosts_only(self, tmp_path: Path, server: RegistryServer) -> None:
        known = Authority(tmp_path)
        issued = known.issue("servers", "registry", names=("localhost", "127.0.0.1"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.certificate, issued.key)
        with serving(RegistryServer(host_name="localhost"), context) as secure:
            layer = secure.layer({"x": ""})
            secure.manifest(layer)
            server.stored = dict(secure.stored)
            for part in ("manifests/1", f"blobs/{layer['digest']}"):
                secure.before = [leads(part, f"http://{server.host}/v2/app/{part}")]
                failure = Fetch(tmp_path, secure, insecure=False, trusted=known.pair.certificate).failure()
                assert failure.reason == Reason.SOURCE_FAILED
                assert f"redirects to an address that is not https, of {server.host}" in failure.message
                assert "spec.registries.insecure" in failure.hint
            assert server.seen == []
            Fetch(tmp_path, secure)()
        assert [authorization for _, authorization in server.seen] == [None]

    def test_an_insecure_host_is_asked_by_tls_first(self, tmp_path: Path, secure: RegistryServer) -> None:
        fetch = Fetch(tmp_path, secure)
        fetch()
        assert "x" in fetch.files()

    def test_plain_http_for_insecure_hosts_only(self, fetch: Fetch, server: RegistryServer) -> None:
        server.manifest(server.layer({"x": ""}))
        fetch.insecure = False
        assert fetch.failure().reason == Reason.SOURCE_FAILED
        assert server.seen == []
