"""Whose cluster it is that ends: a machine has one, and it may be another checkout's, or in use."""

import os
from pathlib import Path

import pytest

from tests.cluster import cgroups, lifecycle, record
from tests.cluster.errors import ClusterError
from tests.cluster.handle import ClusterHandle
from tests.cluster.paths import ClusterPaths
from tests.cluster.process import Process, start_time
from tests.cluster.record import Record, Use


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[Record | None]:
    """The records of the clusters that were ended."""
    clusters: list[Record | None] = []
    monkeypatch.setattr(lifecycle, "_clean", clusters.append)
    monkeypatch.setattr(cgroups, "processes", set)
    return clusters


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: list[Record | None]) -> Path:
    """The state folder of a checkout on a machine without a cluster, all of it in a folder of the test's."""
    run = tmp_path / "run"
    for name, place in {"CACHE_FOLDER": tmp_path, "RUN_FOLDER": run, "RECORD": run / "cluster.json"}.items():
        monkeypatch.setattr(record, name, place)
    monkeypatch.setattr(lifecycle, "refuse_unless_possible", lambda: None)
    return tmp_path / "ours"


def up(state: Path, *, complete: bool = True) -> None:
    state.mkdir(parents=True)
    ClusterPaths(state).kubeconfig.touch()
    node = Process("namespaces", os.getpid(), start_time(os.getpid()) or "", state / "namespaces.log")
    Record(state=state, complete=complete, keep=True, processes=[node]).save()


def test_our_own_cluster_ends_after_a_last_look(ours: Path, ended: list[Record | None]) -> None:
    up(ours)
    seen: list[Path] = []

    def look(cluster: ClusterHandle) -> None:
        assert not ended
        seen.append(cluster.paths.state)

    assert lifecycle.down_ours(look, state=ours)
    assert seen == [ours]
    assert [each and each.state for each in ended] == [ours]


def test_without_a_cluster_there_is_nothing_to_look_at(ours: Path, ended: list[Record | None]) -> None:
    assert not lifecycle.down_ours(lambda _: pytest.fail("there is none"), state=ours)


def test_the_cluster_of_another_checkout_is_left_alone(ours: Path, ended: list[Record | None], tmp_path: Path) -> None:
    up(tmp_path / "theirs")
    with pytest.raises(ClusterError, match=r"another checkout's, .*/theirs: run `make demo-down` there"):
        lifecycle.down_ours(lambda _: None, state=ours)
    assert ended == []


def test_what_is_left_of_the_killed_cluster_of_another_checkout_is_cleaned_up(
    ours: Path, ended: list[Record | None], tmp_path: Path
) -> None:
    up(tmp_path / "theirs", complete=False)
    assert lifecycle.down_ours(lambda _: pytest.fail("it does not run"), state=ours)
    assert len(ended) == 1


def test_a_cluster_that_tests_use_is_left_alone_until_they_have_ended(ours: Path, ended: list[Record | None]) -> None:
    up(ours)
    tests = Use()
    with pytest.raises(ClusterError, match=r"Tests use the cluster, .*make cluster-down"):
        lifecycle.down_ours(lambda _: None, state=ours)
    assert ended == []
    with tests.ending():
        pass
    assert lifecycle.down_ours(lambda _: None, state=ours)
