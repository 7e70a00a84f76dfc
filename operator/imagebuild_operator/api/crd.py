"""Generates the CustomResourceDefinition from the pydantic models, and writes it where it is shipped.

pydantic emits JSON Schema 2020-12; the API server takes only *structural schemas* (Kubernetes documentation,
"Specifying a structural schema"): no `$ref`, one type per node, no null. What can be said in both is rewritten here;
what cannot is refused with the path of the field, so that nothing is lost without a word.

`python -m imagebuild_operator.api.crd` (`make generate`) writes the files, from the root of the checkout.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from imagebuild_operator.api import names
from imagebuild_operator.api.schema import Schema, rule
from imagebuild_operator.api.v1alpha1 import ImageBuild

# Helm cannot read outside a chart, so the chart carries a copy.
FILES: Final = (Path("crds/imagebuilds.yaml"), Path("charts/imagebuild-operator/files/imagebuilds.yaml"))

HEADER: Final = "# Generated from operator/imagebuild_operator/api/v1alpha1.py by `make generate`; do not edit.\n"

# Wider than any description or rule: each stands on one line, so that a change of a word is a change of a line.
LINE_WIDTH: Final = 10_000

NAME_MAX_LENGTH: Final = 63

# In the order in which they are written.
KEYWORDS: Final = (
    "description",
    "type",
    "format",
    "enum",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "anyOf",
    "default",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
)

# Words about the field, none of which the API server acts on. No schema default either: see v1alpha1.
DROPPED: Final = frozenset({"title", "default", "examples", "deprecated", "readOnly", "writeOnly"})

RULES: Final = "x-kubernetes-validations"
NULL: Final[Schema] = {"type": "null"}


class SchemaError(Exception):
    """A model says something that a structural schema has no words for; the message names the field."""


def structural(node: Mapping[str, Any], definitions: Mapping[str, Any], path: str = "") -> Schema:
    """Rewrite one node of pydantic's JSON Schema, and everything below it, as a structural schema.

    Args:
        node: a schema as pydantic emits it.
        definitions: its `$defs`.
        path: where the node stands, for messages.

    Raises:
        SchemaError: if the node says something that cannot be rewritten.
    """
    flat = _bounded(_closed(_inlined(node, definitions, path)))
    if "properties" in flat:
        flat["properties"] = {
            name: structural(field, definitions, f"{path}.{name}") for name, field in flat["properties"].items()
        }
    if "items" in flat:
        flat["items"] = structural(flat["items"], definitions, f"{path}[]")
    if "additionalProperties" in flat:
        flat["additionalProperties"] = structural(flat["additionalProperties"], definitions, f"{path}{{}}")
    _check(flat, path)
    return {keyword: flat[keyword] for keyword in KEYWORDS if keyword in flat}


def _inlined(node: Mapping[str, Any], definitions: Mapping[str, Any], path: str) -> Schema:
    """Put what `$ref` and `anyOf: [X, null]` point at in their place; a null only said that the field is optional."""
    own = {keyword: value for keyword, value in node.items() if keyword not in ("$ref", "$defs", "anyOf", *DROPPED)}
    if "$ref" in node:
        name = str(node["$ref"]).removeprefix("#/$defs/")
        return _merged(_inlined(definitions[name], definitions, path), own)
    options = [option for option in node.get("anyOf", ()) if option != NULL]
    if len(options) == 1:
        return _merged(_inlined(options[0], definitions, path), own)
    return own | ({"anyOf": options} if options else {})


def _merged(inner: Schema, outer: Schema) -> Schema:
    """A type seen from the field that uses it: the field's own words win, rules of both hold."""
    both = [*inner.get(RULES, ()), *outer.get(RULES, ())]
    return inner | outer | ({RULES: both} if both else {})


def _closed(node: Schema) -> Schema:
    """Objects: a closed one is closed by pruning; an open one says so by its preserve-unknown-fields."""
    if isinstance(node.get("additionalProperties"), bool):
        return {keyword: value for keyword, value in node.items() if keyword != "additionalProperties"}
    return node


def _bounded(node: Schema) -> Schema:
    """Values: `const` as a choice of one, exclusive bounds as OpenAPI 3.0's pair, a set as a list of that type."""
    result = dict(node)
    if "const" in result:
        result["enum"] = [result.pop("const")]
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in result:
            result |= {inclusive: result[exclusive], exclusive: True}
    if result.pop("uniqueItems", False):
        result["x-kubernetes-list-type"] = "set"
    return result


def _check(node: Schema, path: str) -> None:
    """Refuse what the API server would refuse, or worse, ignore."""
    where = path or "the resource"
    unknown = sorted(node.keys() - set(KEYWORDS))
    if unknown:
        raise SchemaError(f"{where}: {', '.join(unknown)} cannot be said in a structural schema")
    either = bool(node.get("x-kubernetes-int-or-string"))
    if "anyOf" in node and not either:
        raise SchemaError(f"{where}: a field has one type; use optional members and a CEL rule instead of a union")
    if "type" not in node and not either:
        raise SchemaError(f"{where}: every field needs a type")
    if "properties" in node and "additionalProperties" in node:
        raise SchemaError(f"{where}: an object has either fields of its own or free keys")
    if not isinstance(node.get("type", ""), str) or node.get("type") == "null":
        raise SchemaError(f"{where}: {node['type']!r} is no type of a structural schema")


def openapi_schema() -> Schema:
    """The structural schema of the whole resource."""
    model = ImageBuild.model_json_schema()
    root = structural(model, model["$defs"])
    # What was never touched by the operator must not look finished to kstatus, nor escape a phase selector.
    root["properties"]["status"]["default"] = {"observedGeneration": -1, "phase": names.Phase.PENDING.value}
    # Of the metadata a CRD may restrict the name alone; it is declared so that the rule can point at it.
    metadata = {"type": "object", "properties": {"name": {"type": "string"}}}
    root["properties"] = {"metadata": metadata, **root["properties"]}
    short_name = rule(
        f"size(self.metadata.name) <= {NAME_MAX_LENGTH}",
        f"must have at most {NAME_MAX_LENGTH} characters: it becomes the value of a label on the build's Pod",
    )
    root[RULES] = [*root.get(RULES, ()), short_name | {"fieldPath": ".metadata.name"}]
    return root


def printer_columns() -> list[Schema]:
    """What `kubectl get` shows; priority 1 is shown with `-o wide` only."""
    succeeded, ready = names.ConditionType.SUCCEEDED.value, names.ConditionType.READY.value
    return [
        {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
        {"name": "Image", "type": "string", "jsonPath": ".spec.output.images[0]"},
        {"name": "Reason", "type": "string", "jsonPath": f'.status.conditions[?(@.type=="{succeeded}")].reason'},
        {"name": "Digest", "type": "string", "jsonPath": ".status.digest", "priority": 1},
        {"name": "Duration", "type": "string", "jsonPath": ".status.run.duration", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {
            "name": "Message",
            "type": "string",
            "jsonPath": f'.status.conditions[?(@.type=="{ready}")].message',
            "priority": 1,
        },
    ]


def custom_resource_definition() -> Schema:
    """The whole document, as plain JSON values."""
    version = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": openapi_schema()},
        "subresources": {"status": {}},
        "additionalPrinterColumns": printer_columns(),
        "selectableFields": [{"jsonPath": ".status.phase"}],
    }
    document = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.PLURAL}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
                "categories": [names.CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }
    # Types that two fields share would become YAML anchors.
    copy: Schema = json.loads(json.dumps(document))
    return copy


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, as people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def document_text() -> str:
    """The file's contents."""
    document = yaml.dump(custom_resource_definition(), Dumper=_Dumper, sort_keys=False, width=LINE_WIDTH)
    return f"{HEADER}---\n{document}"


def main() -> None:
    """Write the CRD into the checkout that is the current folder."""
    if not Path("pyproject.toml").is_file():
        sys.exit("run this from the root of the checkout")
    text = document_text()
    for file in FILES:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
