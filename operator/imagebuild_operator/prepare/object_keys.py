"""Where an object lies, and the keys of its store, out of a mounted Secret."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from imagebuild_operator.pod.source_plans import S3Plan, SourceSecret
from imagebuild_operator.prepare.mounted_secret import MountedSecret

_S3_HINT: Final = (
    "spec.source.s3.secretRef must name a Secret with the keys accessKeyId and secretAccessKey, and sessionToken where "
    "they are temporary: the values of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN."
)
_GCS_HINT: Final = (
    "spec.source.gcs.secretRef must name a Secret whose key key.json holds a service account's key: kubectl create "
    "secret generic NAME --from-file=key.json"
)
_AZURE_HINT: Final = "spec.source.azureBlob.secretRef must name a Secret with one of the keys accountKey and sasToken."

# Amazon's own names alone: elsewhere what follows s3. need not be a region.
_AMAZON: Final = re.compile(r"https?://s3[.-]([a-z0-9-]+)[.]amazonaws[.]com([.]cn)?")


@dataclass(frozen=True)
class S3Keys:
    """Keys of S3; the identifier alone may be told."""

    identifier: str
    secret: str
    session: str | None = None


@dataclass(frozen=True)
class AzureKeys:
    """The account's key or a shared access signature."""

    account: str | None = None
    token: str | None = None


@dataclass(frozen=True)
class AzurePlace:
    """The parts of a blob's address; `endpoint` is what the container's name is appended to."""

    account: str
    endpoint: str
    container: str
    blob: str


def s3_keys(keys: SourceSecret | None) -> S3Keys | None:
    """The keys in the Secret; None without one.

    Raises:
        PrepareError: if one of them is missing, empty, or of several lines.
    """
    if keys is None:
        return None
    mounted = MountedSecret(keys.secret, keys.folder, _S3_HINT)
    identifier, secret = (mounted.required(name) for name in ("accessKeyId", "secretAccessKey"))
    return S3Keys(identifier, secret, mounted.line("sessionToken"))


def s3_region(plan: S3Plan) -> str | None:
    """The region to sign for; None for the environment's, or the default."""
    if plan.region is not None or plan.endpoint is None:
        return plan.region
    known = _AMAZON.fullmatch(plan.endpoint)
    return known[1] if known else None


def gcs_keys(keys: SourceSecret | None) -> str | None:
    """The service account's key, as JSON; None without a Secret.

    Raises:
        PrepareError: if it is not one.
    """
    if keys is None:
        return None
    secret = MountedSecret(keys.secret, keys.folder, _GCS_HINT)
    text = secret.text("key.json")
    if text is None:
        raise secret.bad("has no key key.json")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise secret.bad("has a key.json that is not JSON") from None
    if not isinstance(document, dict):
        raise secret.bad("has a key.json that is no object")
    if not all(isinstance(document.get(name), str) for name in ("client_email", "private_key")):
        raise secret.bad("has a key.json without client_email and private_key")
    return text


def azure_keys(keys: SourceSecret | None) -> AzureKeys | None:
    """The one key in the Secret; None without a Secret.

    Raises:
        PrepareError: if there is none, or both, or what it holds cannot be one.
    """
    if keys is None:
        return None
    secret = MountedSecret(keys.secret, keys.folder, _AZURE_HINT)
    account, token = (secret.line(name) for name in ("accountKey", "sasToken"))
    if account is not None and token is not None:
        raise secret.bad("has both accountKey and sasToken")
    if account is not None:
        return AzureKeys(account=_checked_account_key(secret, account))
    if token is not None:
        return AzureKeys(token=_checked_token(secret, token))
    raise secret.bad("has neither accountKey nor sasToken")


def azure_place(url: str) -> AzurePlace:
    """Take a blob's address apart: the account is the first name of Azure's own hosts, elsewhere a folder."""
    parts = urlsplit(url)
    origin, folders = f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")
    if ".blob." in parts.netloc:
        account, endpoint = parts.netloc.partition(".")[0], origin
    else:
        account, _, folders = folders.partition("/")
        endpoint = f"{origin}/{account}"
    container, _, blob = folders.partition("/")
    return AzurePlace(account, endpoint, container, unquote(blob))


def _checked_account_key(secret: MountedSecret, key: str) -> str:
    try:
        base64.b64decode(key, validate=True)
    except (ValueError, binascii.Error):
        raise secret.bad("has an accountKey that is not base64") from None
    return key


def _checked_token(secret: MountedSecret, token: str) -> str:
    """The token as it stands behind the question mark of an address."""
    bare = token.rpartition("?")[2]
    if not re.search(r"(^|&)sig=[^&]", bare):
        raise secret.bad("has a sasToken without a signature (sig=...)")
    return bare
