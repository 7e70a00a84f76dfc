"""Fetches the files in an image or an artifact of a registry."""

import hashlib
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.prepared import Prepared
from imagebuild_operator.pod.source_plans import OciPlan
from imagebuild_operator.prepare import oci_manifest
from imagebuild_operator.prepare.archive import LIMITS, Limits, unpack
from imagebuild_operator.prepare.archive_tree import IMPOSSIBLE, RefusedError, Tree
from imagebuild_operator.prepare.folders import empty
from imagebuild_operator.prepare.ground import Fetcher, Ground
from imagebuild_operator.prepare.image_reference import ImageReference, parse_reference
from imagebuild_operator.prepare.layers import apply_layer
from imagebuild_operator.prepare.oci_login import login_for
from imagebuild_operator.prepare.oci_manifest import Document, Layer
from imagebuild_operator.prepare.patience import patiently
from imagebuild_operator.prepare.registry_client import RegistryClient
from imagebuild_operator.prepare.result import PrepareError

log = logging.getLogger(__name__)

# The file name that a layer's blob is the contents of, and whether it is the archive of a folder of that name instead
# (OCI image specification, annotations.md; what `oras push` writes and `oras pull` reads).
TITLE: Final = "org.opencontainers.image.title"
UNPACK: Final = "io.deis.oras.content.unpack"
FILE_MODE: Final = 0o644


def oci_fetcher(plan: OciPlan, *, pause: Callable[[float], None] = time.sleep) -> Fetcher:
    """What fetches the files of an image or artifact.

    Raises:
        PrepareError: when it fails.
    """
    reference = parse_reference(plan.reference)

    def fetch(ground: Ground) -> Prepared:
        login = login_for(reference, plan.login, ground.logins)
        client = RegistryClient(reference, login, trusted=ground.trusted, insecure=plan.insecure)
        return _Fetch(plan, reference, client, ground, pause).run()

    return fetch


@dataclass(frozen=True)
class _Fetch:
    """One image or artifact on its way into the context."""

    plan: OciPlan
    reference: ImageReference
    client: RegistryClient
    ground: Ground
    pause: Callable[[float], None]

    def run(self) -> Prepared:
        digest, document = self._manifest(self.reference.wanted)
        log.info("Fetching %s, %s", self.plan.reference, digest)
        if oci_manifest.is_index(document):
            _, document = self._manifest(oci_manifest.manifest_for(document, self.plan.reference))
        layers = oci_manifest.layers_of(document, self.plan.reference)
        if sum(layer.size for layer in layers) > LIMITS.size:
            message = f"{self.plan.reference} holds more than {LIMITS.size} bytes, packed."
            raise PrepareError(Reason.SOURCE_TOO_LARGE, message, "Leave out what the build does not need.")
        empty(self.ground.context)
        left = LIMITS
        for number, layer in enumerate(layers, start=1):
            log.info("Layer %d of %d: %d bytes", number, len(layers), layer.size)
            left = self._add(layer, left)
        self._check_links()
        return Prepared(revision=self.reference.tag, digest=digest)

    def _manifest(self, wanted: str) -> tuple[str, Document]:
        """A manifest or index by tag or digest: its digest, and what it says."""
        content = patiently(lambda: self.client.manifest(wanted), self.pause)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if ":" in wanted and digest != wanted:
            message = f"What {self.reference.api_host} sends as {wanted} of {self.reference.name} is {digest}."
            raise PrepareError(Reason.CHECKSUM_MISMATCH, message, "Ask who runs the registry, or a proxy before it.")
        return digest, oci_manifest.parse(content, self.plan.reference)

    def _add(self, layer: Layer, left: Limits) -> Limits:
        """Add a layer's files; what remains of the limits after it."""
        blob = self.ground.scratch / "layer"
        patiently(lambda: self.client.blob(layer.digest, layer.size, blob), self.pause)
        title = layer.annotations.get(TITLE, "")
        if not self.plan.artifact:
            folder = Path(tempfile.mkdtemp(prefix=".layer-", dir=self.ground.context))
            left = self._unpack(blob, folder, layer, left)
            apply_layer(folder, self.ground.context)
        elif title and layer.annotations.get(UNPACK) != "true":
            left = self._spend(layer.size, left)
            self._copy(blob, title)
        else:
            left = self._unpack(blob, self.ground.context, layer, left)
        blob.unlink()
        return left

    def _unpack(self, blob: Path, folder: Path, layer: Layer, left: Limits) -> Limits:
        if "zstd" in layer.media_type:
            message = f"A layer of {self.plan.reference} is compressed with zstd, which is not fetched."
            raise PrepareError(Reason.SOURCE_INVALID, message, "Push it compressed with gzip.")
        try:
            return unpack(blob, folder, limits=left, origin=f"Layer {layer.digest} of {self.plan.reference}")
        except PrepareError as error:
            if error.failure.reason == Reason.SOURCE_TOO_LARGE:
                raise self._too_large() from None
            raise

    def _spend(self, size: int, left: Limits) -> Limits:
        """What remains after a file of this size."""
        if size > left.size or not left.entries:
            raise self._too_large()
        return Limits(left.size - size, left.entries - 1)

    def _copy(self, blob: Path, title: str) -> None:
        with blob.open("rb") as contents:
            try:
                Tree(self.ground.context).make_file(title, contents, FILE_MODE, time.time())
            except RefusedError as refused:
                raise self._reaches_out(f"holds {title}, which {refused}") from None
            except ValueError:
                # NUL, or half a character.
                raise self._reaches_out(f"holds {title}, which is no name of a file") from None
            except OSError as error:
                if error.errno not in IMPOSSIBLE:
                    raise
                raise self._reaches_out(f"holds {title}, which cannot be made: {error.strerror}") from None

    def _check_links(self) -> None:
        """A link that was harmless in its own layer may lead elsewhere in the end."""
        for name, to in Tree(self.ground.context).links_out():
            raise self._reaches_out(f"holds {name}, which is a symbolic link to {to}, outside of its folder")

    def _too_large(self) -> PrepareError:
        """The limits are for all layers together."""
        limit = f"{LIMITS.size} bytes, or {LIMITS.entries} files and folders"
        message = f"{self.plan.reference} holds more than {limit}, unpacked."
        return PrepareError(Reason.SOURCE_TOO_LARGE, message, "Leave out what the build does not need.")

    def _reaches_out(self, what: str) -> PrepareError:
        hint = "Push a folder whose names and links stay inside of it."
        return PrepareError(Reason.SOURCE_INVALID, f"{self.plan.reference} {what}.", hint)
