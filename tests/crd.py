"""Our CRD on an API server that has no Helm: installed, and really served."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from imagebuild_operator.api import names
from tests.cluster import local_plane
from tests.cluster.errors import ClusterError
from tests.cluster.handle import ApiHandle
from tests.cluster.process import wait_until

CRD: Final = Path(__file__).resolve().parents[1] / "crds" / "imagebuilds.yaml"


@contextmanager
def control_plane() -> Iterator[ApiHandle]:
    """An API server that serves ImageBuilds while the block runs; there are no controllers and no kubelet."""
    with local_plane.control_plane() as handle:
        install(handle)
        yield handle


def install(plane: ApiHandle, file: Path = CRD) -> None:
    """Apply it and wait until ImageBuilds can be listed.

    Its own condition Established comes too early for that, and `kubectl wait` fails on a CRD without any condition.

    Raises:
        AssertionError: if that takes longer than 30 s.
    """
    plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(file))
    assert wait_until(lambda: _served(plane), 30), "ImageBuilds are not served"


def _served(plane: ApiHandle) -> bool:
    with suppress(ClusterError):
        plane.get(names.PLURAL, "--all-namespaces")
        return True
    return False
