"""Docker Hub as far as its clients can tell: the cluster's main registry behind Docker Hub's name and port."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import settings
from .control_plane import https_answers
from .faulty import proxy_command
from .namespaces import Namespaces
from .process import wait_ready

if TYPE_CHECKING:
    from .handle import ClusterHandle

PROCESS = "docker-hub"


@contextlib.contextmanager
def docker_hub(cluster: ClusterHandle) -> Iterator[None]:
    """The stand-in, with the main registry's images and login; one at a time."""
    paths = cluster.paths
    cluster.processes.remove(PROCESS)
    faults = paths.config / "docker-hub-faults.json"
    faults.write_text("[]")
    inside = Namespaces(cluster.processes.find("namespaces"))
    command = proxy_command(paths, settings.HUB_PORT, faults)
    cluster.processes.add(inside.spawn(PROCESS, command, paths.log(PROCESS)))
    try:
        address = f"https://{settings.NODE_ADDRESS}:{settings.HUB_PORT}/v2/"
        process = cluster.processes.find(PROCESS)
        wait_ready(process, lambda: https_answers(address, paths.ca, expected=(401,)))
        yield
    finally:
        cluster.processes.remove(PROCESS)
