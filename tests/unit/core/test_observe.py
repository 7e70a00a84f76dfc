"""Views of objects as API servers send them: wrong types read as absent, and what cannot be used is told."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from imagebuild_operator.api import names
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.pods import PodView, controller_of
from imagebuild_operator.core.reading import entries, mapping, number, text
from imagebuild_operator.core.times import format_micro_time, format_time, parse_time
from tests.unit.core.pod_documents import pod_document, terminated
from tests.unit.core.world import inline_spec


def build(spec: dict[str, Any] | None = None, **metadata: Any) -> BuildView:
    return BuildView.parse({"metadata": {"namespace": "ns", "name": "web", **metadata}, "spec": spec or inline_spec()})


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({}, "spec.source: "),
        (inline_spec(source={}), "spec.source: exactly one"),
        (
            inline_spec(source={"git": {"url": "https://x/y"}, "inline": {"files": [{"path": "a", "content": ""}]}}),
            "spec.source: exactly one",
        ),
        (inline_spec(timeout=5), "spec.timeout: "),
        (inline_spec(timeout="soon"), "spec.timeout: 'soon' is not a duration"),
        (inline_spec(timeout="0s"), "spec.timeout: must be more than 0"),
        (inline_spec(startTimeout="8761h"), "spec.startTimeout: must be more than 0 and at most 8760h"),
        (inline_spec(startTimeout="99999999999h"), "spec.startTimeout: must be"),
        (inline_spec(output={"images": []}), "spec.output.images: "),
    ],
)
def test_a_spec_that_cannot_be_used_is_told_with_its_field(spec: dict[str, Any], error: str) -> None:
    view = BuildView.parse({"metadata": {"name": "web"}, "spec": spec})
    assert view.spec is None
    assert view.spec_error.startswith(error)


@pytest.mark.parametrize("timeout", ["1s", "8760h", "1h30m"])
def test_a_duration_within_the_bounds_is_taken(timeout: str) -> None:
    assert build(inline_spec(timeout=timeout, startTimeout=timeout)).spec_error == ""


def test_fields_of_a_newer_schema_are_ignored_but_kept_in_the_stored_spec() -> None:
    view = build(inline_spec(newField={"x": 1}))
    assert view.spec is not None
    assert view.raw_spec["newField"] == {"x": 1}


def test_a_status_that_cannot_be_read_is_not_guessed() -> None:
    with pytest.raises(ValidationError):
        BuildView.parse({"metadata": {}, "spec": {}, "status": {"run": "one"}})


@pytest.mark.parametrize(
    ("token", "request_seen"),
    [
        ("now", "now"),
        ("", ""),
        (7, ""),
        ("x" * 300, "x" * 128),
        ("ä" * 200, "ä" * 64),
        ("😀" * 100, "😀" * 32),
        ("xxx" + "😀" * 100, "xxx" + "😀" * 31),
    ],
)
def test_a_request_is_a_token_within_128_bytes(token: object, request_seen: str) -> None:
    assert build(annotations={names.ANNOTATION_REQUESTED_AT: token}).request == request_seen


def test_a_pod_is_read_in_full() -> None:
    view = PodView.parse(
        pod_document(
            phase="Failed",
            build=terminated(7, message="m", reason="Error"),
            prepare={"running": {}},
            metadata={"deletionTimestamp": "2026-01-01T00:01:00Z", "deletionGracePeriodSeconds": 30},
        )
    )
    assert (view.namespace, view.name, view.owner_name, view.run, view.terminal) == ("ns", "web-1-1", "web", 1, True)
    assert view.build is not None
    assert (view.build.exit_code, view.build.message, view.build.reason) == (7, "m", "Error")
    assert view.prepare is not None
    assert view.prepare.running
    assert view.asked_to_go == datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
    assert view.destinations == (
        "registry.example.com:5000/team/web:1",
        "registry.example.com/team/web:latest",
    )


def test_what_a_pod_claims_to_push_stays_within_the_status() -> None:
    document = pod_document()
    document["spec"]["containers"][0]["args"] = [f"--destination={'x' * 513}", *["--destination=a/b"] * 40, 5]
    assert PodView.parse(document).destinations == ("a/b",) * 16


@pytest.mark.parametrize("run", ["", "x", "-1", "\u0661", "1" * 10, "1.0", None, 1])
def test_a_run_that_is_no_number_is_no_run(run: object) -> None:
    assert PodView.parse(pod_document(metadata={"annotations": {names.ANNOTATION_RUN: run}})).run is None


@pytest.mark.parametrize(
    ("status", "live", "started", "building"),
    [
        ({}, True, False, False),
        ({"phase": "Pending"}, True, False, False),
        (
            {"phase": "Running", "initContainerStatuses": [{"name": "prepare", "state": {"running": {}}}]},
            True,
            True,
            True,
        ),
        (
            {"phase": "Pending", "initContainerStatuses": [{"name": "prepare", "state": terminated(0)}]},
            True,
            True,
            False,
        ),
        ({"phase": "Running", "containerStatuses": [{"name": "build", "state": {"running": {}}}]}, True, True, True),
        ({"phase": "Running", "containerStatuses": [{"name": "other", "state": {"running": {}}}]}, True, False, False),
        ({"phase": "Failed"}, False, True, True),
    ],
)
def test_how_far_a_pod_is(status: dict[str, Any], live: bool, started: bool, building: bool) -> None:
    view = PodView.parse({"status": status})
    assert (view.live, view.started, view.building) == (live, started, building)


@pytest.mark.parametrize(
    ("change", "ours"),
    [
        ({}, True),
        ({"controller": False}, False),
        ({"kind": "Job"}, False),
        ({"apiVersion": "batch/v1"}, False),
        ({"apiVersion": f"{names.GROUP}/v1"}, True),
        ({"apiVersion": None}, False),
    ],
)
def test_the_owner_of_a_pod_is_its_controlling_build(change: dict[str, Any], ours: bool) -> None:
    document = pod_document()
    document["metadata"]["ownerReferences"][0] |= change
    document["metadata"]["ownerReferences"].insert(0, {"kind": names.KIND, "name": "not the controller"})
    assert bool(controller_of(document)) is ours


def test_values_of_a_wrong_type_read_as_absent() -> None:
    wrong: dict[str, Any] = {"text": 5, "number": True, "entries": {"a": 1}, "mapping": [1], "huge": 2**63}
    assert text(wrong, "text") == text(wrong, "missing") == ""
    assert number(wrong, "number") is number(wrong, "huge") is number(wrong, "missing") is None
    assert entries(wrong, "entries") == []
    assert mapping(wrong, "mapping", "deeper") == mapping(None) == {}
    assert number({"n": 3.0}, "n") == 3
    assert entries({"e": [1, {"a": 1}, None]}, "e") == [{"a": 1}]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T01:00:00+01:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T00:00:00.5Z", datetime(2026, 1, 1, 0, 0, 0, 500000, tzinfo=UTC)),
        ("2026-01-01T00:00:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("", None),
        (None, None),
        ("soon", None),
        ("2026-13-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_times_are_read(written: str | None, moment: datetime | None) -> None:
    assert parse_time(written) == moment


def test_times_are_written_as_the_api_does() -> None:
    moment = datetime(2026, 1, 1, 1, 2, 3, 4, tzinfo=UTC)
    assert format_time(moment) == "2026-01-01T01:02:03Z"
    assert format_micro_time(moment) == "2026-01-01T01:02:03.000004Z"
    assert parse_time(format_micro_time(moment)) == moment
