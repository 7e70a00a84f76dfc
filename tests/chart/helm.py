"""Helm as a user runs it: values in, manifests or a refusal out."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

from tests.chart.paths import CHART
from tests.cluster.settings import KUBERNETES_VERSION

RELEASE: Final = "builds"
NAMESPACE: Final = "build-system"
REPOSITORY: Final = "registry.example.com/platform/imagebuild-operator"

Manifest = dict[str, Any]
Values = Mapping[str, Any]


def merged(base: Values, overrides: Values) -> dict[str, Any]:
    """`overrides` laid over `base`, map by map, as Helm does it."""
    result = dict(base)
    for key, value in overrides.items():
        under = result.get(key)
        result[key] = merged(under, value) if isinstance(under, dict) and isinstance(value, Mapping) else value
    return result


@dataclass(frozen=True)
class Rendering:
    """What Helm would apply."""

    text: str

    @cached_property
    def manifests(self) -> list[Manifest]:
        # The loader written in C: the resource's schema is long.
        return [document for document in yaml.load_all(self.text, Loader=yaml.CSafeLoader) if document]

    def kinds(self) -> list[str]:
        return [manifest["kind"] for manifest in self.manifests]

    def all(self, kind: str) -> list[Manifest]:
        return [manifest for manifest in self.manifests if manifest["kind"] == kind]

    def one(self, kind: str, suffix: str = "") -> Manifest:
        found = [each for each in self.all(kind) if each["metadata"]["name"].endswith(suffix)]
        assert len(found) == 1, f"{len(found)} of kind {kind} whose name ends with {suffix!r}"
        return found[0]

    @property
    def pod(self) -> dict[str, Any]:
        """The Pod spec of the operator."""
        spec = self.one("Deployment")["spec"]["template"]["spec"]
        assert isinstance(spec, dict)
        return spec

    @property
    def environment(self) -> dict[str, str]:
        """The operator's environment variables that have a literal value."""
        return {each["name"]: each["value"] for each in self.pod["containers"][0]["env"] if "value" in each}


@dataclass(frozen=True)
class Helm:
    """A helm binary and a chart."""

    program: Path
    chart: Path = CHART

    def _run(self, *arguments: str, values: Values) -> subprocess.CompletedProcess[str]:
        command = [str(self.program), *arguments, "--values", "-"]
        return subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, timeout=60)

    def _template(self, values: Values, kubernetes: str) -> subprocess.CompletedProcess[str]:
        arguments = ("template", RELEASE, str(self.chart), "--namespace", NAMESPACE, "--kube-version", kubernetes)
        return self._run(*arguments, values=values)

    def render(self, values: Values | None = None) -> Rendering:
        """Render with the one value that has no default, and `values`."""
        result = self._template(merged({"image": {"repository": REPOSITORY}}, values or {}), KUBERNETES_VERSION)
        assert result.returncode == 0, result.stderr
        return Rendering(result.stdout)

    def refusal(self, values: Values, kubernetes: str = KUBERNETES_VERSION) -> str:
        """What Helm says about values it does not take; nothing is added to them."""
        result = self._template(values, kubernetes)
        assert result.returncode != 0, "Helm took these values"
        return result.stderr

    def lint(self, values: Values) -> subprocess.CompletedProcess[str]:
        return self._run("lint", "--strict", str(self.chart), "--kube-version", KUBERNETES_VERSION, values=values)
