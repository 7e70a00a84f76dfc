"""Where a build stands in the queue, for every state of its documents."""

from typing import Any

import pytest

from imagebuild_operator.api import names
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.queueing import NOT_RECORDED, Holding, Waiting
from imagebuild_operator.core.replacing import Groups
from imagebuild_operator.core.standing import Member, standing
from tests.unit.core.pod_documents import DELETED, pod
from tests.unit.core.world import UID, inline_spec

KEY = ("ns", "web")
SINCE = "2026-01-01T00:00:00.000001Z"
RUN: dict[str, Any] = {
    "number": 1,
    "generation": 1,
    "inputsHash": "v1:0",
    "specHash": "v1:0",
    "attempt": 1,
    "turn": 7,
    "queuedTime": SINCE,
}
POD = {"podName": "web-1-1"}
RETRY = {"nextAttemptTime": "2026-01-01T00:01:00Z"}
LET_IN = {"concurrencyGroup": "old"}
DONE = {"completionTime": "2026-01-01T00:01:00Z"}
RUNNING = pod(phase="Running")
GOING = pod(phase="Running", metadata=DELETED)
ENDED = pod(phase="Failed")
OLDER = pod(phase="Running", metadata={"name": "web-0-1"})
ANOTHER_S = pod(phase="Running", metadata={"ownerReferences": []})
IN_GROUP = pod(phase="Running", metadata={"labels": {names.LABEL_CONCURRENCY_GROUP: "web"}})


def view(
    run: dict[str, Any] | None, *, phase: str = "Pending", deleting: bool = False, generation: int = 1, **spec: Any
) -> BuildView:
    metadata = {"namespace": "ns", "name": "web", "uid": UID, "generation": generation, "resourceVersion": "1"}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status: dict[str, Any] = {"phase": phase}
    return BuildView.parse(
        {"metadata": metadata, "spec": inline_spec(**spec), "status": status | ({"run": run} if run else {})}
    )


@pytest.mark.parametrize(
    ("build", "pods", "stands"),
    [
        (None, (), ""),
        (None, (RUNNING,), "holds"),
        (None, (ENDED,), ""),
        (view(None), (), ""),
        (view(None), (OLDER,), "holds"),
        (view(RUN), (), "waits"),
        (view(RUN), (ANOTHER_S,), "waits"),
        (view(RUN), (OLDER,), "waits, holds"),
        (view(RUN, suspend=True), (), ""),
        (view(RUN, suspend=True), (OLDER,), "holds"),
        (view(RUN, phase="Suspended", suspend=True), (), ""),
        (view(RUN, phase="Suspended"), (), ""),
        (view({**RUN, "turn": None}), (), ""),
        (view(RUN, timeout="0"), (), ""),
        (view(RUN, deleting=True), (), ""),
        (view({**RUN, **RETRY}), (), ""),
        (view({**RUN, **RETRY}), (ENDED,), ""),
        (view({**RUN, **RETRY}), (OLDER,), "holds"),
        (view({**RUN, **POD, **RETRY}), (), ""),
        (view({**RUN, **POD, **RETRY}), (RUNNING,), "holds"),
        (view({**RUN, **POD}), (), "holds"),
        (view({**RUN, **POD}), (RUNNING,), "holds"),
        (view({**RUN, **POD}), (ENDED,), ""),
        (view({**RUN, **POD}), (pod(phase="Running", gone=True),), "holds"),
        (view({**RUN, **POD}), (pod(phase="Succeeded", gone=True),), ""),
        (view({**RUN, **POD}), (ENDED, OLDER), "holds"),
        (view({**RUN, **POD}, deleting=True), (), ""),
        (view({**RUN, **POD}, deleting=True), (RUNNING,), "holds"),
        (view({**RUN, **POD, **DONE}), (), ""),
        (view({**RUN, **POD, **DONE}), (RUNNING,), "holds"),
    ],
)
def test_who_waits_and_who_holds_a_slot(build: BuildView | None, pods: Any, stands: str) -> None:
    found = standing(KEY, build, pods)
    assert ", ".join(word for word, true in (("waits", found.waits), ("holds", found.holding)) if true) == stands


@pytest.mark.parametrize(
    ("build", "pods", "asks"),
    [
        (view(None), (), Waiting(KEY, 0, NOT_RECORDED)),
        (view(None, priority=3, concurrencyGroup="g"), (), Waiting(KEY, 0, NOT_RECORDED, 3, "g")),
        (view(RUN, priority=3, concurrencyGroup="g"), (), Waiting(KEY, 7, SINCE, 3, "g")),
        (view({**RUN, "turn": None}), (), Waiting(KEY, 0, SINCE)),
        (view({**RUN, **RETRY}), (), Waiting(KEY, 7, SINCE)),
        (view({**RUN, **POD}), (), Waiting(KEY, 7, SINCE)),
        (view({**RUN, **POD}), (ENDED,), Waiting(KEY, 0, NOT_RECORDED)),
        (view(RUN, phase="Suspended"), (), Waiting(KEY, 0, NOT_RECORDED)),
        (view({**RUN, **POD, **DONE}), (), Waiting(KEY, 0, NOT_RECORDED)),
        (None, (), Waiting(KEY, 0, NOT_RECORDED)),
    ],
)
def test_what_a_build_asks_with(build: BuildView | None, pods: Any, asks: Waiting) -> None:
    assert standing(KEY, build, pods).asks == asks


@pytest.mark.parametrize(
    ("build", "pods", "groups"),
    [
        (None, (IN_GROUP,), {"web"}),
        (view({**RUN, **POD}, concurrencyGroup="g"), (), {"g"}),
        (view({**RUN, **POD}, concurrencyGroup="g"), (IN_GROUP,), {"web"}),
        (view({**RUN, **POD}, concurrencyGroup="g"), (RUNNING,), set()),
        (view({**RUN, "podName": "web-2-1"}, concurrencyGroup="g"), (IN_GROUP,), {"web", "g"}),
        (view({**RUN, **POD, **LET_IN}, concurrencyGroup="g"), (), {"old"}),
        (view({**RUN, **POD, **LET_IN}), (), {"old"}),
        (view({**RUN, **POD, **LET_IN}, concurrencyGroup="g"), (IN_GROUP,), {"web"}),
        (view({**RUN, **POD, "concurrencyGroup": ""}, concurrencyGroup="g"), (), set()),
        (view({**RUN, **POD}, generation=2, concurrencyGroup="g"), (), set()),
        (view({**RUN, **RETRY}, concurrencyGroup="g"), (IN_GROUP,), {"web"}),
        (view({**RUN, **DONE}, concurrencyGroup="g"), (IN_GROUP,), {"web"}),
    ],
)
def test_a_pod_keeps_the_group_busy_that_it_was_made_for(build: BuildView | None, pods: Any, groups: set[str]) -> None:
    held = standing(KEY, build, pods).holding
    assert held is not None
    assert held.groups == groups


def test_the_slot_of_a_recorded_run_has_its_turn_and_priority() -> None:
    assert standing(KEY, view({**RUN, **POD}, priority=-3), ()).holding == Holding(KEY, 7, -3)
    over = view({**RUN, **POD, **DONE}, priority=2)
    assert standing(KEY, over, (RUNNING,)).holding == Holding(KEY, 7, 2, leaving=True)


@pytest.mark.parametrize(
    ("build", "pods", "leaving"),
    [
        (None, (RUNNING,), False),
        (None, (GOING,), True),
        (None, (GOING, OLDER), False),
        (view(None), (OLDER,), True),
        (view(RUN, deleting=True), (RUNNING,), True),
        (view(RUN, phase="Suspended", suspend=True), (GOING,), True),
        (view({**RUN, **RETRY}), (GOING,), False),
        (view({**RUN, **POD}), (), False),
        (view({**RUN, **POD}), (GOING,), False),
        (view({**RUN, **POD, **DONE}), (RUNNING,), True),
    ],
)
def test_when_only_a_pod_has_still_to_go(build: BuildView | None, pods: Any, leaving: bool) -> None:
    held = standing(KEY, build, pods).holding
    assert held is not None
    assert held.leaving is leaving


def test_which_turn_the_next_run_comes_after_and_who_waits_for_a_retry() -> None:
    assert standing(KEY, view({**RUN, **POD}), (ENDED,)).last_turn == 7
    assert standing(KEY, view({**RUN, **POD}), (RUNNING,)).last_turn == 0
    assert standing(KEY, view({**RUN, **RETRY}), ()).backs_off
    assert not standing(KEY, view(RUN), ()).backs_off


@pytest.mark.parametrize(
    ("build", "keeps"),
    [
        (view({**RUN, **RETRY}), ""),
        (view({**RUN, **RETRY}, concurrencyGroup="g"), "g"),
        (view({**RUN, **RETRY, **LET_IN}, concurrencyGroup="g"), "old"),
        (view({**RUN, **RETRY, **LET_IN}), "old"),
        (view(RUN, concurrencyGroup="g"), ""),
        (view({**RUN, **POD, **LET_IN}), ""),
    ],
)
def test_a_back_off_keeps_the_group_of_its_attempt_and_asks_in_that_of_the_spec(build: BuildView, keeps: str) -> None:
    found = standing(KEY, build, ())
    assert found.keeps == keeps
    assert found.asks.group == build.raw_spec.get("concurrencyGroup", "")


@pytest.mark.parametrize(
    ("build", "member"),
    [
        (view(RUN), None),
        (view(None, concurrencyGroup="g"), None),
        (view({**RUN, **DONE}, concurrencyGroup="g"), None),
        (view(RUN, concurrencyGroup="g"), Member("web", "g", SINCE, replaces=False)),
        (view(RUN, concurrencyGroup="g", concurrencyPolicy="Queue"), Member("web", "g", SINCE, replaces=False)),
        (view(RUN, concurrencyGroup="g", concurrencyPolicy="Replace"), Member("web", "g", SINCE, replaces=True)),
        (
            view({**RUN, **RETRY}, concurrencyGroup="g", concurrencyPolicy="Replace"),
            Member("web", "g", SINCE, replaces=True),
        ),
        (view({**RUN, **POD, **LET_IN}), Member("web", "old", SINCE, replaces=False)),
        (
            view({**RUN, **POD, **LET_IN}, concurrencyGroup="old", concurrencyPolicy="Replace"),
            Member("web", "old", SINCE, replaces=True),
        ),
        (
            view({**RUN, **POD, **LET_IN}, concurrencyGroup="g", concurrencyPolicy="Replace"),
            Member("web", "old", SINCE, replaces=False),
        ),
        (view({**RUN, **RETRY, **LET_IN}, concurrencyGroup="g"), Member("web", "old", SINCE, replaces=False)),
        (view(RUN, concurrencyGroup="g", concurrencyPolicy="Replace", suspend=True), None),
        (view(RUN, concurrencyGroup="g", concurrencyPolicy="Replace", deleting=True), None),
    ],
)
def test_who_is_in_a_group(build: BuildView, member: Member | None) -> None:
    assert standing(KEY, build, ()).member == member


def test_in_the_same_moment_the_name_decides_who_is_newer() -> None:
    groups = Groups()
    assert not groups.put(("ns", "b"), Member("b", "g", SINCE, replaces=True))
    assert not groups.put(("ns", "a"), Member("a", "g", SINCE, replaces=True))
    assert groups.put(("ns", "c"), Member("c", "g", SINCE, replaces=True)) == [("ns", "b"), ("ns", "a")]
    assert not groups.put(("ns", "c"), Member("c", "g", SINCE, replaces=True))
    assert [groups.superseded_by(("ns", name)) for name in "abc"] == ["c", "c", ""]
    assert not groups.put(("ns", "c"), Member("c", "h", SINCE, replaces=True))
    assert [groups.superseded_by(("ns", name)) for name in "abc"] == ["b", "", ""]
