"""A real etcd and kube-apiserver with the CRD installed, one for the whole test run."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests import crd
from tests.cluster.handle import ApiHandle
from tests.integration.imagebuilds import ImageBuilds


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ApiHandle]:
    """The API server; there are no controllers and no kubelet, so Pods stay as they are written."""
    with crd.control_plane() as handle:
        yield handle


@pytest.fixture(scope="session")
def new_namespace(control_plane: ApiHandle) -> Callable[[str], str]:
    """Makes namespaces of their own for tests; they go with the API server."""
    numbers = itertools.count(1)

    def make(prefix: str) -> str:
        name = f"{prefix}-{next(numbers)}"
        control_plane.kubectl("create", "namespace", name)
        return name

    return make


@pytest.fixture(scope="module")
def builds(control_plane: ApiHandle, new_namespace: Callable[[str], str]) -> ImageBuilds:
    """The resource's endpoint, in a namespace of the test module's own."""
    return ImageBuilds(control_plane, new_namespace("builds"))
