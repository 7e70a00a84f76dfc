import pytest

from tests.chart.helm import Helm, Rendering
from tests.cluster.errors import ClusterError
from tests.cluster.programs import HELM, build_family, go_command, program


@pytest.fixture(scope="session")
def helm() -> Helm:
    if not HELM.binaries.is_dir():
        try:
            go_command()
        except ClusterError as lack:
            pytest.skip(f"helm is built from its Go module: {lack}")
        build_family(HELM)
    return Helm(program("helm"))


@pytest.fixture(scope="session")
def rendering(helm: Helm) -> Rendering:
    """The chart with its defaults."""
    return helm.render()
