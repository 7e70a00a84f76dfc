"""The generated CRD: complete, bounded, described, and the same everywhere it is written down."""

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, Field

from imagebuild_operator.api import crd, names
from imagebuild_operator.api.reasons import ATTEMPT_REASON_DOCS, REASON_DOCS
from imagebuild_operator.api.schema import INT_OR_STRING, PRESERVE, rule, rules

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = crd.openapi_schema()

Node = dict[str, Any]


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every node of a structural schema with its path."""
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from walk(field, f"{path}.{name}")
    for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if part in node:
            yield from walk(node[part], path + mark)


OWN = [(path, node) for path, node in walk(SCHEMA) if not path.startswith(".metadata")]


@pytest.mark.parametrize("file", crd.FILES, ids=str)
def test_the_committed_file_is_what_the_models_say(file: Path) -> None:
    assert (ROOT / file).read_text() == crd.document_text(), "run `make generate`"


def test_the_file_holds_the_document_without_anchors() -> None:
    text = crd.document_text()
    assert yaml.safe_load(text) == crd.custom_resource_definition()
    assert not re.search(r"(: |- )[&*]", text)


def test_a_first_look_at_a_fresh_object_says_in_progress() -> None:
    assert SCHEMA["properties"]["status"]["default"] == {"observedGeneration": -1, "phase": "Pending"}


def test_the_spec_has_no_defaults_because_hashes_are_taken_over_the_stored_json() -> None:
    assert [path for path, node in walk(SCHEMA["properties"]["spec"]) if "default" in node] == []


def is_bounded(node: Node) -> bool:
    if node.get("x-kubernetes-int-or-string"):
        return "maxLength" in node
    match node["type"]:
        case "string":
            return "maxLength" in node or "enum" in node or node.get("format") == "date-time"
        case "array":
            return "maxItems" in node
        case "object":
            return "additionalProperties" not in node or "maxProperties" in node
        case "integer" | "boolean":
            return True
        case other:
            raise AssertionError(f"a type nobody expected: {other}")


def test_every_string_list_and_map_is_bounded() -> None:
    assert [path for path, node in OWN if not is_bounded(node)] == []


def test_the_keys_of_every_map_are_bounded_by_a_rule() -> None:
    maps = [(path, node) for path, node in OWN if "additionalProperties" in node]
    assert maps
    for path, node in maps:
        assert any("self.all(k, k.matches('^" in each["rule"] for each in node["x-kubernetes-validations"]), path


def test_opaque_objects_are_the_only_open_ones() -> None:
    opaque = {path for path, node in OWN if node.get("x-kubernetes-preserve-unknown-fields")}
    assert opaque == {
        ".spec.podTemplate.tolerations[]",
        ".spec.podTemplate.affinity",
        ".spec.podTemplate.topologySpreadConstraints[]",
    }
    assert [path for path, node in OWN if is_empty_object(node) and path not in opaque] == []


def is_empty_object(node: Node) -> bool:
    return node.get("type") == "object" and not node.keys() & {"properties", "additionalProperties"}


def test_every_field_is_described_in_a_sentence() -> None:
    fields = [(path, node) for path, node in OWN if not path.endswith(("[]", "{}"))]
    assert len(fields) > 100
    for path, node in fields:
        assert len(node.get("description", "")) >= 10, path
        assert node["description"].rstrip().endswith((".", "...")), path


def test_every_rule_says_what_is_wrong_in_a_way_the_api_server_shows() -> None:
    found = [(path, each) for path, node in OWN for each in node.get("x-kubernetes-validations", ())]
    assert len(found) > 30
    for path, each in found:
        assert "\n" not in each["message"], path
        assert len(each["message"]) > 15, path
        # With FieldValueDuplicate the API server leaves the message out.
        assert each["reason"] in {"FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"}, path


def test_the_key_of_a_keyed_list_is_required_and_bounded() -> None:
    keyed = [(path, node) for path, node in OWN if node.get("x-kubernetes-list-type") == "map"]
    assert {path for path, _ in keyed} >= {".spec.registries.mirrors", ".spec.buildArgs", ".status.conditions"}
    for path, node in keyed:
        (key,) = node["x-kubernetes-list-map-keys"]
        assert key in node["items"]["required"], path
        assert is_bounded(node["items"]["properties"][key]), path


def test_every_list_says_how_it_is_merged() -> None:
    lists = [(path, node) for path, node in OWN if node.get("type") == "array"]
    assert [path for path, node in lists if "x-kubernetes-list-type" not in node] == []


def test_lists_that_every_status_write_replaces_are_atomic() -> None:
    run = SCHEMA["properties"]["status"]["properties"]["run"]["properties"]
    assert {run[name]["x-kubernetes-list-type"] for name in ("inputs", "attempts")} == {"atomic"}


class TestRewriting:
    """What pydantic emits and a structural schema must not hold."""

    @staticmethod
    def rewritten(model: type[BaseModel]) -> Node:
        schema = model.model_json_schema()
        properties: Node = crd.structural(schema, schema.get("$defs", {}))["properties"]
        return properties

    def test_references_are_inlined_and_the_fields_own_words_win(self) -> None:
        class Inner(BaseModel):
            """The type."""

            x: int = Field(description="A number.")

        class Outer(BaseModel):
            a: Inner = Field(description="The field.")
            b: Inner | None = None

        properties = self.rewritten(Outer)
        number = {"description": "A number.", "type": "integer"}
        assert properties["a"]["description"] == "The field."
        assert properties["b"]["description"] == "The type."
        assert properties["a"]["properties"] == properties["b"]["properties"] == {"x": number}

    def test_an_optional_field_is_its_type_with_the_rules_of_both(self) -> None:
        positive = Annotated[int, Field(json_schema_extra=rules(rule("self > 0", "positive")))]

        class Model(BaseModel):
            n: positive | None = Field(default=None, json_schema_extra=rules(rule("self < 9", "small")))

        node = self.rewritten(Model)["n"]
        assert [each["message"] for each in node.pop("x-kubernetes-validations")] == ["positive", "small"]
        assert node == {"type": "integer"}

    def test_values(self) -> None:
        class Colour(StrEnum):
            RED = "red"

        class Model(BaseModel):
            one: Literal["a"]
            colour: Colour | None = None
            above: float = Field(gt=1)
            below: int = Field(lt=9, ge=3)
            several: Annotated[set[str], Field(max_length=3)]

        assert self.rewritten(Model) == {
            "one": {"type": "string", "enum": ["a"]},
            "colour": {"type": "string", "enum": ["red"]},
            "above": {"type": "number", "minimum": 1, "exclusiveMinimum": True},
            "below": {"type": "integer", "minimum": 3, "maximum": 9, "exclusiveMaximum": True},
            "several": {
                "type": "array",
                "maxItems": 3,
                "items": {"type": "string"},
                "x-kubernetes-list-type": "set",
            },
        }

    def test_maps_open_objects_and_amounts(self) -> None:
        class Model(BaseModel):
            amounts: dict[str, Annotated[int | str, Field(json_schema_extra=INT_OR_STRING)]]
            anything: Annotated[dict[str, Any], Field(json_schema_extra=PRESERVE)]

        properties = self.rewritten(Model)
        amount = properties["amounts"]["additionalProperties"]
        assert amount["anyOf"] == [{"type": "integer"}, {"type": "string"}]
        assert amount["x-kubernetes-int-or-string"] is True
        assert "type" not in amount
        assert properties["anything"] == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

    def test_a_closed_model_is_closed_by_pruning(self) -> None:
        class Model(BaseModel, extra="forbid"):
            a: str

        schema = Model.model_json_schema()
        assert schema["additionalProperties"] is False
        assert "additionalProperties" not in crd.structural(schema, {})

    @pytest.mark.parametrize(
        "kind", [int | bool, tuple[int, str], Any, None, dict[Annotated[str, Field(max_length=3)], int]], ids=str
    )
    def test_what_cannot_be_said_is_refused_with_the_name_of_the_field(self, kind: Any) -> None:
        model = type("Model", (BaseModel,), {"__annotations__": {"odd": kind}})
        with pytest.raises(crd.SchemaError, match=r"^\.odd"):
            self.rewritten(model)


def test_main_refuses_to_write_anywhere_but_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="root of the checkout"):
        crd.main()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "pyproject.toml").touch()
    crd.main()
    assert {(tmp_path / file).read_text() for file in crd.FILES} == {crd.document_text()}


def table_rows(file: str) -> list[list[str]]:
    """The cells of all rows of the tables of a Markdown file, headings and rulers left out."""
    lines = (ROOT / "docs" / "reference" / file).read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")]
    assert rows
    return rows


def test_the_reference_of_reasons_is_what_the_code_says() -> None:
    assert set(REASON_DOCS) == set(names.Reason)
    assert set(ATTEMPT_REASON_DOCS) == set(names.AttemptReason)
    docs = [*REASON_DOCS.items(), *ATTEMPT_REASON_DOCS.items()]
    expected = [[f"`{reason}`", doc.meaning, doc.who, doc.how] for reason, doc in docs]
    # What is tried again stands in a column of its own, which the tests of the documentation compare.
    assert [row[:-1] for row in table_rows("reasons.md")] == expected


def test_the_reference_of_names_lists_every_name_and_no_other() -> None:
    constants = {value for key, value in vars(names).items() if key.isupper() and isinstance(value, str)}
    kinds = (names.Phase, names.ConditionType, names.EventReason, names.RunCause)
    enums = {member.value for kind in kinds for member in kind}
    # The prefix of all our annotations stands in the text below their table.
    expected = (constants - {names.ANNOTATION_PREFIX}) | enums
    assert {row[0].strip("`") for row in table_rows("names.md")} == expected
