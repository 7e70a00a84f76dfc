"""A registry that fails when a test wants it: the cluster's main registry behind a proxy that obeys a file."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import settings
from .control_plane import https_answers
from .namespaces import Namespaces
from .paths import ClusterPaths
from .process import wait_ready
from .registry import REGISTRY, Registry

if TYPE_CHECKING:
    from .handle import ClusterHandle

PROCESS = "registry-faulty"
PROGRAM = Path(__file__).with_name("fault_proxy.py")
FAULTY = Registry(
    "faulty", settings.REGISTRY_HOST, settings.FAULTY_PORT, settings.REGISTRY_USER, settings.REGISTRY_PASSWORD
)


@dataclass(frozen=True)
class FaultyRegistry:
    """The registry under its second port; it holds what the main registry holds."""

    cluster: ClusterHandle = field(repr=False)
    faults: Path
    registry: Registry = FAULTY

    def fail(self, *faults: dict[str, Any]) -> None:
        """Meet each further request with the first of these faults that fits, see `fault_proxy`; none heals it."""
        scratch = self.faults.with_suffix(".new")
        scratch.write_text(json.dumps(faults))
        scratch.rename(self.faults)

    def refuse(self) -> None:
        """Let nobody listen at the port any more."""
        self.cluster.processes.kill(PROCESS)

    def listen(self) -> None:
        """Listen again after `refuse`, and wait until it answers."""
        self.cluster.processes.revive(PROCESS)
        self.wait()

    def wait(self) -> None:
        """Wait until requests are passed on; faults that meet the asking itself must wait until then."""
        address = f"{self.registry.url}/v2/"
        process = self.cluster.processes.find(PROCESS)
        wait_ready(process, lambda: https_answers(address, self.cluster.paths.ca, expected=(401,)))


def proxy_command(paths: ClusterPaths, port: int, faults: Path) -> list[str]:
    """The main registry's proxy at another port of the node."""
    return [
        sys.executable,
        str(PROGRAM),
        f"--listen={settings.NODE_ADDRESS}:{port}",
        f"--upstream={settings.NODE_ADDRESS}:{REGISTRY.port}",
        f"--ca={paths.ca}",
        f"--faults={faults}",
        f"--certificate={paths.pki}/servers.crt",
        f"--key={paths.pki}/servers.key",
    ]


@contextlib.contextmanager
def faulty_registry(cluster: ClusterHandle) -> Iterator[FaultyRegistry]:
    """The registry, healthy at first; one at a time."""
    paths = cluster.paths
    faulty = FaultyRegistry(cluster, paths.config / "registry-faults.json")
    cluster.processes.remove(PROCESS)
    faulty.fail()
    command = proxy_command(paths, settings.FAULTY_PORT, faulty.faults)
    inside = Namespaces(cluster.processes.find("namespaces"))
    cluster.processes.add(inside.spawn(PROCESS, command, paths.log(PROCESS)))
    try:
        faulty.wait()
        yield faulty
    finally:
        cluster.processes.remove(PROCESS)
