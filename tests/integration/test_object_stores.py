"""Fetching from real object stores on the loopback: what they answer, and what users are told of it."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.plan import VARIABLE, CertificatesPlan, Plan
from imagebuild_operator.pod.prepared import Prepared, PrepareFailure
from imagebuild_operator.pod.source_plans import AzureBlobPlan, GcsPlan, S3Plan, SourceSecret
from imagebuild_operator.prepare import objects
from imagebuild_operator.prepare.__main__ import carry_out
from imagebuild_operator.prepare.archive import Limits
from tests.cluster import settings
from tests.cluster.certificates import Authority
from tests.cluster.object_stores import BUCKET, ObjectStores, Ports
from tests.cluster.process import Process, spawn
from tests.unit.prepare.cloud import mounted_keys
from tests.unit.prepare.tars import Entry, tar_gz

pytestmark = pytest.mark.integration

KEY = "builds/web 1+ü.tar.gz"
BIG = "big.tar"
BIG_SIZE = 300 * 1024**2


ARCHIVE = tar_gz(Entry("Dockerfile", b"FROM scratch\n"), Entry("which", b"object"))


def write_big_archive(file: Path) -> None:
    """A tar file larger than the init container's memory, uncompressed."""
    member = tarfile.TarInfo("zeros")
    member.size = BIG_SIZE
    file.write_bytes(member.tobuf())
    os.truncate(file, file.stat().st_size + BIG_SIZE + 1024)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStores]:
    folder = tmp_path_factory.mktemp("stores")
    authority = Authority(folder)
    server = authority.issue("server", "localhost", names=["localhost", "127.0.0.1"])
    made = ObjectStores(
        "localhost", "127.0.0.1", folder / "data", server, authority.pair.certificate, Ports(*free_ports(3))
    )
    processes: list[Process] = []

    def started(name: str, command: Sequence[str], environment: Mapping[str, str]) -> Process:
        processes.append(spawn(name, command, folder / f"{name}.log", environment=environment))
        return processes[-1]

    try:
        made.start(started, {KEY: ARCHIVE, "broken.tar.gz": b"no archive at all"})
        yield made
    finally:
        for process in processes:
            process.stop(grace=0)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own keys and proxies."""
    for name in os.environ:
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@dataclass(frozen=True)
class Init:
    """One go of the init container."""

    folder: Path
    stores: ObjectStores

    @property
    def context(self) -> Path:
        return self.folder / "context"

    def keys(self, **values: str) -> SourceSecret:
        return mounted_keys(self.folder / "keys", values)

    def s3_keys(self) -> SourceSecret:
        # The line break is what `kubectl create secret --from-file` leaves.
        return self.keys(accessKeyId=settings.S3_KEY, secretAccessKey=f"{settings.S3_SECRET}\n")

    def s3(self, keys: SourceSecret | None, key: str = KEY, bucket: str = BUCKET, region: str | None = None) -> S3Plan:
        return S3Plan(bucket=bucket, key=key, endpoint=self.stores.s3, region=region, keys=keys)

    def plan(self, source: S3Plan | GcsPlan | AzureBlobPlan, *, trusting: bool = True) -> Plan:
        certificates = CertificatesPlan(
            origin="ConfigMap company-ca, key ca.crt", file=self.stores.ca, target=self.folder / "checked.crt"
        )
        return Plan(
            context=self.context,
            scratch=self.folder / "scratch",
            source=source,
            certificates=certificates if trusting else None,
        )

    def fetch(self, source: S3Plan | GcsPlan | AzureBlobPlan, *, trusting: bool = True) -> Prepared | PrepareFailure:
        return carry_out(self.plan(source, trusting=trusting))

    def failure(self, source: S3Plan | GcsPlan | AzureBlobPlan, *, trusting: bool = True) -> PrepareFailure:
        result = self.fetch(source, trusting=trusting)
        assert isinstance(result, PrepareFailure), result
        for secret in (settings.S3_SECRET, settings.AZURE_KEY, "sig=", 'private_key":'):
            assert secret not in result.message + result.hint
        return result

    def assert_fetched(self, source: S3Plan | GcsPlan | AzureBlobPlan) -> None:
        assert self.fetch(source) == Prepared(digest=f"sha256:{hashlib.sha256(ARCHIVE).hexdigest()}")
        assert (self.context / "which").read_text() == "object"
        assert list((self.folder / "scratch").iterdir()) == [self.folder / "scratch" / "trusted.crt"]


@pytest.fixture
def init(tmp_path: Path, stores: ObjectStores) -> Init:
    for name in ("context", "scratch"):
        (tmp_path / name).mkdir()
    return Init(tmp_path, stores)


def test_s3_with_keys(init: Init) -> None:
    init.assert_fetched(init.s3(init.s3_keys()))


def test_google_with_a_service_accounts_key(init: Init, stores: ObjectStores) -> None:
    init.assert_fetched(GcsPlan(bucket=BUCKET, key=KEY, keys=init.keys(**{"key.json": stores.gcs_key})))


def test_azure_with_the_accounts_key(init: Init, stores: ObjectStores) -> None:
    init.assert_fetched(AzureBlobPlan(url=stores.azure(KEY), keys=init.keys(accountKey=settings.AZURE_KEY)))


@pytest.mark.parametrize("start", ["", "?", "https://shop.blob.core.windows.net/?"])
def test_azure_with_a_signature_as_it_was_copied(init: Init, stores: ObjectStores, start: str) -> None:
    init.assert_fetched(AzureBlobPlan(url=stores.azure(KEY), keys=init.keys(sasToken=f"{start}{stores.sas_token}")))


def test_keys_of_the_secret_come_before_an_identity(
    init: Init, stores: ObjectStores, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("token")
    for name in ("AWS_WEB_IDENTITY_TOKEN_FILE", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.setenv(name, str(token))
    for name in ("AWS_ROLE_ARN", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"):
        monkeypatch.setenv(name, "somebody")
    init.assert_fetched(init.s3(init.s3_keys()))
    key = SourceSecret(secret="azure", folder=init.folder / "keys")
    (key.folder / "accountKey").write_text(settings.AZURE_KEY)
    init.assert_fetched(AzureBlobPlan(url=stores.azure(KEY), keys=key))


class TestRefused:
    def test_s3_a_wrong_key(self, init: Init) -> None:
        failure = init.failure(init.s3(init.keys(accessKeyId=settings.S3_KEY, secretAccessKey="another")))
        assert failure.reason == Reason.SOURCE_AUTH_FAILED
        assert "Secret store-keys are refused: 403 Forbidden, SignatureDoesNotMatch." in failure.message

    def test_s3_an_unknown_identifier_and_a_wrong_session(self, init: Init) -> None:
        keys = init.keys(accessKeyId="nobody", secretAccessKey=settings.S3_SECRET)
        assert init.failure(init.s3(keys)).reason == Reason.SOURCE_AUTH_FAILED
        (keys.folder / "accessKeyId").write_text(settings.S3_KEY)
        (keys.folder / "sessionToken").write_text("expired")
        failure = init.failure(init.s3(keys))
        assert failure.reason == Reason.SOURCE_AUTH_FAILED
        assert "InvalidToken" in failure.message

    def test_azure_a_wrong_key(self, init: Init, stores: ObjectStores) -> None:
        other = "YW5vdGhlcg=="
        failure = init.failure(AzureBlobPlan(url=stores.azure(KEY), keys=init.keys(accountKey=other)))
        assert failure.reason == Reason.SOURCE_AUTH_FAILED
        assert "Secret store-keys are refused: 403 Forbidden" in failure.message
        assert other not in failure.message

    def test_azure_a_wrong_signature(self, init: Init, stores: ObjectStores) -> None:
        token = stores.sas_token.replace("sp=rwc", "sp=rw")
        failure = init.failure(AzureBlobPlan(url=stores.azure(KEY), keys=init.keys(sasToken=token)))
        assert failure.reason == Reason.SOURCE_AUTH_FAILED


class TestNotFound:
    def test_s3_no_such_object(self, init: Init) -> None:
        failure = init.failure(init.s3(init.s3_keys(), key="builds/none.tar.gz"))
        assert failure.reason == Reason.SOURCE_NOT_FOUND
        assert f"There is no object {init.stores.s3}/{BUCKET}/builds/none.tar.gz: 404 Not Found" in failure.message

    def test_s3_no_such_bucket(self, init: Init) -> None:
        failure = init.failure(init.s3(init.s3_keys(), bucket="elsewhere"))
        assert failure.reason == Reason.SOURCE_NOT_FOUND
        assert "no such bucket or container: 404 Not Found, NoSuchBucket." in failure.message

    def test_google(self, init: Init, stores: ObjectStores) -> None:
        keys = init.keys(**{"key.json": stores.gcs_key})
        for plan in (GcsPlan(bucket=BUCKET, key="none", keys=keys), GcsPlan(bucket="elsewhere", key=KEY, keys=keys)):
            failure = init.failure(plan)
            assert failure.reason == Reason.SOURCE_NOT_FOUND
            assert plan.address in failure.message

    def test_azure(self, init: Init, stores: ObjectStores) -> None:
        keys = init.keys(accountKey=settings.AZURE_KEY)
        failure = init.failure(AzureBlobPlan(url=stores.azure("none"), keys=keys))
        assert (failure.reason, "There is no object" in failure.message) == (Reason.SOURCE_NOT_FOUND, True)
        failure = init.failure(AzureBlobPlan(url=stores.azure(KEY, "elsewhere"), keys=keys))
        assert (failure.reason, "no such bucket or container" in failure.message) == (Reason.SOURCE_NOT_FOUND, True)


def test_another_region(init: Init) -> None:
    failure = init.failure(init.s3(init.s3_keys(), region="eu-central-1"))
    assert failure.reason == Reason.SOURCE_FAILED
    assert "another region" in failure.message
    assert failure.hint == "Put the bucket's region into spec.source.s3.region."


def test_an_authority_that_nobody_named(init: Init) -> None:
    failure = init.failure(init.s3(init.s3_keys()), trusting=False)
    assert failure.reason == Reason.CERTIFICATE_UNKNOWN
    assert "spec.registries.caBundle" in failure.hint


def test_an_object_that_is_no_archive(init: Init) -> None:
    failure = init.failure(init.s3(init.s3_keys(), key="broken.tar.gz"))
    assert failure.reason == Reason.SOURCE_INVALID
    assert failure.message.startswith(f"{init.stores.s3}/{BUCKET}/broken.tar.gz ")


def test_an_object_that_is_too_large(init: Init, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "LIMITS", Limits(size=10))
    failure = init.failure(init.s3(init.s3_keys()))
    assert failure.reason == Reason.SOURCE_TOO_LARGE
    assert (init.folder / "scratch" / "archive").stat().st_size == 0


def test_nobody_listens(init: Init, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(objects.RETRIES, "max_retries", 0)
    [port] = free_ports(1)
    plan = init.s3(init.s3_keys()).model_copy(update={"endpoint": f"https://localhost:{port}"})
    failure = init.failure(plan)
    assert failure.reason == Reason.SOURCE_UNREACHABLE
    assert f"https://localhost:{port}/{BUCKET}" in failure.message


def test_a_large_object_is_never_whole_in_memory(init: Init) -> None:
    """The program as the Pod runs it, with its peak of resident memory."""
    write_big_archive(init.stores.folder / "s3" / BUCKET / BIG)
    plan = init.plan(init.s3(init.s3_keys(), key=BIG))
    program = (
        "import pathlib, re, sys; from imagebuild_operator.prepare.__main__ import main; "
        "code = main(pathlib.Path(sys.argv[1])); status = pathlib.Path('/proc/self/status').read_text(); "
        "print(re.search(r'VmHWM:\\s+([0-9]+) kB', status)[1]); sys.exit(code)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), VARIABLE: plan.model_dump_json()}
    command = [sys.executable, "-c", program, str(init.folder / "message")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (init.context / "zeros").stat().st_size == BIG_SIZE
    assert int(done.stdout.split()[-1]) < 100 * 1024


def test_the_program_ends_at_once_when_it_is_told_to(init: Init) -> None:
    """With a server that never answers: the library itself would wait for it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        plan = init.plan(init.s3(init.s3_keys()).model_copy(update={"endpoint": endpoint}))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), VARIABLE: plan.model_dump_json()}
        program = (
            "import pathlib, sys; from imagebuild_operator.prepare.__main__ import main; "
            "sys.exit(main(pathlib.Path(sys.argv[1])))"
        )
        process = subprocess.Popen([sys.executable, "-c", program, str(init.folder / "message")], env=environment)
        silent.settimeout(30)
        with silent.accept()[0]:
            process.terminate()
            assert process.wait(timeout=20) == 128 + signal.SIGTERM
