"""The chart's values as values.yaml tells them, and the reference page made from it.

values.yaml is the source: the comment above a value is its description, in the schema and in the page alike.
`python -m tests.chart.values` writes the page.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from tests.chart.paths import CHART, VALUES_DOC

INDENT: Final = 2
KEY: Final = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z]+):(?P<rest>.*)$")
# Values that are handed on to Kubernetes as they are: one value each, whatever their defaults hold.
HANDED_ON: Final = ("build.resources", "build.sourceResources", "resources")


@dataclass(frozen=True)
class Value:
    """One value a user may set."""

    path: str
    default: Any
    description: str


def defaults() -> dict[str, Any]:
    loaded = yaml.safe_load((CHART / "values.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each value that is no group of further values, with its dotted path."""
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value and path not in HANDED_ON:
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


def comments() -> dict[str, str]:
    """The comment directly above each key of values.yaml, as one line."""
    found: dict[str, str] = {}
    comment: list[str] = []
    parents: list[str] = []
    for line in (CHART / "values.yaml").read_text().splitlines():
        if line.lstrip().startswith("#"):
            comment.append(line.lstrip().removeprefix("#").strip())
        elif key := KEY.match(line):
            parents = [*parents[: len(key["indent"]) // INDENT], key["key"]]
            found[".".join(parents)] = " ".join(comment)
            comment = []
        else:
            comment = []
    return found


def documented() -> list[Value]:
    described = comments()
    return [Value(path, default, described[path]) for path, default in leaves(defaults())]


def page() -> str:
    """The reference page."""
    rows = "\n".join(
        f"| `{value.path}` | `{json.dumps(value.default)}` | {value.description} |" for value in documented()
    )
    return f"""# Values of the Helm chart

Made from `charts/imagebuild-operator/values.yaml` by `python -m tests.chart.values`; a test fails when the two differ.
Defaults are written as JSON. A name that is not listed here is refused at `helm install`.

| Value | Default | Meaning |
| --- | --- | --- |
{rows}
"""


if __name__ == "__main__":
    VALUES_DOC.write_text(page())
