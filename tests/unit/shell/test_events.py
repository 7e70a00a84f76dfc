import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.shell.events import build_event

BUILD = BuildView.parse({"metadata": {"namespace": "shop", "name": "web", "uid": "u-1", "resourceVersion": "42"}})
NOON = datetime(2026, 3, 1, 14, 0, 0, 1500, tzinfo=timezone(timedelta(hours=2)))


def event(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "about": "run 3",
        "reason": "BuildFailed",
        "note": "npm ci failed",
        "action": "Build",
        "warning": True,
        "reporting_instance": "imagebuild-operator-0",
        "event_time": NOON,
    }
    return build_event(BUILD, **{**arguments, **changes})


def test_says_who_what_and_when() -> None:
    document = event()
    assert document.pop("metadata")["namespace"] == "shop"
    assert document == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": "2026-03-01T12:00:00.001500Z",
        "type": "Warning",
        "reason": "BuildFailed",
        "action": "Build",
        "note": "npm ci failed",
        "regarding": {
            "apiVersion": "imagebuild.dev/v1alpha1",
            "kind": "ImageBuild",
            "namespace": "shop",
            "name": "web",
            "uid": "u-1",
            "resourceVersion": "42",
        },
        "reportingController": "imagebuild-operator",
        "reportingInstance": "imagebuild-operator-0",
    }
    assert event(warning=False)["type"] == "Normal"


def test_the_same_fact_has_the_same_name_whenever_it_is_told() -> None:
    name = event()["metadata"]["name"]
    assert re.fullmatch(r"web\.[0-9a-f]{16}", name)
    later = event(event_time=NOON + timedelta(hours=1), note="other words", reporting_instance="other")
    assert later["metadata"]["name"] == name


@pytest.mark.parametrize("other", [{"about": "run 4"}, {"reason": "Timeout"}])
def test_another_fact_has_another_name(other: dict[str, Any]) -> None:
    assert event(**other)["metadata"]["name"] != event()["metadata"]["name"]


@pytest.mark.parametrize("letter", ["x", "ü", "漢", "🚢"])
def test_a_long_note_is_cut_to_the_bytes_the_api_takes(letter: str) -> None:
    note = event(note=letter * 2000)["note"]
    assert 1018 < len(note.encode()) <= 1024
    assert note.endswith("…")
    assert set(note[:-1]) == {letter}


def test_a_note_that_fits_is_left_alone() -> None:
    assert event(note="x" * 1024)["note"] == "x" * 1024
    assert len(event(reporting_instance="x" * 253)["reportingInstance"].encode()) <= 128
