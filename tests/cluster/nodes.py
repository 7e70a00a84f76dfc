"""The cluster's nodes: the one that is always there, and a second one for as long as a test wants it.

Both live in the same network and mount namespace, so they share bridge, kube-proxy, DNS and registries; what must not
be shared is told here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import settings


@dataclass(frozen=True)
class Node:
    """What differs between the nodes."""

    name: str
    address: str
    # Behind the names of its programs and files.
    suffix: str
    run: Path
    data: Path
    # Of its programs and Pods, as a path in each hierarchy.
    cgroup: str
    # First and last of its Pods.
    pod_addresses: tuple[str, str]
    healthz_port: int
    # Socket of the system bus on which its kubelet hears of shutdowns.
    bus: Path | None = None
    # Members of the kubelet's configuration that this node has otherwise.
    kubelet: dict[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> str:
        """The name of a program on this node, also of its log and its files."""
        return f"{name}{self.suffix}"

    @property
    def runtime_socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def kubelet_root(self) -> Path:
        return self.data / "kubelet"


FIRST = Node(
    name=settings.NODE_NAME,
    address=settings.NODE_ADDRESS,
    suffix="",
    run=settings.RUN_FOLDER,
    data=settings.DATA_FOLDER,
    cgroup=settings.CGROUP,
    pod_addresses=("10.244.0.2", "10.244.0.199"),
    healthz_port=10248,
)

# What the Pods of the second node may use in all; the kubelet evicts when less than the latter is left.
SECOND_MEMORY = 768 * 1024 * 1024
SECOND_MEMORY_LEFT = "200Mi"


def _reserved() -> str:
    """All of the machine's memory but that, in bytes: the kubelet knows a node's size from its machine alone."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return str(max(machine - SECOND_MEMORY, 0))


# The taint keeps everybody away who does not ask for this node. Pods are evicted for want of inodes, not of bytes, so
# that a test can fill the disk to the last of them. Without the transition period a node that was under pressure says
# so for five minutes more, and with the usual ten seconds between two words about itself it says all things that late.
# The kubelet ends its Pods when logind announces a shutdown.
SECOND = Node(
    name=settings.SECOND_NAME,
    address=settings.SECOND_ADDRESS,
    suffix="-second",
    run=settings.RUN_FOLDER / "second",
    data=settings.DATA_FOLDER / "second",
    cgroup=f"{settings.CGROUP}/second",
    pod_addresses=("10.244.0.200", "10.244.0.254"),
    healthz_port=10348,
    bus=settings.RUN_FOLDER / "second-bus.sock",
    kubelet={
        "registerWithTaints": [{"key": settings.SECOND_TAINT, "value": "second", "effect": "NoSchedule"}],
        "evictionHard": {"memory.available": SECOND_MEMORY_LEFT, "nodefs.inodesFree": "10%"},
        "systemReserved": {"memory": _reserved()},
        "evictionPressureTransitionPeriod": "1s",
        "nodeStatusUpdateFrequency": "1s",
        "shutdownGracePeriod": "10s",
        "shutdownGracePeriodCriticalPods": "2s",
    },
)
NODES = (FIRST, SECOND)
