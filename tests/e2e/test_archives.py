"""Contexts from archives on a web server: one namespace, all builds at once, a test for each."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.cluster.fileserver import FileServer
from tests.cluster.handle import ClusterHandle
from tests.e2e.missing import assert_waited, until_told
from tests.e2e.reported import reported
from tests.e2e.team import JSON, Team

WRONG_PASSWORD = "guess-work-91c4"
CHECKSUM = "0123456789abcdef" * 4


def archive(files: Mapping[str, str], links: Mapping[str, str] | None = None) -> bytes:
    """A tar file of these files, those in bin/ executable, and of symbolic links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content.encode()), 0o755 if "/bin/" in name else 0o644
            tar.addfile(entry, io.BytesIO(content.encode()))
        for name, to in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, to
            tar.addfile(entry)
    return buffer.getvalue()


def huge() -> bytes:
    """The header of a file that is too large, and none of the file."""
    entry = tarfile.TarInfo("disk.img")
    entry.size = 11 * 1024**3
    return entry.tobuf()


def checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "archives")
    yield space
    space.delete()


@pytest.fixture(scope="module")
def files(cluster: ClusterHandle) -> Iterator[FileServer]:
    with cluster.file_server() as server:
        yield server


@pytest.fixture(scope="module")
def release(team: Team) -> bytes:
    """What a forge offers for download: everything in one folder."""
    contents = {
        "web-1.4/Dockerfile": team.dockerfile("COPY . /src", "RUN /src/bin/hello > /said"),
        "web-1.4/bin/hello": "#!/bin/sh\necho hello from an archive\n",
    }
    return gzip.compress(archive(contents, {"web-1.4/again": "bin/hello"}), mtime=0)


@pytest.fixture(scope="module")
def flat(team: Team) -> bytes:
    return archive({"Dockerfile": team.dockerfile("COPY . /src"), "which": "flat"})


def http(url: str, **more: Any) -> JSON:
    return {"http": {"url": url, **more}}


def login(team: Team, name: str, **values: str) -> JSON:
    metadata = {"name": name, "namespace": team.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


def right_login(team: Team, files: FileServer, name: str) -> JSON:
    return login(team, name, username=files.user, password=files.password)


@pytest.fixture(scope="module")
def builds(team: Team, files: FileServer, release: bytes, flat: bytes) -> None:
    """All of them, applied at once."""
    public, private = files.write("public/web.tar.gz", release), files.write("private/web.tar", flat)
    reaching = files.write("public/reaching.tgz", gzip.compress(archive({"../../etc/x": "reached"})))
    page = files.write("public/page.tgz", b"<!DOCTYPE html><title>Log in</title>")
    leaving = files.write("public/leaving.tar", archive({}, {"config": "/etc"}))
    files.write("public/flat", flat)
    folder = {"subPath": "web-1.4"}
    sources = {
        "checked": {**http(public, sha256=checksum(release)), **folder},
        "flat": http(files.url("public/flat")),
        "moved": {**http(files.url("elsewhere/public/web.tar.gz")), **folder},
        "private": http(private, secretRef={"name": "right"}),
        "private-moved": http(files.url("moved/private/web.tar"), secretRef={"name": "right"}),
        "another-checksum": http(public, sha256=CHECKSUM),
        "reaching": http(reaching),
        "leaving": http(leaving),
        "too-large": http(files.write("public/huge.tar", huge())),
        "page": http(page),
        "nowhere": http(files.url("public/none.tgz")),
        "no-folder": {**http(public), "subPath": "web-1.5"},
        "refused": http(private, secretRef={"name": "wrong"}),
        "no-login": http(private),
        "no-password": http(private, secretRef={"name": "half"}),
        "login-elsewhere": http(files.url("elsewhere/private/web.tar"), secretRef={"name": "right"}),
    }
    team.apply(
        right_login(team, files, "right"),
        login(team, "wrong", username=files.user, password=WRONG_PASSWORD),
        login(team, "half", username=files.user),
        # Those that wait come first, so that the others build meanwhile.
        team.manifest("late", http(private, secretRef={"name": "late"})),
        # What may pass is tried again, unless that is not wanted.
        team.manifest("closed", http(f"https://{files.host}:1/web.tar"), retry={"limit": 0}),
        *(team.manifest(name, source) for name, source in sources.items()),
        team.manifest("untrusted", http(public), registries={"secretRefs": team.registries["secretRefs"]}),
    )


@pytest.fixture(scope="module")
def late_login(team: Team, files: FileServer, builds: None) -> None:
    """It comes as soon as it is missed: the kubelet looks again later, and meanwhile the others build."""
    until_told(team, "late", 'secret "late" not found')
    team.apply(right_login(team, files, "late"))


@pytest.mark.usefixtures("late_login")
class TestWhatIsBuilt:
    @pytest.mark.parametrize("name", ["checked", "moved"])
    def test_a_folder_of_a_release(self, team: Team, release: bytes, name: str) -> None:
        status = team.result(name)
        assert status["phase"] == "Succeeded", status
        assert status["source"] == {"digest": f"sha256:{checksum(release)}"}
        files = team.files(status["image"])
        assert files["said"].content == "hello from an archive\n"
        assert (files["src/bin/hello"].mode, files["src/Dockerfile"].mode) == (0o755, 0o644)
        assert not files["src/again"].regular
        assert not any("web-1.4" in path for path in files)

    @pytest.mark.parametrize("name", ["flat", "private", "private-moved"])
    def test_an_archive_that_is_not_compressed(self, team: Team, flat: bytes, name: str) -> None:
        status = team.result(name)
        assert status["phase"] == "Succeeded", status
        assert status["source"] == {"digest": f"sha256:{checksum(flat)}"}
        assert team.files(status["image"])["src/which"].content == "flat"


@pytest.mark.usefixtures("late_login")
class TestWhatIsNot:
    @pytest.mark.parametrize(
        ("name", "reason", "told"),
        reported(
            [
                ("reaching", "SourceInvalid", "holds ../../etc/x, which has a name that leads out of its folder"),
                ("leaving", "SourceInvalid", "holds config, which is a symbolic link to /etc, outside of its folder"),
                ("too-large", "SourceTooLarge", "holds more than 10737418240 bytes, unpacked"),
                ("closed", "SourceUnreachable", "cannot be reached"),
                ("page", "SourceInvalid", "is no tar archive, or a broken one"),
                ("nowhere", "SourceNotFound", "answers 404"),
                ("no-folder", "SubPathInvalid", "spec.source.subPath web-1.5 does not exist"),
                ("no-login", "SourceAuthFailed", "asks for a login"),
                ("no-password", "SecretInvalid", "Secret half has no key password"),
                ("login-elsewhere", "SourceAuthFailed", "redirects to another server, which asks for a login"),
                ("untrusted", "CertificateUnknown", "is not trusted, or has expired"),
            ]
        ),
    )
    def test_why_is_told(self, team: Team, name: str, reason: str, told: str) -> None:
        status = team.result(name)
        assert (status["phase"], status["failure"]["reason"]) == ("Failed", reason), status
        assert told in status["failure"]["message"]
        assert status["run"]["attempt"] == 1
        assert "source" not in status

    @pytest.mark.cause("checksum-mismatch")
    def test_another_checksum_is_told_with_the_one_that_was_expected(self, team: Team, release: bytes) -> None:
        failure = team.result("another-checksum")["failure"]
        assert failure["reason"] == "ChecksumMismatch"
        assert CHECKSUM in failure["message"]
        assert checksum(release) in failure["message"]

    def test_a_login_that_comes_late_is_waited_for(self, team: Team) -> None:
        assert_waited(team, "late")

    def test_a_refused_login_is_named_and_builds_when_it_is_mended(self, team: Team, files: FileServer) -> None:
        failure = team.result("refused")["failure"]
        assert failure["reason"] == "SourceAuthFailed"
        assert "refuses the login in Secret wrong" in failure["message"]
        assert WRONG_PASSWORD not in team.story()
        team.apply(right_login(team, files, "wrong"))
        assert team.rebuild("refused", "mended")["phase"] == "Succeeded", team.story()
