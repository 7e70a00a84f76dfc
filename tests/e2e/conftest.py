"""The whole product on the real cluster: one cluster and one installed operator for the session."""

from collections.abc import Iterator

import pytest

from tests import installation
from tests.cluster import running_cluster
from tests.cluster.handle import ClusterHandle
from tests.cluster.locks import locked
from tests.cluster.settings import CACHE_FOLDER
from tests.e2e.kept_image import kept_or_built
from tests.e2e.team import Team


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e/" in item.nodeid:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def cluster() -> Iterator[ClusterHandle]:
    """The cluster, for one test run at a time: there is one operator, and each run installs its own."""
    with (
        locked(CACHE_FOLDER / "e2e.lock", print, "waiting for another run of these tests …"),
        running_cluster() as handle,
    ):
        yield handle


@pytest.fixture(scope="session")
def operator_image(cluster: ClusterHandle) -> tuple[str, str]:
    """The operator's image, built from this checkout by kaniko in the cluster, if need be."""
    return kept_or_built(cluster)


@pytest.fixture(scope="session")
def operator(cluster: ClusterHandle, operator_image: tuple[str, str]) -> None:
    """The chart, installed by Helm with the values most tests share."""
    installation.install(cluster, operator_image)


@pytest.fixture
def team(cluster: ClusterHandle, operator: None, request: pytest.FixtureRequest) -> Iterator[Team]:
    """A namespace of its own, with logins and the cluster's CA, and what a person does in it."""
    space = Team.create(cluster, request.node.name)
    yield space
    report = getattr(request.node, "call_report", None)
    if report is not None and report.failed:
        print(space.story())
    cluster.kubectl("delete", "namespace", space.namespace, "--wait=false")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Leave a test's outcome where its fixtures can see it, so that a failure tells its story."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call":
        item.call_report = report  # type: ignore[attr-defined]
