"""The cgroup that everything of the cluster runs in: how its processes are found again, whoever their parent is.

The kubelet's Pods are below it too (`cgroupRoot`), so a containerd shim or a build that outlived its kubelet is still
known as ours, and nothing else ever is.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .process import wait_until
from .settings import CGROUP

SYSTEM = "system"
MOUNTS = Path("/proc/mounts")


def _mounts(kind: str) -> list[Path]:
    """Where cgroup hierarchies of a kind (`cgroup` is v1, `cgroup2` v2) are mounted, see proc(5), /proc/PID/mounts."""
    rows = (line.split() for line in MOUNTS.read_text().splitlines())
    return [Path(row[1]) for row in rows if row[2] == kind]


def _hierarchies() -> list[Path]:
    return _mounts("cgroup") or _mounts("cgroup2")


def _home() -> Path:
    """The one hierarchy that says which processes are ours: pids in v1, because every container joins it."""
    mounts = _hierarchies()
    return next((mount for mount in mounts if mount.name == "pids"), mounts[0])


def members_file(cgroup: str = CGROUP) -> Path:
    """Writing 0 to this file brings the writing process into the cluster's cgroup, or into one below it."""
    return _home() / cgroup / SYSTEM / "cgroup.procs"


def create(cgroup: str = CGROUP) -> None:
    """Make the cgroup in every hierarchy; the kubelet refuses a `cgroupRoot` that lacks in one of them."""
    for mount in _hierarchies():
        for folder in (mount / cgroup, mount / cgroup / SYSTEM):
            folder.mkdir(exist_ok=True)
            # A v1 cpuset starts empty and takes no process before it has CPUs and memory nodes, see cpuset(7).
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (mount / "tasks").exists() and (folder / name).exists():
                    (folder / name).write_text((folder.parent / name).read_text())
        if not (mount / "tasks").exists():
            _delegate(mount, cgroup)


def _delegate(mount: Path, cgroup: str) -> None:
    """Hand all v2 controllers down to the Pods' cgroups."""
    for folder in (mount, mount / cgroup):
        for controller in (folder / "cgroup.controllers").read_text().split():
            with suppress(OSError):
                (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def _tree(mount: Path, cgroup: str) -> Iterator[Path]:
    """Our cgroups of one hierarchy, the deepest first, as they must be removed."""
    for folder, _, _ in os.walk(mount / cgroup, topdown=False):
        yield Path(folder)


def processes(cgroup: str = CGROUP) -> set[int]:
    """All processes of the cluster: its programs, the shims, everything in its containers."""
    found: set[int] = set()
    for folder in _tree(_home(), cgroup):
        with suppress(OSError):
            found.update(int(pid) for pid in (folder / "cgroup.procs").read_text().split())
    found.discard(0)
    return found


def of_container(identity: str) -> str:
    """The cgroup of a container on one of the nodes, by the runtime's name for it."""
    home = _home()
    return next(str(folder.relative_to(home)) for folder in _tree(home, CGROUP) if folder.name == identity)


def kill_all(cgroup: str = CGROUP, patience: float = 20.0) -> bool:
    """Kill until none is left; a process forked meanwhile is met in the next round."""

    def none_left() -> bool:
        remaining = processes(cgroup)
        for pid in remaining:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        return not remaining

    return wait_until(none_left, patience, pause=0.05)


def remove(cgroup: str = CGROUP, patience: float = 5.0) -> list[Path]:
    """Remove the empty cgroups and return those that stayed; the kernel lets go of a dead process's with delay."""

    def gone() -> bool:
        for mount in (*_mounts("cgroup"), *_mounts("cgroup2")):
            for folder in _tree(mount, cgroup):
                with suppress(OSError):
                    folder.rmdir()
        return not _remaining(cgroup)

    wait_until(gone, patience, pause=0.05)
    return _remaining(cgroup)


def _remaining(cgroup: str) -> list[Path]:
    mounts = (*_mounts("cgroup"), *_mounts("cgroup2"))
    return [mount / cgroup for mount in mounts if (mount / cgroup).exists()]
