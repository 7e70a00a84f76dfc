"""A proxy between Pods and the servers, as companies have one: which hosts it was asked for can be read."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import settings
from .namespaces import Namespaces
from .process import wait_ready

if TYPE_CHECKING:
    from .handle import ClusterHandle

PROCESS = "web-proxy"
PROGRAM = Path(__file__).with_name("forward_proxy.py")


@dataclass(frozen=True)
class WebProxy:
    """The proxy; Pods reach it by its address."""

    log: Path
    url: str = f"http://{settings.NODE_ADDRESS}:{settings.PROXY_PORT}"

    def asked_for(self) -> set[str]:
        """Hosts with their ports that clients wanted to reach through it."""
        lines = self.log.read_text().splitlines()
        return {line.removeprefix("CONNECT ") for line in lines if line.startswith("CONNECT ")}


def listens() -> bool:
    with contextlib.suppress(OSError), socket.create_connection((settings.NODE_ADDRESS, settings.PROXY_PORT), 1):
        return True
    return False


@contextlib.contextmanager
def web_proxy(cluster: ClusterHandle) -> Iterator[WebProxy]:
    """The proxy, which has seen nothing yet; one at a time."""
    log = cluster.paths.log(PROCESS)
    cluster.processes.remove(PROCESS)
    log.unlink(missing_ok=True)
    address = [f"--host={settings.NODE_ADDRESS}", f"--port={settings.PROXY_PORT}"]
    inside = Namespaces(cluster.processes.find("namespaces"))
    process = cluster.processes.add(inside.spawn(PROCESS, [sys.executable, str(PROGRAM), *address], log))
    try:
        wait_ready(process, listens)
        yield WebProxy(log)
    finally:
        cluster.processes.remove(PROCESS)
