"""Object stores as sources on a real API server: what it takes, what it refuses, and in which words."""

from typing import Any

import pytest

from imagebuild_operator.api.v1alpha1 import ImageBuild
from tests.integration.imagebuilds import Document, ImageBuilds, with_fields
from tests.integration.specimens import STORES

pytestmark = pytest.mark.integration

S3: Document = {"bucket": "contexts", "key": "web.tar.gz"}
BLOB = "https://shop.blob.core.windows.net/contexts/web.tar.gz"
BUCKET = "must be the name of a bucket, without s3:// or gs://"
KEY = "must be the object's name inside the bucket"
ENDPOINT = "must be https://host[:port] (or http://, unencrypted)"
SIGNATURE = "put a SAS token into the key sasToken of a Secret"
NO_BLOB = "must name a blob: https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB"


def s3(**members: Any) -> Document:
    return {"s3": {**S3, **members}}


def azure(url: str) -> Document:
    return {"azureBlob": {"url": url}}


ACCEPTED: dict[str, Document] = {
    **{f"every field of {next(iter(store))}": store for store in STORES},
    "s3 with nothing else": s3(),
    "a key like a folder's": s3(key="a/..b/c d%20+ü{}"),
    "a key as long as it may be": s3(key="/".join(["k" * 127] * 8)),
    "an endpoint without a port": s3(endpoint="https://s3.eu-central-1.amazonaws.com"),
    "a blob in a zone": azure("https://shop.z01.blob.storage.azure.net/contexts/a/b.tar"),
    "a blob of another cloud": azure("https://shop.blob.core.chinacloudapi.cn/c/b"),
    "a blob with the account in the path": azure("https://azurite.example.com:10000/shop/contexts/web%201.tar"),
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(builds: ImageBuilds, source: Document) -> None:
    stored = builds.create(with_fields({"spec.source": source}), dry_run=True)
    assert stored["spec"]["source"] == source
    ImageBuild.model_validate({"spec": stored["spec"]})


REFUSED: dict[str, tuple[Document, str, str]] = {
    "a bucket as an address": (s3(bucket="s3://contexts"), "s3.bucket", BUCKET),
    "a bucket with a folder": ({"gcs": {**S3, "bucket": "contexts/web"}}, "gcs.bucket", BUCKET),
    "a bucket of one letter": (s3(bucket="c"), "s3.bucket", "at least 2 chars"),
    "no key": ({"s3": {"bucket": "contexts"}}, "s3.key", "Required value"),
    "a key from the root": (s3(key="/web.tar.gz"), "s3.key", KEY),
    "a key that is a folder": (s3(key="web/"), "s3.key", KEY),
    "a key that leads upwards": ({"gcs": {**S3, "key": "a/../b"}}, "gcs.key", KEY),
    "a key with a line break": (s3(key="a\nb"), "s3.key", KEY),
    "a key that is too long": (s3(key="k" * 1025), "s3.key", "Too long"),
    "an endpoint without a scheme": (s3(endpoint="minio.example.com"), "s3.endpoint", ENDPOINT),
    "an endpoint with a path": (s3(endpoint="https://minio.example.com/contexts"), "s3.endpoint", ENDPOINT),
    "an endpoint with a login": (s3(endpoint="https://me:pw@minio.example.com"), "s3.endpoint", ENDPOINT),
    "a region that is none": (s3(region="eu central"), "s3.region", "must be the name of a region"),
    "a blob without TLS": (azure("http://shop.blob.core.windows.net/c/b"), "azureBlob.url", "must start with https://"),
    "a blob with its signature": (azure(f"{BLOB}?sv=1&sig=s3cret"), "azureBlob.url", SIGNATURE),
    "a blob with a login": (azure("https://me:s3cret@shop.example.com/shop/c/b"), "azureBlob.url", SIGNATURE),
    "a container": (azure("https://shop.blob.core.windows.net/contexts"), "azureBlob.url", NO_BLOB),
    "a container of another host": (azure("https://azurite.example.com/shop/contexts"), "azureBlob.url", NO_BLOB),
    "a blob that is a folder": (azure(f"{BLOB}/"), "azureBlob.url", NO_BLOB),
    "a blob that leads upwards": (azure("https://shop.blob.core.windows.net/c/../b"), "azureBlob.url", NO_BLOB),
    "a blob with a fragment": (azure(f"{BLOB}#part"), "azureBlob.url", NO_BLOB),
    "a blob with a space": (azure("https://shop.blob.core.windows.net/c/a b"), "azureBlob.url", NO_BLOB),
    "two stores": ({**s3(), **azure(BLOB)}, "", "exactly one of"),
}


@pytest.mark.parametrize(("source", "field", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(builds: ImageBuilds, source: Document, field: str, words: str) -> None:
    message = builds.refusal(with_fields({"spec.source": source}))
    assert f"spec.source{'.' if field else ''}{field}: " in message
    assert words in message
    assert "rule evaluation error" not in message
    assert "s3cret" not in message
