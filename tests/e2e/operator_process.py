"""The operator's process, ended or held up from outside the cluster: as hard as a node that loses its power."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests import installation
from tests.cluster import cgroups
from tests.cluster.handle import ClusterHandle

COMMAND = b"python3\0-m\0imagebuild_operator\0"


def operator_processes() -> set[int]:
    """The operator's process on the node, found among the cluster's own ones by its whole command line."""
    found = set()
    for pid in cgroups.processes():
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes() == COMMAND:
                found.add(pid)
    return found


def kill(pids: set[int]) -> None:
    """End processes without a chance to say anything."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def held_up() -> Iterator[None]:
    """The operator does nothing while the block runs; after half a minute its liveness probe would end it."""
    pids = operator_processes()
    assert pids, "the operator was not found"
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def replace_pod(cluster: ClusterHandle) -> None:
    """Have the Deployment make a new Pod: within the same one the kubelet waits longer before each restart."""
    selector = f"app.kubernetes.io/name={installation.RELEASE}"
    cluster.kubectl("delete", "pod", "-n", installation.NAMESPACE, "-l", selector, "--force", "--grace-period=0")


def until_ready(cluster: ClusterHandle) -> None:
    """Wait until the operator is ready again."""
    deployment = f"deployment/{installation.RELEASE}"
    cluster.kubectl("rollout", "status", deployment, "-n", installation.NAMESPACE, "--timeout=60s")
