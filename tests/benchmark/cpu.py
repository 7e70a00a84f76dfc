"""CPU seconds: of a Pod by its cgroup, and of the whole machine."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.cluster.settings import CGROUP

SAMPLE_SECONDS: Final = 0.1
ROOT: Final = Path("/sys/fs/cgroup")
# What decides between cgroups that want more CPU than there is, with a value of eight times the usual; see
# Documentation/scheduler/sched-design-CFS.rst and admin-guide/cgroup-v2.rst of the kernel.
WEIGHTS: Final = {"cpu.shares": 8192, "cpu.weight": 800}
STAT: Final = Path("/proc/stat")


@dataclass
class Used:
    """CPU seconds so far; the last figure stays when the cgroup is gone."""

    seconds: float = 0.0


def cpu_of(folder: Path) -> float:
    """CPU seconds of a cgroup and those below it, ended processes included, in either version of cgroups.

    Raises:
        OSError: the cgroup is gone.
    """
    old = folder / "cpuacct.usage"
    if old.exists():
        return int(old.read_text()) / 1e9
    rows = (line.split() for line in (folder / "cpu.stat").read_text().splitlines())
    return next(int(value) for name, value in rows if name == "usage_usec") / 1e6


def cgroup_of(uid: str, root: Path = ROOT) -> Path | None:
    """The cgroup of a Pod that has one; the kubelet's cgroupfs driver names it by the Pod's uid."""
    for hierarchy in (root / "cpuacct", root / "cpu,cpuacct", root):
        if (hierarchy / CGROUP).is_dir():
            return next((hierarchy / CGROUP).rglob(f"pod{uid}"), None)
    return None


@contextmanager
def precedence(root: Path = ROOT) -> Iterator[None]:
    """Give the cluster more of the CPU than other work of the machine gets while the block runs.

    With cgroups of version 1 the whole cluster counts as much as any single process outside of it otherwise.
    """
    found = [(root / hierarchy / CGROUP / name, weight) for hierarchy in ("cpu", "cpu,cpuacct", "")
             for name, weight in WEIGHTS.items()]  # fmt: skip
    before = {file: file.read_text() for file, _ in found if file.exists()}
    for file, weight in found:
        if file in before:
            file.write_text(str(weight))
    try:
        yield
    finally:
        for file, text in before.items():
            file.write_text(text)


def machine_cpu(stat: Path = STAT) -> float:
    """CPU seconds that the machine was busy since it started; see proc(5), without idle, iowait and steal."""
    user, nice, system, _idle, _iowait, *interrupts = map(int, stat.read_text().split("\n")[0].split()[1:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def follow(uid: str, used: Used, done: threading.Event, root: Path = ROOT) -> None:
    """Keep the figure of a Pod up to date until told to stop."""
    folder: Path | None = None
    while not done.wait(SAMPLE_SECONDS):
        folder = folder or cgroup_of(uid, root)
        if folder is None:
            continue
        try:
            used.seconds = cpu_of(folder)
        except OSError:
            # The kubelet removes it soon after the containers ended.
            return


@contextmanager
def pod_cpu(uid: str) -> Iterator[Used]:
    """What a Pod uses while the block runs, and used before."""
    used, done = Used(), threading.Event()
    thread = threading.Thread(target=follow, args=(uid, used, done), daemon=True)
    thread.start()
    try:
        yield used
    finally:
        done.set()
        thread.join()
