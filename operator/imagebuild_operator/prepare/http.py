"""Fetches an archive from a web server into the build context."""

import logging
import time
from collections.abc import Callable

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.prepared import Prepared
from imagebuild_operator.pod.source_plans import HttpPlan
from imagebuild_operator.prepare.archive import unpack
from imagebuild_operator.prepare.folders import empty
from imagebuild_operator.prepare.ground import Fetcher, Ground
from imagebuild_operator.prepare.http_client import HttpClient
from imagebuild_operator.prepare.http_login import authorization_of
from imagebuild_operator.prepare.patience import patiently
from imagebuild_operator.prepare.result import PrepareError

log = logging.getLogger(__name__)


def http_fetcher(plan: HttpPlan, *, pause: Callable[[float], None] = time.sleep) -> Fetcher:
    """What downloads the archive and unpacks it, its login checked.

    Raises:
        PrepareError: if the login cannot be used; so does the fetcher when it fails.
    """
    authorization = authorization_of(plan.login) if plan.login is not None else None

    def fetch(ground: Ground) -> Prepared:
        archive = ground.scratch / "archive"
        client = HttpClient(plan, authorization, ground.trusted)
        log.info("Downloading %s", plan.address)
        checksum = patiently(lambda: client.download(archive), pause)
        log.info("Downloaded %d bytes, sha256 %s", archive.stat().st_size, checksum)
        _check(plan, checksum)
        empty(ground.context)
        unpack(archive, ground.context, origin=plan.address)
        archive.unlink()
        return Prepared(digest=f"sha256:{checksum}")

    return fetch


def _check(plan: HttpPlan, found: str) -> None:
    if plan.sha256 is None or plan.sha256.lower() == found:
        return
    raise PrepareError(
        Reason.CHECKSUM_MISMATCH,
        f"{plan.address} has another checksum: sha256 {found}, expected {plan.sha256.lower()}.",
        "Find out why the file is another one; if it is as it should be, correct spec.source.http.sha256.",
    )
