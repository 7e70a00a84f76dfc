"""Watch events become newer copies and keys to look at; kopf is told to do nothing else."""

from typing import Any

import kopf

from imagebuild_operator.api import names
from imagebuild_operator.core.cleanup import Keeping
from imagebuild_operator.shell import handlers
from tests.unit.core.pod_documents import pod_document
from tests.unit.core.world import UID, inline_spec
from tests.unit.shell.fake_cluster import FakeCluster
from tests.unit.shell.process import Process

KEY = ("ns", "web")


def build(version: int = 10, **status: Any) -> dict[str, Any]:
    metadata = {"namespace": "ns", "name": "web", "uid": UID, "generation": 1, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": inline_spec(), "status": status}


def queued(process: Process) -> set[tuple[str, str]]:
    return set(process.queue._dirty)


def test_each_event_of_a_build_is_a_copy_and_a_key(cluster: FakeCluster) -> None:
    process = Process(cluster)
    for number, kind in enumerate((None, "ADDED", "MODIFIED")):
        process.intake.build(kind, build(number))
        view = process.store.build(KEY)
        assert view is not None
        assert view.resource_version == str(number)
    assert queued(process) == {KEY}
    assert len(process.queue) == 1


def test_a_deleted_build_is_dropped_and_looked_at_once_more(cluster: FakeCluster) -> None:
    process = Process(cluster)
    process.store.see_build(build())
    process.intake.build("DELETED", build())
    assert process.store.build(KEY) is None
    assert queued(process) == {KEY}


def test_the_deletion_of_a_predecessor_leaves_the_build(cluster: FakeCluster) -> None:
    process = Process(cluster)
    process.intake.build("ADDED", build())
    old = build()
    old["metadata"]["uid"] = "old"
    process.intake.build("DELETED", old)
    assert process.store.build(KEY) is not None


def test_an_event_of_a_pod_is_a_key_of_its_build(cluster: FakeCluster) -> None:
    process = Process(cluster)
    process.intake.pod("ADDED", pod_document(phase="Running"))
    assert queued(process) == {KEY}
    assert process.store.standing(KEY).holding


def test_a_pod_of_nobody_is_nobodys_business(cluster: FakeCluster) -> None:
    process = Process(cluster)
    for kind in (None, "ADDED", "MODIFIED", "DELETED"):
        process.intake.pod(kind, pod_document(phase="Running", metadata={"ownerReferences": []}))
        process.intake.pod(kind, {})
    assert queued(process) == set()
    assert process.store.keys() == set()


def test_a_finished_pod_in_the_first_list_wakes_nobody(cluster: FakeCluster) -> None:
    process = Process(cluster)
    process.intake.pod(None, pod_document(phase="Succeeded"))
    assert queued(process) == set()


def test_a_deleted_pod_is_gone_and_its_build_is_looked_at(cluster: FakeCluster) -> None:
    process = Process(cluster)
    process.store.see_build(build())
    process.store.see_pod(pod_document(phase="Running"))
    process.intake.pod("DELETED", pod_document(phase="Running"))
    assert [view.gone for view in process.store.pods(KEY)] == [True]
    assert queued(process) == {KEY}


def test_an_event_without_a_name_does_not_stop_the_watch(cluster: FakeCluster) -> None:
    process = Process(cluster)
    process.intake.build("MODIFIED", {})
    process.intake.build("DELETED", {"metadata": None})
    process.intake.pod("MODIFIED", {"metadata": None})


async def test_the_end_of_a_pod_starts_the_time_it_is_kept(cluster: FakeCluster) -> None:
    process = Process(cluster, keeping=Keeping(succeeded=60.0, failed=60.0))
    for kind in (None, "ADDED", "MODIFIED"):
        process.intake.pod(kind, pod_document(phase="Running"))
    assert len(process.cleanup) == 0
    for kind in (None, "ADDED", "MODIFIED"):
        process.intake.pod(kind, pod_document(phase="Succeeded"))
        assert len(process.cleanup) == 1
    process.intake.pod("DELETED", pod_document(phase="Succeeded"))
    assert len(process.cleanup) == 0


async def test_kopf_watches_two_kinds_with_event_handlers_only(cluster: FakeCluster) -> None:
    process = Process(cluster)
    registry = kopf.OperatorRegistry()
    handlers.register(registry, process.intake)
    for kept_empty in (registry._changing, registry._spawning, registry._indexing):
        assert not kept_empty.get_all_handlers(), "handlers that write to the objects, or cost a start quadratic time"
    by_name: dict[str, Any] = {
        str(handler.id).rpartition(".")[2]: handler for handler in registry._watching.get_all_handlers()
    }
    assert by_name.keys() == {"imagebuilds", "pods"}
    await by_name["imagebuilds"].fn(event={"type": "ADDED", "object": build()}, name="web")
    await by_name["pods"].fn(event={"type": None, "object": pod_document(phase="Running")}, name="web-1-1")
    assert process.store.build(KEY) is not None
    assert len(process.store.pods(KEY)) == 1


def test_kopf_keeps_out_of_everything_but_watching() -> None:
    told = handlers.settings(kopf.OperatorSettings())
    assert told.scanning.disabled
    assert not told.posting.enabled
    assert told.peering.standalone
    assert told.watching.label_selectors["", "v1", "pods"] == f"{names.LABEL_MANAGED_BY}={names.OPERATOR}"
    assert told.watching.chunk_size == 500
    assert told.watching.inactivity_timeout == 70, "longer than the minute between two bookmarks"
    assert told.watching.server_timeout == 600
    assert isinstance(told.watching.server_timeout, int), "kopf sends it as it is, and the API server wants no fraction"
    assert told.watching.client_timeout is not None
    assert told.watching.client_timeout > told.watching.server_timeout, "the server ends a watch in good order"
    assert told.watching.connect_timeout == told.networking.connect_timeout == 10
    assert told.networking.request_timeout == 60
    assert "zalando" not in told.persistence.finalizer
