"""What a mounted Secret has to hold, and how an address of Azure's is taken apart."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.source_plans import S3Plan, SourceSecret
from imagebuild_operator.prepare.object_keys import (
    AzureKeys,
    AzurePlace,
    S3Keys,
    azure_keys,
    azure_place,
    gcs_keys,
    s3_keys,
    s3_region,
)
from imagebuild_operator.prepare.result import PrepareError
from tests.unit.prepare.cloud import mounted_keys

GOOGLE = json.dumps({"client_email": "a@example.com", "private_key": "-----BEGIN PRIVATE KEY-----"})
READERS: dict[str, Callable[[SourceSecret | None], object]] = {"s3": s3_keys, "gcs": gcs_keys, "azure": azure_keys}


@pytest.mark.parametrize(
    ("store", "values", "expected"),
    [
        ("s3", {"accessKeyId": "AKIA", "secretAccessKey": "secret\n"}, S3Keys("AKIA", "secret")),
        ("s3", {"accessKeyId": "A", "secretAccessKey": "s", "sessionToken": "t"}, S3Keys("A", "s", "t")),
        ("gcs", {"key.json": GOOGLE}, GOOGLE),
        ("azure", {"accountKey": "a2V5\r\n", "other": ""}, AzureKeys(account="a2V5")),
        ("azure", {"sasToken": "?sv=1&sig=a%3D"}, AzureKeys(token="sv=1&sig=a%3D")),
        ("azure", {"sasToken": "https://a.blob.core.windows.net/c/b?sig=a"}, AzureKeys(token="sig=a")),
    ],
)
def test_keys(tmp_path: Path, store: str, values: dict[str, str | bytes], expected: object) -> None:
    assert READERS[store](mounted_keys(tmp_path, values)) == expected


@pytest.mark.parametrize("store", READERS)
def test_no_secret(store: str) -> None:
    assert READERS[store](None) is None


@pytest.mark.parametrize(
    ("store", "values", "told"),
    [
        ("s3", {}, "has no key accessKeyId"),
        ("s3", {"accessKeyId": "AKIA"}, "has no key secretAccessKey"),
        ("s3", {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hidden"}, "has no key accessKeyId"),
        ("s3", {"accessKeyId": "AKIA", "secretAccessKey": "\n"}, "has an empty secretAccessKey"),
        ("s3", {"accessKeyId": "hidden\nx", "secretAccessKey": "s"}, "has a accessKeyId of more than one line"),
        ("s3", {"accessKeyId": b"\xff", "secretAccessKey": "s"}, "has a accessKeyId that is not text"),
        (
            "s3",
            {"accessKeyId": "A", "secretAccessKey": "s", "sessionToken": ""},
            "has an empty sessionToken",
        ),
        ("gcs", {"credentials.json": GOOGLE}, "has no key key.json"),
        ("gcs", {"key.json": "hidden"}, "has a key.json that is not JSON"),
        ("gcs", {"key.json": "[" * 100_000}, "has a key.json that is not JSON"),
        ("gcs", {"key.json": '["hidden"]'}, "has a key.json that is no object"),
        ("gcs", {"key.json": '{"type": "external_account"}'}, "without client_email and private_key"),
        ("gcs", {"key.json": '{"client_email": "a", "private_key": 1}'}, "without client_email and private_key"),
        ("azure", {}, "has neither accountKey nor sasToken"),
        ("azure", {"accountKey": "a2V5", "sasToken": "sig=a"}, "has both accountKey and sasToken"),
        ("azure", {"accountKey": "hidden!"}, "has an accountKey that is not base64"),
        ("azure", {"sasToken": "hidden"}, "has a sasToken without a signature"),
    ],
)
def test_a_secret_that_cannot_be_used(tmp_path: Path, store: str, values: dict[str, str | bytes], told: str) -> None:
    with pytest.raises(PrepareError) as caught:
        READERS[store](mounted_keys(tmp_path, values))
    failure = caught.value.failure
    assert failure.reason == Reason.SECRET_INVALID
    assert failure.message.startswith("Secret store-keys has")
    assert told in failure.message
    assert "hidden" not in failure.message + failure.hint
    assert ".secretRef must name a Secret" in failure.hint


def test_the_hint_knows_the_names_that_other_tools_use(tmp_path: Path) -> None:
    with pytest.raises(PrepareError) as caught:
        s3_keys(mounted_keys(tmp_path, {"AWS_ACCESS_KEY_ID": "AKIA"}))
    assert "the values of AWS_ACCESS_KEY_ID" in caught.value.failure.hint


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://shop.blob.core.windows.net/contexts/web.tar.gz",
            AzurePlace("shop", "https://shop.blob.core.windows.net", "contexts", "web.tar.gz"),
        ),
        (
            "https://shop.z01.blob.storage.azure.net/contexts/a/b%20c%25.tar",
            AzurePlace("shop", "https://shop.z01.blob.storage.azure.net", "contexts", "a/b c%.tar"),
        ),
        (
            "https://azurite.example.com:10000/shop/contexts/a/b.tar",
            AzurePlace("shop", "https://azurite.example.com:10000/shop", "contexts", "a/b.tar"),
        ),
    ],
)
def test_the_parts_of_a_blobs_address(url: str, expected: AzurePlace) -> None:
    assert azure_place(url) == expected


@pytest.mark.parametrize(
    ("endpoint", "region", "expected"),
    [
        (None, None, None),
        (None, "eu-west-1", "eu-west-1"),
        ("https://s3.eu-central-1.amazonaws.com", None, "eu-central-1"),
        ("https://s3.eu-central-1.amazonaws.com", "eu-west-1", "eu-west-1"),
        ("https://s3.cn-north-1.amazonaws.com.cn", None, "cn-north-1"),
        ("https://s3.shop.example.com", None, None),
    ],
)
def test_the_region(endpoint: str | None, region: str | None, expected: str | None) -> None:
    assert s3_region(S3Plan(bucket="b", key="k", endpoint=endpoint, region=region)) == expected
