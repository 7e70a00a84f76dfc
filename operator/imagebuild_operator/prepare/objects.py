"""Fetches an archive from an object store and unpacks it into the build context."""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.prepared import Prepared
from imagebuild_operator.pod.source_plans import AzureBlobPlan, GcsPlan, S3Plan
from imagebuild_operator.prepare.archive import LIMITS, unpack
from imagebuild_operator.prepare.folders import empty
from imagebuild_operator.prepare.ground import Fetcher, Ground
from imagebuild_operator.prepare.object_errors import StorePlan, explained
from imagebuild_operator.prepare.object_keys import azure_keys, azure_place, gcs_keys, s3_keys, s3_region
from imagebuild_operator.prepare.result import PrepareError

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, ObjectStore, RetryConfig, S3Config

log = logging.getLogger(__name__)

CHUNK: Final = 1024 * 1024
# A wrong address is told after three tries, 20 to 25 s; what is unreachable for longer is a new attempt's business.
RETRIES: Final["RetryConfig"] = {
    "max_retries": 2,
    "backoff": {"init_backoff": timedelta(seconds=2), "max_backoff": timedelta(seconds=5), "base": 2},
    # Also bounds how long after its start a broken download goes on where it broke.
    "retry_timeout": timedelta(minutes=30),
}
# The limit is for the whole download, however large; one that stalls ends by `read_timeout`.
TIMEOUTS: Final["ClientConfig"] = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=30),
    "timeout": timedelta(hours=24),
}

Opened = Callable[["ClientConfig"], "ObjectStore"]


def s3_fetcher(plan: S3Plan) -> Fetcher:
    """What fetches the archive, its keys checked; without any, those that the Pod's environment leads to.

    Raises:
        PrepareError: if they cannot be used; so does the fetcher when it fails.
    """
    keys = s3_keys(plan.keys)
    config: S3Config = {}
    if plan.endpoint is not None:
        config["endpoint"] = plan.endpoint
    region = s3_region(plan)
    if region is not None:
        config["region"] = region
    if keys is not None:
        config["access_key_id"], config["secret_access_key"] = keys.identifier, keys.secret
        if keys.session is not None:
            config["session_token"] = keys.session

    def opened(client: "ClientConfig") -> "ObjectStore":
        named = (plan.endpoint or "").startswith("http://")
        return S3Store(plan.bucket, config=config, client_options={**client, "allow_http": named}, retry_config=RETRIES)

    secrets = (keys.secret, keys.session or "") if keys is not None else ()
    return _fetcher(plan, plan.key, opened, secrets)


def gcs_fetcher(plan: GcsPlan) -> Fetcher:
    """The same from Google Cloud Storage.

    Raises:
        PrepareError: if its key cannot be used; so does the fetcher when it fails.
    """
    keys = gcs_keys(plan.keys)
    config: GCSConfig = {} if keys is None else {"service_account_key": keys}

    def opened(client: "ClientConfig") -> "ObjectStore":
        return GCSStore(plan.bucket, config=config, client_options=client, retry_config=RETRIES)

    return _fetcher(plan, plan.key, opened, ())


def azure_blob_fetcher(plan: AzureBlobPlan) -> Fetcher:
    """The same from Azure Blob Storage.

    Raises:
        PrepareError: if its key cannot be used; so does the fetcher when it fails.
    """
    keys = azure_keys(plan.keys)
    place = azure_place(plan.url)
    config: AzureConfig = {"account_name": place.account, "endpoint": place.endpoint}
    # Named, since the environment may hold an identity as well.
    if keys is not None and keys.account is not None:
        config |= {"account_key": keys.account, "credential_type": "access_key"}
    elif keys is not None and keys.token is not None:
        config |= {"sas_key": keys.token, "credential_type": "sas_token"}

    def opened(client: "ClientConfig") -> "ObjectStore":
        return AzureStore(place.container, config=config, client_options=client, retry_config=RETRIES)

    secrets = (keys.account or "", keys.token or "") if keys is not None else ()
    return _fetcher(plan, place.blob, opened, secrets)


def _fetcher(plan: StorePlan, key: str, opened: Opened, secrets: tuple[str, ...]) -> Fetcher:
    """What downloads one object and unpacks it.

    Args:
        plan: of the source, for messages.
        key: name of the object in its store.
        opened: makes the store.
        secrets: what must not be told.
    """

    def fetch(ground: Ground) -> Prepared:
        archive, client = ground.scratch / "archive", _client(ground)
        log.info("Downloading %s", plan.address)
        chunks = _chunks(plan, key, lambda: opened(client), secrets)
        digest = _interruptibly(lambda: _written(chunks, archive))
        empty(ground.context)
        unpack(archive, ground.context, origin=plan.address)
        archive.unlink()
        log.info("Unpacked an archive with the checksum %s", digest)
        return Prepared(digest=digest)

    return fetch


def _chunks(
    plan: StorePlan, key: str, opened: Callable[[], "ObjectStore"], secrets: tuple[str, ...]
) -> Iterator[bytes]:
    """The object, piece by piece; the store's errors become ours."""
    try:
        result = obstore.get(opened(), key)
        if result.meta["size"] > LIMITS.size:
            raise PrepareError(
                Reason.SOURCE_TOO_LARGE,
                f"{plan.address} has {result.meta['size'] / 1024**3:.1f} GiB; at most {LIMITS.size // 1024**3} GiB "
                "are fetched.",
                "Leave out of it what the build does not need.",
            )
        yield from result.stream(min_chunk_size=CHUNK)
    except (BaseError, OSError, ValueError) as error:
        raise explained(error, plan, secrets) from None


def _written(chunks: Iterator[bytes], file: Path) -> str:
    """Write them to the disk as they come; the checksum of it all is returned, as sha256:..."""
    digest = hashlib.sha256()
    with file.open("wb") as target:
        for chunk in chunks:
            target.write(chunk)
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _interruptibly(work: Callable[[], str]) -> str:
    """Do it in a thread of its own: a signal is handled in the main one, which obstore would hold for minutes."""
    outcome: Future[str] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome.result()


def _client(ground: Ground) -> "ClientConfig":
    """How to connect; proxies come from the environment."""
    if ground.trusted is None:
        return TIMEOUTS
    return {**TIMEOUTS, "root_certificate": ground.trusted.read_text(encoding="utf-8")}
