"""An API server of its own for the tests with faults: the operators of a test look at all namespaces."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests import crd
from tests.cluster.handle import ApiHandle


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/chaos/" in item.nodeid:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="module")
def plane() -> Iterator[ApiHandle]:
    """The API server; there are no controllers, no scheduler and no kubelet but ours."""
    with crd.control_plane() as handle:
        yield handle


@pytest.fixture(scope="module")
def new_namespaces(plane: ApiHandle) -> Callable[[int], list[str]]:
    """Makes namespaces of their own for a test; they go with the API server."""
    numbers = itertools.count(1)

    def make(count: int) -> list[str]:
        made = [f"chaos-{next(numbers)}" for _ in range(count)]
        plane.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in made))
        return made

    return make
