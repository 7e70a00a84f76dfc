"""The copies that observations are made from: newer wins, gone stays gone, finished is forgotten."""

from typing import Any

import pytest

from imagebuild_operator.api import names
from imagebuild_operator.shell.store import Store, owner_of, version_of
from tests.unit.core.pod_documents import pod_document
from tests.unit.core.world import UID, inline_spec

KEY = ("ns", "web")
RUN: dict[str, Any] = {"number": 1, "generation": 1, "inputsHash": "v1:0", "specHash": "v1:0", "attempt": 1}
RUNNING = {"phase": "Building", "run": {**RUN, "podName": "web-1-1"}}
QUEUED = {"phase": "Queued", "run": {**RUN, "attempt": 0, "turn": 1, "queuedTime": "2026-01-01T00:00:00.000001Z"}}
FINISHED = {"phase": "Succeeded", "run": {**RUN, "podName": "web-1-1", "completionTime": "2026-01-01T00:01:00Z"}}


def build(version: object = 10, status: dict[str, Any] | None = None, uid: str = UID) -> dict[str, Any]:
    metadata = {"namespace": "ns", "name": "web", "uid": uid, "generation": 1, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": inline_spec(), "status": status or {}}


def pod(version: object = 20, phase: str = "Running", uid: str = "pod-1", **metadata: Any) -> dict[str, Any]:
    return pod_document(phase=phase, metadata={"uid": uid, "resourceVersion": str(version), **metadata})


def standing(store: Store) -> str:
    """What it does in the queue, if anything."""
    stands = store.standing(KEY)
    return "holds" if stands.holding else "waits" if stands.waits else ""


def test_an_older_copy_of_a_build_never_replaces_a_newer_one() -> None:
    store = Store()
    store.see_build(build(10, RUNNING))
    seen = store.see_build(build(9, QUEUED))
    assert seen is not None
    assert seen.resource_version == "10"
    assert standing(store) == "holds"
    store.see_build(build(100, QUEUED))
    assert standing(store) == "waits"


def test_a_late_copy_of_a_predecessor_does_not_replace_its_successor() -> None:
    store = Store()
    store.see_build(build(50, RUNNING, uid="second"))
    store.see_build(build(40, FINISHED, uid="first"))
    store.drop_build(KEY, "first")
    view = store.build(KEY)
    assert view is not None
    assert view.uid == "second"


def test_a_build_of_an_unreadable_status_is_not_kept() -> None:
    store = Store()
    store.see_build(build(10, RUNNING))
    assert store.see_build(build(11, {"phase": "Unheard of"})) is None
    assert store.build(KEY) is None
    assert standing(store) == ""


@pytest.mark.parametrize(("status", "stands"), [({}, ""), (RUNNING, "holds"), (QUEUED, "waits"), (FINISHED, "")])
def test_who_holds_a_slot_and_who_waits(status: dict[str, Any], stands: str) -> None:
    store = Store()
    store.see_build(build(10, status))
    assert standing(store) == stands
    store.drop_build(KEY)
    assert (standing(store), store.keys()) == ("", set())


def test_changes_of_a_standing_are_told_once() -> None:
    store = Store()
    store.see_build(build(10, QUEUED))
    store.see_build(build(11, QUEUED))
    assert list(store.take_changes()) == [KEY]
    store.see_build(build(12, QUEUED))
    assert not list(store.take_changes())
    store.see_build(build(13, RUNNING))
    assert list(store.take_changes()) == [KEY]
    store.see_pod(pod(20))
    assert not list(store.take_changes())
    store.drop_build(KEY)
    assert list(store.take_changes()) == [KEY], "what a Pod alone holds is another standing"
    store.lose_pod(KEY, "pod-1")
    assert list(store.take_changes()) == [KEY]
    assert standing(store) == ""


def test_a_live_pod_holds_a_slot_until_it_ends_though_its_build_is_gone() -> None:
    store = Store()
    store.see_build(build(10, RUNNING))
    store.see_pod(pod(20))
    store.drop_build(KEY)
    assert standing(store) == "holds"
    assert store.see_pod(pod(21, "Failed")) == KEY
    assert standing(store) == ""
    assert store.keys() == set()


def test_an_older_copy_of_a_pod_is_ignored_and_gone_stays_gone() -> None:
    store = Store()
    store.see_build(build(10, RUNNING))
    store.see_pod(pod(21, "Failed"))
    store.see_pod(pod(20, "Running"))
    assert [view.phase for view in store.pods(KEY)] == ["Failed"]
    store.lose_pod(KEY, "pod-1", pod(23, "Failed"))
    store.see_pod(pod(22, "Running"))
    assert [(view.phase, view.gone) for view in store.pods(KEY)] == [("Failed", True)]


def test_a_pod_that_was_given_up_by_mistake_is_seen_again() -> None:
    store = Store()
    store.see_build(build(10, RUNNING))
    store.see_pod(pod(20, "Running"))
    store.lose_pod(KEY, "pod-1", pod(23, "Running"))
    assert [view.gone for view in store.pods(KEY)] == [True]
    store.see_pod(pod(23, "Running"))
    assert [view.gone for view in store.pods(KEY)] == [False]


def test_the_last_copy_of_a_pod_comes_with_its_deletion() -> None:
    store = Store()
    store.see_build(build(10, RUNNING))
    store.see_pod(pod(20, "Running"))
    store.lose_pod(KEY, "pod-1", pod(22, "Succeeded"))
    assert [(view.phase, view.gone) for view in store.pods(KEY)] == [("Succeeded", True)]


def test_a_pod_that_exists_comes_before_one_of_its_name_that_is_gone() -> None:
    store = Store()
    store.see_build(build(10, RUNNING))
    store.see_pod(pod(20, uid="old"))
    store.lose_pod(KEY, "old")
    store.see_pod(pod(30, uid="new"))
    assert [view.uid for view in store.pods(KEY)] == ["new", "old"]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_ended_pod_of_a_build_that_is_not_kept_means_nothing(phase: str) -> None:
    store = Store()
    assert store.see_pod(pod(20, phase)) is None
    store.lose_pod(KEY, "pod-1", pod(21, phase))
    assert store.keys() == set()


def test_forgetting_a_build_keeps_only_its_live_pods() -> None:
    store = Store()
    store.see_build(build(10, FINISHED))
    store.see_pod(pod(20, "Running", uid="live"))
    store.see_pod(pod(21, "Failed", uid="ended"))
    store.see_pod(pod(22, "Running", uid="gone"))
    store.lose_pod(KEY, "gone")
    store.see_pod(pod(23, "Running", uid="foreign", ownerReferences=[]), KEY)
    store.forget(KEY)
    assert [view.uid for view in store.pods(KEY)] == ["live"]
    assert standing(store) == "holds"


def test_a_foreign_pod_that_was_looked_up_holds_no_slot() -> None:
    store = Store()
    store.see_build(build(10, FINISHED))
    store.see_pod(pod(20, "Running", ownerReferences=[]), KEY)
    assert standing(store) == ""
    store.forget(KEY)
    assert store.keys() == set()


def test_a_pod_that_lost_its_owner_is_followed_to_its_end() -> None:
    store = Store()
    store.see_build(build(10, RUNNING))
    store.see_pod(pod(20))
    orphan = pod(21, ownerReferences=[])
    assert store.key_of(orphan) == KEY
    assert store.see_pod(orphan) == KEY
    store.drop_build(KEY)
    assert (standing(store), store.keys()) == ("", set())
    assert store.see_pod(pod(22, ownerReferences=[])) is None


def test_a_deletion_this_process_asked_for_is_remembered_until_the_watch_tells() -> None:
    store = Store()
    store.see_build(build(10, RUNNING))
    store.see_pod(pod(20))
    store.request_delete(KEY, "pod-1")
    store.request_delete(KEY, "unknown")
    store.request_delete(("ns", "other"), "pod-1")
    store.see_pod(pod(21))
    assert [view.deleting for view in store.pods(KEY)] == [True]


def test_which_pods_are_thought_to_exist() -> None:
    store = Store()
    store.see_build(build(10, RUNNING))
    store.see_pod(pod(20, "Running", uid="live"))
    store.see_pod(pod(21, "Failed", uid="ended"))
    store.see_pod(pod(22, "Running", uid="gone"))
    store.lose_pod(KEY, "gone")
    assert set(store.existing_pods()) == {(KEY, "live", 20), (KEY, "ended", 21)}
    assert list(store.builds()) == [(KEY, 10)]


@pytest.mark.parametrize(
    ("version", "number"), [("12", 12), ("", 0), (None, 0), ("a1", 0), ("-1", 0), ("\u0661", 0), (7, 7)]
)
def test_resource_versions_are_numbers(version: object, number: int) -> None:
    assert version_of({"metadata": {"resourceVersion": version}}) == number
    assert version_of({}) == 0


def test_the_owner_of_a_pod_gives_its_key() -> None:
    assert owner_of(pod()) == KEY
    assert owner_of(pod(ownerReferences=[])) is None
    assert owner_of({}) is None
    assert names.KIND in str(pod())
