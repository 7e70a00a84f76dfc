"""The cluster's own cgroup, in the layouts of either version and of both at once."""

from pathlib import Path

import pytest

from tests.cluster import cgroups
from tests.cluster.settings import CGROUP

BELOW = f"{CGROUP}/second"


class Machine:
    """What the kernel shows of its hierarchies: a table of mounts, and the files of their roots."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mounts = root / "mounts"
        self.mounts.write_text("proc /proc proc rw 0 0\n")

    def mount(self, kind: str, name: str, **files: str) -> Path:
        folder = self.root / name
        folder.mkdir()
        for file, text in files.items():
            (folder / file.replace("_", ".")).write_text(text)
        with self.mounts.open("a") as table:
            table.write(f"{kind} {folder} {kind} rw,relatime 0 0\n")
        return folder


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(cgroups, "MOUNTS", made.mounts)
    return made


@pytest.fixture
def old(machine: Machine) -> Machine:
    """Version 1: a hierarchy for each controller; and, as on many machines, an empty one of version 2 beside them."""
    machine.mount("cgroup", "cpuset", tasks="1\n", cpuset_cpus="0-1\n", cpuset_mems="0\n")
    machine.mount("cgroup", "memory", tasks="1\n")
    machine.mount("cgroup", "pids", tasks="1\n")
    machine.mount("cgroup2", "unified", cgroup_controllers="")
    return machine


@pytest.fixture
def new(machine: Machine) -> Machine:
    """Version 2: one hierarchy for all; here the files that the kernel makes in a new cgroup are there before.

    Its root has no cpuset.cpus (admin-guide/cgroup-v2.rst of the kernel).
    """
    unified = machine.mount("cgroup2", "unified", cgroup_controllers="cpu memory pids\n")
    (unified / CGROUP).mkdir()
    (unified / CGROUP / "cgroup.controllers").write_text("cpu memory\n")
    (unified / CGROUP / "cpuset.cpus").write_text("")
    return machine


def test_in_version_1_it_is_in_every_hierarchy_and_a_cpuset_gets_what_its_parent_has(old: Machine) -> None:
    # The kernel makes these files, and they are empty.
    for folder in (CGROUP, f"{CGROUP}/system"):
        (old.root / "cpuset" / folder).mkdir()
        for name in ("cpuset.cpus", "cpuset.mems"):
            (old.root / "cpuset" / folder / name).write_text("")
    cgroups.create()
    for hierarchy in ("cpuset", "memory", "pids"):
        assert (old.root / hierarchy / CGROUP / "system").is_dir()
    assert not (old.root / "unified" / CGROUP).exists()
    assert (old.root / "cpuset" / CGROUP / "system" / "cpuset.cpus").read_text() == "0-1\n"
    assert (old.root / "cpuset" / CGROUP / "system" / "cpuset.mems").read_text() == "0\n"


def test_in_version_2_all_controllers_are_handed_down(new: Machine) -> None:
    cgroups.create()
    unified = new.root / "unified"
    assert (unified / CGROUP / "system").is_dir()
    # Each write adds a controller; of a plain file the last one stays.
    assert (unified / "cgroup.subtree_control").read_text() == "+pids"
    assert (unified / CGROUP / "cgroup.subtree_control").read_text() == "+memory"
    assert not (unified / CGROUP / "system" / "cgroup.subtree_control").exists(), "it holds processes"
    assert (unified / CGROUP / "cpuset.cpus").read_text() == "", "an empty one means the parent's"


@pytest.mark.parametrize(("version", "hierarchy"), [("old", "pids"), ("new", "unified")])
def test_whose_processes_are_ours_is_read_where_every_container_is(
    version: str, hierarchy: str, request: pytest.FixtureRequest
) -> None:
    machine: Machine = request.getfixturevalue(version)
    cgroups.create()
    home = machine.root / hierarchy / CGROUP
    assert cgroups.members_file() == home / "system" / "cgroup.procs"
    (home / "system" / "cgroup.procs").write_text("11\n12\n")
    pod = machine.root / hierarchy / BELOW / "kubepods" / "pod1"
    pod.mkdir(parents=True)
    # A process of another namespace of processes reads as 0.
    (pod / "cgroup.procs").write_text("0\n13\n")
    assert cgroups.processes() == {11, 12, 13}
    assert cgroups.processes(BELOW) == {13}


@pytest.mark.parametrize("kinds", [("cgroup", "cgroup"), ("cgroup2",), ("cgroup", "cgroup2")])
def test_it_is_removed_from_every_hierarchy_and_what_stays_is_told(machine: Machine, kinds: tuple[str, ...]) -> None:
    mounts = [machine.mount(kind, f"{kind}-{number}") for number, kind in enumerate(kinds)]
    for mount in mounts:
        (mount / BELOW / "kubepods" / "pod1").mkdir(parents=True)
        (mount / "somebody-elses").mkdir()
    busy = mounts[-1] / CGROUP / "busy"
    busy.mkdir()
    # A cgroup with processes in it cannot be removed, and a folder with a file in it cannot either.
    (busy / "file").touch()
    assert cgroups.remove(patience=0.1) == [mounts[-1] / CGROUP]
    (busy / "file").unlink()
    assert cgroups.remove(patience=0.1) == []
    assert all((mount / "somebody-elses").is_dir() for mount in mounts)
