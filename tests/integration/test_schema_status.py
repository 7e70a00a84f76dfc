"""Status on a real API server: its default, its selectable field, and what the operator's way of writing it needs."""

import pytest
from kubernetes.client import ApiException

from tests.integration.imagebuilds import Document, ImageBuilds, minimal
from tests.integration.specimens import DIGEST, FULL_STATUS

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def bounded(builds: ImageBuilds) -> Document:
    return builds.create(minimal("bounded"))


def test_a_fresh_object_is_in_progress_whatever_its_manifest_says(builds: ImageBuilds) -> None:
    fresh = {"observedGeneration": -1, "phase": "Pending"}
    assert builds.create(minimal("fresh"))["status"] == fresh
    boasting = minimal("boasting") | {"status": {"phase": "Succeeded", "digest": DIGEST}}
    assert builds.create(boasting)["status"] == fresh
    assert builds.get("boasting")["status"] == fresh


def test_phases_can_be_selected_with_and_without_a_status_ever_written(builds: ImageBuilds) -> None:
    builds.create(minimal("phase-new"))
    builds.apply_status(builds.create(minimal("phase-failed")), FULL_STATUS)
    assert builds.names("status.phase=Failed,metadata.name=phase-failed") == ["phase-failed"]
    assert "phase-new" in builds.names("status.phase=Pending")
    unfinished = builds.names("status.phase!=Succeeded,status.phase!=Failed")
    assert "phase-new" in unfinished
    assert "phase-failed" not in unfinished


def test_the_full_status_is_stored_as_written(builds: ImageBuilds) -> None:
    assert builds.apply_status(builds.create(minimal("whole")), FULL_STATUS)["status"] == FULL_STATUS


def test_a_stale_copy_is_refused_and_changes_nothing(builds: ImageBuilds) -> None:
    stale = builds.create(minimal("stale"))
    written = builds.apply_status(stale, FULL_STATUS)
    with pytest.raises(ApiException) as refused:
        builds.apply_status(stale, {"observedGeneration": 1, "phase": "Building"})
    assert refused.value.status == 409
    assert builds.get("stale") == written


def test_an_object_of_the_same_name_made_anew_is_not_touched(builds: ImageBuilds) -> None:
    gone = builds.create(minimal("anew"))
    builds.delete("anew")
    anew = builds.create(minimal("anew"))
    with pytest.raises(ApiException) as refused:
        builds.apply_status(gone, FULL_STATUS)
    assert refused.value.status == 409
    assert builds.get("anew") == anew


def test_a_deleted_object_does_not_come_back(builds: ImageBuilds) -> None:
    gone = builds.create(minimal("gone"))
    builds.delete("gone")
    with pytest.raises(ApiException) as refused:
        builds.apply_status(gone, FULL_STATUS)
    assert refused.value.status == 404
    with pytest.raises(ApiException):
        builds.get("gone")


def test_what_is_left_out_is_removed(builds: ImageBuilds) -> None:
    first = builds.apply_status(builds.create(minimal("less")), FULL_STATUS)
    rest = {"observedGeneration": 1, "phase": "Building"}
    assert builds.apply_status(first, rest)["status"] == rest


def test_a_status_write_leaves_spec_and_generation_alone(builds: ImageBuilds) -> None:
    created = builds.create(minimal("apart"))
    written = builds.apply_status(created, FULL_STATUS)
    assert written["spec"] == created["spec"]
    assert written["metadata"]["generation"] == 1


def test_a_spec_write_raises_the_generation_and_leaves_the_status_alone(builds: ImageBuilds) -> None:
    written = builds.apply_status(builds.create(minimal("edit")), FULL_STATUS)
    written["spec"]["target"] = "runtime"
    written["status"] = {"phase": "Succeeded"}
    replaced = builds.replace(written)
    assert replaced["metadata"]["generation"] == 2
    assert replaced["status"] == FULL_STATUS


@pytest.mark.parametrize(
    ("status", "field"),
    [
        ({"phase": "Sleeping"}, "status.phase"),
        ({"failure": {"reason": "X", "message": "x" * 513}}, "status.failure.message"),
        ({"failure": {"reason": "X", "message": "", "logTail": "x" * 2049}}, "status.failure.logTail"),
        ({"failure": {"reason": "X", "message": "", "instruction": "x" * 201}}, "status.failure.instruction"),
        ({"failure": {"reason": "X", "message": "", "line": 0}}, "status.failure.line"),
        ({"run": {"number": 1}}, "status.run.attempt"),
        ({"conditions": [{"type": "Ready", "status": "Maybe"}]}, "status.conditions[0].status"),
    ],
    ids=["phase", "message", "log tail", "instruction", "line", "run", "condition"],
)
def test_bounds_hold_for_the_operator_too(builds: ImageBuilds, bounded: Document, status: Document, field: str) -> None:
    with pytest.raises(ApiException) as refused:
        builds.apply_status(bounded, status)
    assert refused.value.status == 422
    assert f"{field}: " in str(refused.value.body)


def test_an_unknown_field_is_refused_not_dropped(builds: ImageBuilds, bounded: Document) -> None:
    with pytest.raises(ApiException, match=r"\.status\.surprise: field not declared in schema"):
        builds.apply_status(bounded, {"surprise": 1})
