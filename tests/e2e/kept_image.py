"""The operator's image, kept from one test run for the next as long as nothing changes of what it is made of."""

import hashlib
import shutil
from pathlib import Path

from tests import installation
from tests.cluster.handle import ClusterHandle
from tests.cluster.images import DEBIAN_IMAGE, KANIKO_IMAGE
from tests.cluster.settings import CACHE_FOLDER

FOLDER = CACHE_FOLDER / "operator-image"


def kept_or_built(cluster: ClusterHandle) -> tuple[str, str]:
    """Repository and tag of the operator's image: the one that was kept, or built now; one test run at a time."""
    context = installation.context_tar()
    repository, tag = installation.operator_image(cluster, context)
    kept = _place(context)
    if kept.is_dir() and not installation.has_image(cluster, f"{repository}:{tag}"):
        cluster.crane("push", str(kept), f"{repository}:{tag}")
    built = installation.build_operator_image(cluster, cluster.paths.logs / "operator-image-build.log")
    if not kept.is_dir():
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        half = kept.with_suffix(".half")
        cluster.crane("pull", "--format=oci", f"{repository}:{tag}", str(half))
        half.rename(kept)
    return built


def _place(context: bytes) -> Path:
    """Where the image is kept that this context becomes, by the tests' way to build it, base image and executor."""
    how = hashlib.sha256(Path(installation.__file__).read_bytes()).hexdigest()
    parts = (hashlib.sha256(context).hexdigest(), how, DEBIAN_IMAGE.layout().name, KANIKO_IMAGE.layout().name)
    return FOLDER / hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
