import os
import threading
from pathlib import Path

import pytest

from tests.benchmark.cpu import Used, cgroup_of, cpu_of, follow, machine_cpu, precedence
from tests.cluster.settings import CGROUP

UID = "0a1b2c3d-0000-4000-8000-000000000001"
OTHER = "0a1b2c3d-0000-4000-8000-000000000002"


def pod_folder(root: Path, uid: str) -> Path:
    folder = root / CGROUP / "kubepods" / "burstable" / f"pod{uid}"
    folder.mkdir(parents=True)
    return folder


def test_cpu_seconds_are_read_in_either_version_of_cgroups(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    (old / "cpuacct.usage").write_text("2500000000\n")
    (new / "cpu.stat").write_text("nr_periods 7\nusage_usec 1500000\nuser_usec 1\n")
    assert (cpu_of(old), cpu_of(new)) == (2.5, 1.5)


def test_a_cgroup_that_is_gone_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        cpu_of(tmp_path / "gone")


@pytest.mark.parametrize("hierarchy", ["cpuacct", "cpu,cpuacct", "."])
def test_a_pods_cgroup_is_found_by_its_uid(tmp_path: Path, hierarchy: str) -> None:
    pod_folder(tmp_path / hierarchy, OTHER)
    assert cgroup_of(UID, tmp_path) is None
    folder = pod_folder(tmp_path / hierarchy, UID)
    assert cgroup_of(UID, tmp_path) == folder


def test_without_a_cluster_there_is_no_cgroup(tmp_path: Path) -> None:
    assert cgroup_of(UID, tmp_path) is None


def test_the_last_figure_stays_when_the_cgroup_goes(tmp_path: Path) -> None:
    folder = pod_folder(tmp_path / "cpuacct", UID)
    usage = folder / "cpuacct.usage"
    usage.write_text("3000000000")
    used, done = Used(), threading.Event()
    thread = threading.Thread(target=follow, args=(UID, used, done, tmp_path))
    thread.start()
    while used.seconds == 0.0:
        assert not done.wait(0.01)
    usage.unlink()
    thread.join(10)
    assert not thread.is_alive()
    assert used.seconds == 3.0


def test_following_ends_when_told(tmp_path: Path) -> None:
    done = threading.Event()
    done.set()
    used = Used()
    follow(UID, used, done, tmp_path)
    assert used.seconds == 0.0


def test_the_machine_is_busy_with_programs_and_interrupts_alone(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 99999 88888 3 4 77777 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    assert machine_cpu(stat) == pytest.approx(157 / os.sysconf("SC_CLK_TCK"))


@pytest.mark.parametrize(
    ("file", "usual", "raised"),
    [
        ("cpu/{}/cpu.shares", "1024", "8192"),
        ("cpu,cpuacct/{}/cpu.shares", "1024", "8192"),
        ("{}/cpu.weight", "100", "800"),
    ],
)
def test_the_cluster_has_precedence_while_the_block_runs(tmp_path: Path, file: str, usual: str, raised: str) -> None:
    weight = tmp_path / file.format(CGROUP)
    weight.parent.mkdir(parents=True)
    weight.write_text(usual)
    with pytest.raises(KeyError), precedence(tmp_path):
        assert weight.read_text() == raised
        raise KeyError
    assert weight.read_text() == usual
    assert list(weight.parent.iterdir()) == [weight]
