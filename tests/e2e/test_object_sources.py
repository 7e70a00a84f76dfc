"""Contexts from object stores: S3, Google Cloud Storage and Azure Blob Storage, each with real builds."""

import hashlib
from collections.abc import Iterator

import pytest

from tests.cluster import settings
from tests.cluster.handle import ClusterHandle
from tests.cluster.object_stores import BUCKET, ObjectStores
from tests.e2e.artifacts import archive
from tests.e2e.examples import company_ca, localised
from tests.e2e.reported import reported
from tests.e2e.team import JSON, Team

KEY = "shop/web 1.tar.gz"
EXAMPLE = "examples/web-app-1.3.0.tar.gz"
WRONG_KEY = "guess-work-81c4"


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "object-sources")
    yield space
    space.delete()


@pytest.fixture(scope="module")
def content(team: Team) -> bytes:
    dockerfile = team.dockerfile("COPY . /src")
    return archive({"Dockerfile": dockerfile, "which": "root", "web/Dockerfile": dockerfile, "web/which": "web"})


@pytest.fixture(scope="module")
def stores(cluster: ClusterHandle, content: bytes) -> Iterator[ObjectStores]:
    with cluster.object_stores({KEY: content, EXAMPLE: content, "plain.txt": b"no archive"}) as stores:
        yield stores


def secret(team: Team, name: str, **values: str) -> JSON:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": team.namespace},
        "stringData": values,
    }


def sources(stores: ObjectStores) -> dict[str, JSON]:
    """A source for each build, by its name."""

    def s3(keys: str = "s3-keys", **members: str) -> JSON:
        place = {"bucket": BUCKET, "key": KEY, "endpoint": stores.s3}
        return {"s3": {**place, **members, "secretRef": {"name": keys}}}

    def azure(keys: str, key: str = KEY) -> JSON:
        return {"azureBlob": {"url": stores.azure(key), "secretRef": {"name": keys}}}

    gcs = {"bucket": BUCKET, "key": KEY, "secretRef": {"name": "gcs-key"}}
    return {
        "s3": s3(),
        "s3-folder": {**s3(), "subPath": "web"},
        "s3-wrong-key": s3("s3-wrong"),
        "s3-other-names": s3("s3-other-names"),
        "s3-missing": s3(key="shop/none.tar.gz"),
        "s3-no-bucket": s3(bucket="elsewhere"),
        "s3-no-archive": s3(key="plain.txt"),
        "gcs": {"gcs": gcs},
        "gcs-missing": {"gcs": {**gcs, "key": "none.tar.gz"}},
        "azure": azure("azure-key"),
        "azure-sas": azure("azure-sas"),
        "azure-wrong-key": azure("azure-wrong"),
        "azure-missing": azure("azure-key", "none.tar.gz"),
    }


@pytest.fixture(scope="module")
def builds(team: Team, stores: ObjectStores) -> None:
    """All of them, applied at once."""
    team.apply(
        secret(team, "s3-keys", accessKeyId=settings.S3_KEY, secretAccessKey=settings.S3_SECRET),
        secret(team, "s3-wrong", accessKeyId=settings.S3_KEY, secretAccessKey=WRONG_KEY),
        secret(team, "s3-other-names", AWS_ACCESS_KEY_ID=settings.S3_KEY, AWS_SECRET_ACCESS_KEY=settings.S3_SECRET),
        secret(team, "gcs-key", **{"key.json": stores.gcs_key}),
        secret(team, "azure-key", accountKey=settings.AZURE_KEY),
        secret(team, "azure-sas", sasToken=stores.sas_token),
        secret(team, "azure-wrong", accountKey="Z3Vlc3Mtd29yay04MWM0"),
        *(team.manifest(name, source) for name, source in sources(stores).items()),
        team.manifest("untrusted", sources(stores)["s3"], registries={"secretRefs": [{"name": "registry-login"}]}),
        company_ca(team),
        localised(team, "08-s3.yaml", {"https://minio.example.com:9000": stores.s3}),
    )


@pytest.mark.usefixtures("builds")
class TestBuilt:
    @pytest.mark.parametrize(
        ("name", "which"),
        [
            ("s3", "root"),
            ("s3-folder", "web"),
            ("web-app-from-s3", "root"),
            ("gcs", "root"),
            ("azure", "root"),
            ("azure-sas", "root"),
        ],
    )
    def test_the_archive_is_the_context(self, team: Team, content: bytes, name: str, which: str) -> None:
        status = team.result(name)
        assert status["phase"] == "Succeeded", status
        assert status["source"] == {"digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}
        files = team.files(status["image"])
        assert files["src/which"].content == which


@pytest.mark.usefixtures("builds")
class TestFailed:
    @pytest.mark.parametrize(
        ("name", "reason", "words"),
        reported(
            [
                ("s3-wrong-key", "SourceAuthFailed", "the keys in Secret s3-wrong are refused: 403 Forbidden"),
                ("s3-other-names", "SecretInvalid", "Secret s3-other-names has no key accessKeyId."),
                ("s3-missing", "SourceNotFound", "/contexts/shop/none.tar.gz: 404 Not Found, NoSuchKey."),
                ("s3-no-bucket", "SourceNotFound", "there is no such bucket or container"),
                ("s3-no-archive", "SourceInvalid", "/contexts/plain.txt "),
                ("gcs-missing", "SourceNotFound", "There is no object gs://contexts/none.tar.gz"),
                ("azure-wrong-key", "SourceAuthFailed", "the keys in Secret azure-wrong are refused: 403 Forbidden"),
                ("azure-missing", "SourceNotFound", "BlobNotFound"),
                ("untrusted", "CertificateUnknown", "is not trusted"),
            ]
        ),
    )
    def test_it_is_told_why(self, team: Team, name: str, reason: str, words: str) -> None:
        status = team.result(name)
        assert status["failure"]["reason"] == reason, status
        assert words in status["failure"]["message"]
        assert status["run"]["attempt"] == 1

    def test_nobody_is_told_the_keys(self, team: Team) -> None:
        for name in ("s3-wrong-key", "azure-wrong-key"):
            team.result(name)
            told = team.kubectl("get", "imagebuild", name, "-o", "yaml") + team.log(name, "prepare")
            assert WRONG_KEY not in told
            assert "Z3Vlc3Mtd29yay04MWM0" not in told
