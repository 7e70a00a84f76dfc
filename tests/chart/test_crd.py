from typing import Any

import yaml

from tests.chart.helm import Helm, Rendering
from tests.chart.paths import CHART, CRD

KEEP = {"helm.sh/resource-policy": "keep"}


def generated() -> dict[str, Any]:
    loaded = yaml.safe_load(CRD.read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_the_charts_copy_is_the_generated_file() -> None:
    assert (CHART / "files" / "imagebuilds.yaml").read_bytes() == CRD.read_bytes()


def test_the_resource_is_rendered_unchanged_and_outlives_the_release(rendering: Rendering) -> None:
    crd, expected = rendering.one("CustomResourceDefinition"), generated()
    annotations = expected["metadata"].get("annotations", {})

    assert crd["metadata"].pop("annotations") == annotations | KEEP
    expected["metadata"].pop("annotations", None)
    assert crd == expected


def test_it_can_go_with_the_release(helm: Helm) -> None:
    crd = helm.render({"crds": {"keep": False}}).one("CustomResourceDefinition")

    assert not KEEP.items() <= crd["metadata"].get("annotations", {}).items()


def test_it_can_be_left_to_another_release(helm: Helm) -> None:
    assert not helm.render({"crds": {"install": False}}).all("CustomResourceDefinition")


def test_it_is_a_template_so_that_helm_upgrades_it() -> None:
    """Helm installs what stands in a chart's crds/ once and never again."""
    assert not (CHART / "crds").exists()
