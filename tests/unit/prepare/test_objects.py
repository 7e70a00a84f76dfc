"""Fetching from object stores by the Pod's own identity, and what goes wrong on the way to them.

What real stores say is in tests/integration/test_object_stores.py.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.plan import CertificatesPlan, Plan
from imagebuild_operator.pod.prepared import Prepared, PrepareFailure
from imagebuild_operator.pod.source_plans import AzureBlobPlan, GcsPlan, S3Plan, SourceSecret
from imagebuild_operator.prepare import objects
from imagebuild_operator.prepare.__main__ import carry_out
from tests.cluster.certificates import Authority
from tests.unit.prepare.cloud import LAST_MODIFIED, Cloud, cloud, mounted_keys, speaking
from tests.unit.prepare.tars import Entry, tar_gz

ROLE = "arn:aws:iam::123456789012:role/reader"
SECRET = "wJalrXUtnFEMI"
TEMPORARY = {"AccessKeyId": "ASIATEMPORARY", "SecretAccessKey": SECRET, "Token": "session-token"}
EXPIRES = "2099-01-01T00:00:00Z"
GOOGLE_TOKEN = "/computeMetadata/v1/instance/service-accounts/default/token"

SourceStore = S3Plan | GcsPlan | AzureBlobPlan


ARCHIVE = tar_gz(Entry("which", b"object"))
FETCHED = Prepared(digest=f"sha256:{hashlib.sha256(ARCHIVE).hexdigest()}")


@dataclass(frozen=True)
class Init:
    """One go of the init container."""

    folder: Path
    authority: Path

    def fetch(self, source: SourceStore, *, trusting: bool = True) -> Prepared | PrepareFailure:
        certificates = CertificatesPlan(origin="x", file=self.authority, target=self.folder / "checked.crt")
        plan = Plan(
            context=self.folder / "context",
            scratch=self.folder / "scratch",
            source=source,
            certificates=certificates if trusting else None,
        )
        return carry_out(plan)

    def failure(self, source: SourceStore, *, trusting: bool = True) -> PrepareFailure:
        result = self.fetch(source, trusting=trusting)
        assert isinstance(result, PrepareFailure), result
        return result

    @property
    def token(self) -> str:
        """A token of the Pod's service account, as a volume has it."""
        file = self.folder / "token"
        file.write_text("service-account-token")
        return str(file)

    def keys(self, **values: str) -> SourceSecret:
        return mounted_keys(self.folder / "keys", values)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def secure(authority: Authority) -> Iterator[Cloud]:
    with cloud(authority.issue("server", "localhost", names=["localhost"])) as made:
        yield made


@pytest.fixture
def store(secure: Cloud) -> Cloud:
    """A store over TLS with the archive in it."""
    secure.asked.clear()
    secure.answers = {"/contexts/web.tar.gz": (200, ARCHIVE), "/shop/contexts/web.tar.gz": (200, ARCHIVE)}
    return secure


@pytest.fixture
def metadata() -> Iterator[Cloud]:
    """What a node offers its Pods: always without TLS."""
    with cloud() as made:
        yield made


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own keys and proxies, and one try only."""
    for name in os.environ:
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "GCE_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setitem(objects.RETRIES, "max_retries", 0)


@pytest.fixture
def init(tmp_path: Path, authority: Authority) -> Init:
    for name in ("context", "scratch"):
        (tmp_path / name).mkdir()
    return Init(tmp_path, authority.pair.certificate)


@pytest.fixture(scope="module")
def google_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return json.dumps({"client_email": "reader@example.com", "private_key_id": "1", "private_key": pem.decode()})


def s3(store: Cloud, keys: SourceSecret | None = None) -> S3Plan:
    return S3Plan(bucket="contexts", key="web.tar.gz", endpoint=store.url, keys=keys)


def assume_role() -> bytes:
    return (
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
        f"<SessionToken>{TEMPORARY['Token']}</SessionToken><SecretAccessKey>{SECRET}</SecretAccessKey>"
        f"<Expiration>{EXPIRES}</Expiration><AccessKeyId>{TEMPORARY['AccessKeyId']}</AccessKeyId>"
        "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    ).encode()


class TestIdentity:
    """The variables are those that the clouds' webhooks put into every container of a Pod."""

    def test_amazon_a_role_for_the_service_account(
        self, init: Init, store: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.answers["/"] = (200, assume_role())
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", init.token)
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", store.url)
        assert init.fetch(s3(store)) == FETCHED
        asked = store.last("/contexts/web.tar.gz").headers
        assert "Credential=ASIATEMPORARY/" in asked["authorization"]
        assert "/eu-central-1/s3/" in asked["authorization"]
        assert asked["x-amz-security-token"] == "session-token"

    def test_amazon_an_agent_on_the_node(
        self, init: Init, store: Cloud, metadata: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        metadata.answers["/v1/credentials"] = (200, json.dumps({**TEMPORARY, "Expiration": EXPIRES}).encode())
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{metadata.url}/v1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", init.token)
        assert init.fetch(s3(store)) == FETCHED
        assert metadata.last("/v1/credentials").headers["authorization"] == "service-account-token"
        assert "Credential=ASIATEMPORARY/" in store.last("/contexts/web.tar.gz").headers["authorization"]

    def test_google_the_nodes_metadata(
        self, init: Init, store: Cloud, metadata: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = {"access_token": "google-token", "expires_in": 3600, "token_type": "Bearer"}
        metadata.answers[GOOGLE_TOKEN] = (200, json.dumps(token).encode())
        monkeypatch.setenv("GCE_METADATA_HOST", metadata.url.removeprefix("http://"))
        monkeypatch.setenv("GOOGLE_BASE_URL", store.url)
        assert init.fetch(GcsPlan(bucket="contexts", key="web.tar.gz")) == FETCHED
        assert store.last("/contexts/web.tar.gz").headers["authorization"] == "Bearer google-token"

    def test_azure_a_federated_token(self, init: Init, store: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        token = {"access_token": "azure-token", "expires_in": 3600, "token_type": "Bearer"}
        store.answers["/tenant/oauth2/v2.0/token"] = (200, json.dumps(token).encode())
        monkeypatch.setenv("AZURE_CLIENT_ID", "client")
        monkeypatch.setenv("AZURE_TENANT_ID", "tenant")
        monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", init.token)
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", store.url)
        assert init.fetch(AzureBlobPlan(url=f"{store.url}/shop/contexts/web.tar.gz")) == FETCHED
        assert "client_assertion=service-account-token" in store.last("/tenant/oauth2/v2.0/token").body
        assert store.last("/shop/contexts/web.tar.gz").headers["authorization"] == "Bearer azure-token"


class TestNoIdentity:
    def assert_told(self, failure: PrepareFailure, field: str) -> None:
        assert failure.reason == Reason.SOURCE_AUTH_FAILED
        assert "no keys are given, and the Pod gets none by its own identity" in failure.message
        assert f"Name a Secret in spec.source.{field}.secretRef" in failure.hint
        assert "serviceAccountName" in failure.hint

    def test_amazon(self, init: Init, store: Cloud, metadata: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", metadata.url)
        self.assert_told(init.failure(s3(store)), "s3")
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://localhost:1")
        self.assert_told(init.failure(s3(store)), "s3")

    def test_amazon_a_role_that_may_not_be_had(self, init: Init, store: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        store.answers["/"] = (403, b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>")
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", init.token)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", store.url)
        failure = init.failure(s3(store))
        self.assert_told(failure, "s3")
        assert "403 Forbidden, AccessDenied" in failure.message
        store.answers["/"] = (503, b"")
        assert init.failure(s3(store)).reason == Reason.SOURCE_UNREACHABLE

    def test_amazon_a_token_that_is_not_there(self, init: Init, store: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(init.folder / "none"))
        self.assert_told(init.failure(s3(store)), "s3")

    def test_google(self, init: Init, metadata: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        host = metadata.url.removeprefix("http://")
        monkeypatch.setenv("GCE_METADATA_HOST", host)
        monkeypatch.setenv("GCE_METADATA_IP", host)
        self.assert_told(init.failure(GcsPlan(bucket="contexts", key="web.tar.gz")), "gcs")

    def test_azure(self, init: Init, store: Cloud, metadata: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AZURE_MSI_ENDPOINT", f"{metadata.url}/token")
        self.assert_told(init.failure(AzureBlobPlan(url=f"{store.url}/shop/contexts/web.tar.gz")), "azureBlob")


class TestOnTheWay:
    def keys(self, init: Init) -> SourceSecret:
        return init.keys(accessKeyId="AKIA", secretAccessKey=SECRET)

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_a_store_that_fails(self, init: Init, store: Cloud, status: int) -> None:
        store.answers["/contexts/web.tar.gz"] = (status, f"<Error>{SECRET}</Error>".encode())
        failure = init.failure(s3(store, self.keys(init)))
        assert failure.reason == Reason.SOURCE_UNREACHABLE
        assert f": {status} " in failure.message
        assert SECRET not in failure.message

    def test_an_answer_that_nobody_knows(self, init: Init, store: Cloud) -> None:
        store.answers["/contexts/web.tar.gz"] = (418, f"<Error>{SECRET}</Error>".encode())
        failure = init.failure(s3(store, self.keys(init)))
        assert failure.reason == Reason.SOURCE_FAILED
        assert "418 I'm a teapot" in failure.message
        assert SECRET not in failure.message

    def test_a_bucket_elsewhere(self, init: Init, store: Cloud) -> None:
        """Amazon redirects without saying whereto."""
        store.answers["/contexts/web.tar.gz"] = (301, b"<Error><Code>PermanentRedirect</Code></Error>")
        failure = init.failure(s3(store, self.keys(init)))
        assert failure.reason == Reason.SOURCE_FAILED
        assert "another region" in failure.message
        assert "spec.source.s3.region" in failure.hint

    @pytest.mark.parametrize("said", ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"])
    def test_a_server_that_falls_silent(self, init: Init, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
        monkeypatch.setitem(objects.TIMEOUTS, "read_timeout", timedelta(seconds=0.2))
        with speaking(said) as url:
            failure = init.failure(S3Plan(bucket="contexts", key="k", endpoint=url, keys=self.keys(init)))
        assert failure.reason == Reason.SOURCE_UNREACHABLE
        assert "does not answer in time" in failure.message

    def test_a_download_that_breaks_off(self, init: Init) -> None:
        said = f"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: x\r\nLast-Modified: {LAST_MODIFIED}\r\n\r\nhalf"
        with speaking(said, hang_up=True) as url:
            failure = init.failure(S3Plan(bucket="contexts", key="k", endpoint=url, keys=self.keys(init)))
        assert failure.reason == Reason.SOURCE_UNREACHABLE

    def test_google_refuses_the_key(
        self, init: Init, store: Cloud, monkeypatch: pytest.MonkeyPatch, google_key: str
    ) -> None:
        monkeypatch.setenv("GOOGLE_BASE_URL", store.url)
        store.answers["/contexts/web.tar.gz"] = (403, b"<Error><Code>AccessDenied</Code></Error>")
        failure = init.failure(GcsPlan(bucket="contexts", key="web.tar.gz", keys=init.keys(**{"key.json": google_key})))
        assert failure.reason == Reason.SOURCE_AUTH_FAILED
        assert "Secret store-keys are refused: 403 Forbidden, AccessDenied." in failure.message

    def test_a_certificate_for_another_host(self, init: Init, authority: Authority) -> None:
        with cloud(authority.issue("other", "other.example.com", names=["other.example.com"])) as other:
            failure = init.failure(s3(other, self.keys(init)))
        assert failure.reason == Reason.CERTIFICATE_UNKNOWN
        assert "another host name" in failure.message

    def test_http_only_where_it_is_named(self, init: Init) -> None:
        with cloud() as plain:
            plain.answers["/contexts/web.tar.gz"] = (200, ARCHIVE)
            assert init.fetch(s3(plain, self.keys(init)), trusting=False) == FETCHED

    def test_a_name_that_nobody_has(self, init: Init) -> None:
        plan = S3Plan(bucket="contexts", key="k", endpoint="https://nobody.invalid", keys=self.keys(init))
        failure = init.failure(plan)
        assert failure.reason == Reason.SOURCE_UNREACHABLE
        assert "cannot be resolved" in failure.message

    def test_a_proxy_of_the_environment_is_used(
        self, init: Init, metadata: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", metadata.url)
        metadata.answers["http://store.invalid/contexts/web.tar.gz"] = (200, ARCHIVE)
        plan = S3Plan(bucket="contexts", key="web.tar.gz", endpoint="http://store.invalid", keys=self.keys(init))
        assert init.fetch(plan) == FETCHED
