import re
from pathlib import Path
from shutil import copytree

import pytest
import yaml

from imagebuild_operator.api.v1alpha1 import ImageBuild
from tests.chart.helm import Helm, Values
from tests.chart.paths import CHART

CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data: {notes: {{ include "notes" . | toJson }}}
"""


def notes(helm: Helm, folder: Path, values: Values) -> str:
    """NOTES.txt as a user reads it; `helm template` leaves it out, so a copy of the chart carries it in a manifest."""
    chart = copytree(CHART, folder / "chart")
    text = (chart / "templates" / "NOTES.txt").read_text()
    (chart / "templates" / "notes.yaml").write_text('{{ define "notes" }}' + text + "{{ end }}" + CONFIG_MAP)
    shown = Helm(helm.program, chart).render(values).one("ConfigMap")["data"]["notes"]
    assert isinstance(shown, str)
    return shown


@pytest.mark.parametrize(
    ("values", "namespace"), [({}, "default"), ({"watchNamespaces": ["shop", "blog"]}, "shop")], ids=["all", "some"]
)
def test_the_next_command_can_be_pasted(helm: Helm, tmp_path: Path, values: Values, namespace: str) -> None:
    shown = notes(helm, tmp_path, values)
    pasted = re.search(r"^kubectl apply -f - <<END\n(.*?)^END$", shown, re.MULTILINE | re.DOTALL)
    assert pasted, shown

    manifest = yaml.safe_load(pasted[1].replace("$REGISTRY", "registry.example.com/you"))

    assert manifest["metadata"]["namespace"] == namespace
    assert ImageBuild.model_validate(manifest).spec.output.images == ["registry.example.com/you/hello:1.0.0"]
    assert f"kubectl wait --namespace {namespace} --for=condition=Succeeded" in shown
    assert "$" not in pasted[1].replace("$REGISTRY", ""), "the shell would expand it"
