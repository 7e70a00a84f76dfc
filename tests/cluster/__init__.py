"""A real Kubernetes cluster of one node, or two, on a Debian 12 machine, and lone API servers, for tests and the demo.

`running_cluster()` gives the whole cluster, `control_plane()` an API server with nothing behind it; on the command
line, `python -m tests.cluster up`, `down`, `status`, `programs`, `images` and `logs`.
"""

from __future__ import annotations

from .errors import ClusterError
from .handle import ApiHandle, ClusterHandle
from .lifecycle import down, running_cluster, running_handle, up
from .local_plane import control_plane

__all__ = [
    "ApiHandle",
    "ClusterError",
    "ClusterHandle",
    "control_plane",
    "down",
    "running_cluster",
    "running_handle",
    "up",
]
