"""When a Pod that has ended may go: the time it is kept, and whether its result is recorded."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.core.cleanup import EndedPod, Fate, Keeping, awaited, fate, removable, time_left
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.pods import PodView
from tests.unit.core.pod_documents import DELETED, pod, pod_document, terminated
from tests.unit.core.world import START, UID, inline_spec

KEEPING = Keeping(succeeded=3600.0, failed=86400.0)
END = START + timedelta(minutes=10)
ENDED = EndedPod("ns", "web-1-1", "pod-1", "web", UID)


def build(run: dict[str, Any] | None, *, uid: str = UID, phase: str = "Building") -> BuildView:
    recorded = None if run is None else {"number": 1, "generation": 1, "inputsHash": "h", "specHash": "h", **run}
    return BuildView.parse(
        {
            "metadata": {"namespace": "ns", "name": "web", "uid": uid, "generation": 1, "resourceVersion": "7"},
            "spec": inline_spec(),
            "status": {"phase": phase, **({} if recorded is None else {"run": recorded})},
        }
    )


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_ended_pod_of_a_build_is_remembered(phase: str) -> None:
    assert removable(pod(phase=phase)) == ENDED


@pytest.mark.parametrize(
    "fields",
    [
        {"phase": "Running"},
        {"phase": "Pending"},
        {"phase": "Unknown"},
        {"phase": ""},
        {"gone": True},
        {"metadata": DELETED},
        {"metadata": {"ownerReferences": []}},
        {
            "metadata": {
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "web", "controller": True}]
            }
        },
        {"metadata": {"uid": None}},
    ],
    ids=str,
)
def test_other_pods_are_left_alone(fields: dict[str, Any]) -> None:
    assert removable(pod(**fields)) is None


def test_a_pod_whose_build_is_not_its_controller_is_left_alone() -> None:
    document = pod_document()
    document["metadata"]["ownerReferences"][0]["controller"] = False
    assert removable(PodView.parse(document)) is None


@pytest.mark.parametrize(
    ("fields", "after_end", "left"),
    [
        ({"phase": "Succeeded", "build": terminated(0)}, 0, 3600),
        ({"phase": "Succeeded", "build": terminated(0)}, 600, 3000),
        ({"phase": "Succeeded", "build": terminated(0)}, 4000, -400),
        ({"phase": "Failed", "build": terminated(1)}, 600, 85800),
        ({"phase": "Failed", "prepare": terminated(1)}, 600, 85800),
        ({"phase": "Failed", "prepare": terminated(0, at="2026-01-01T00:01:00Z"), "build": terminated(1)}, 600, 85800),
        ({"phase": "Failed"}, 600, 86400),
        ({"phase": "Failed", "build": terminated(1, at="yesterday")}, 600, 86400),
        ({"phase": "Failed", "build": terminated(1, at="9999-12-31T23:59:59Z")}, 600, 86400),
        ({"phase": "Failed", "build": terminated(1, at="1970-01-01T00:00:00Z")}, 0, -1767225600 - 600 + 86400),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_the_time_counts_from_the_end_of_the_last_container(
    fields: dict[str, Any], after_end: float, left: float
) -> None:
    assert time_left(pod(**fields), KEEPING, END + timedelta(seconds=after_end)) == left


@pytest.mark.parametrize(
    ("keeping", "succeeded", "failed"),
    [
        (Keeping(), None, None),
        (Keeping(succeeded=0.0), 0.0, None),
        (Keeping(failed=0.0), None, 0.0),
    ],
)
def test_each_result_has_a_setting_of_its_own(keeping: Keeping, succeeded: float | None, failed: float | None) -> None:
    assert time_left(pod(phase="Succeeded", build=terminated(0)), keeping, END) == succeeded
    assert time_left(pod(phase="Failed", build=terminated(1)), keeping, END) == failed


RECORDED = {"attempt": 1, "podName": "web-1-1"}
NOW = "2026-01-01T00:10:05Z"


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (None, Fate.LEAVE),
        (build(RECORDED, uid="another"), Fate.LEAVE),
        (build({**RECORDED, "completionTime": NOW}, uid="another", phase="Succeeded"), Fate.LEAVE),
        (build(RECORDED), Fate.KEEP),
        (build(None, phase="Pending"), Fate.KEEP),
        (build({**RECORDED, "completionTime": NOW}, phase="Succeeded"), Fate.DELETE),
        (build({**RECORDED, "completionTime": NOW}, phase="Failed"), Fate.DELETE),
        (build({**RECORDED, "completionTime": NOW}, phase="Cancelled"), Fate.DELETE),
        (build({"attempt": 2, "podName": "web-1-2"}), Fate.DELETE),
        (build({"attempt": 2, "podName": "web-1-2", "nextAttemptTime": NOW}, phase="Pending"), Fate.DELETE),
        (build({"attempt": 1}, phase="Suspended"), Fate.DELETE),
        (build({"number": 2, "attempt": 0}, phase="Queued"), Fate.DELETE),
        (build({"number": 2, "attempt": 1, "podName": "web-2-1"}), Fate.DELETE),
    ],
    ids=[
        "build is gone",
        "another build has the name",
        "another build has the name, and has ended",
        "result awaited",
        "nothing recorded yet",
        "succeeded",
        "failed",
        "cancelled",
        "next attempt runs",
        "next attempt is due later",
        "suspended",
        "next run waits",
        "next run runs",
    ],
)
def test_a_pod_may_go_once_its_result_is_recorded(stored: BuildView | None, expected: Fate) -> None:
    assert fate(ENDED, stored) is expected


def test_only_the_recorded_pod_of_an_unfinished_run_is_awaited() -> None:
    assert awaited(ENDED, build(RECORDED))
    assert not awaited(ENDED, build({**RECORDED, "completionTime": NOW}))
    assert not awaited(ENDED, build(RECORDED, uid="another"))
    assert not awaited(ENDED, build({"attempt": 0}))
    assert not awaited(ENDED, build(None))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("Failed"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(raw=st.dictionaries(st.sampled_from(["metadata", "status", "spec"]), JSON_VALUES), at=st.text(max_size=30))
def test_no_json_makes_it_raise(raw: dict[str, Any], at: str) -> None:
    for view in (PodView.parse(raw), pod(build=terminated(1, at=at))):
        removable(view)
        left = time_left(view, KEEPING, START)
        assert left is not None
        assert left <= 86400.0
