"""The second node: brought up while a test runs that takes nodes away, and removed after it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from . import cgroups, containerd, node
from .errors import ClusterError
from .locks import locked
from .namespaces import Namespaces
from .nodes import SECOND, Node
from .process import Process, wait_ready
from .programs import say_on_stdout
from .settings import CACHE_FOLDER

if TYPE_CHECKING:
    from .handle import ApiHandle, ClusterHandle

# The kubelet's folder is a small file system of its own, so that a test can fill it without filling the machine.
KUBELET_INODES = 20_000
FORCED = ("--force", "--grace-period=0", "--ignore-not-found", "--wait=false")


def wait_for_node(api: ApiHandle, which: Node, kubelet: Process) -> None:
    """Wait until Pods can run there: the node is Ready and its ServiceAccount is there."""

    def ready() -> bool:
        try:
            found = api.get("node", which.name)
            api.kubectl("get", "serviceaccount", "default", "--namespace=default")
        except ClusterError:
            return False
        conditions = {each["type"]: each["status"] for each in found["status"].get("conditions", [])}
        taints = [taint["key"] for taint in found["spec"].get("taints", [])]
        return conditions.get("Ready") == "True" and "node.kubernetes.io/not-ready" not in taints

    wait_ready(kubelet, ready)


@contextlib.contextmanager
def second_node(cluster: ClusterHandle, say: Callable[[str], None] = say_on_stdout) -> Iterator[Node]:
    """The node, for one user at a time; whatever is left of it in the end is forced to go."""
    with locked(CACHE_FOLDER / "second-node.lock", say, "waiting for another test that uses the second node …"):
        # What a test run that was killed left.
        _remove(cluster)
        try:
            _add(cluster)
            yield SECOND
        finally:
            _remove(cluster)


def _namespaces(cluster: ClusterHandle) -> Namespaces:
    return Namespaces(cluster.processes.find("namespaces"))


def _add(cluster: ClusterHandle) -> None:
    paths, inside, cgroup = cluster.paths, _namespaces(cluster), SECOND.cgroup
    cgroups.create(cgroup)
    SECOND.kubelet_root.mkdir(parents=True)
    size = f"mode=0755,nr_inodes={KUBELET_INODES}"
    inside.run("mount", "--no-mtab", "-t", "tmpfs", "-o", size, "tmpfs", str(SECOND.kubelet_root))

    def start(name: str, command: list[str], environment: dict[str, str]) -> Process:
        part = SECOND.part(name)
        process = inside.spawn(part, command, paths.log(part), environment=environment, cgroup=cgroup)
        return cluster.processes.add(process)

    runtime = start("containerd", containerd.command(paths, SECOND), containerd.environment())
    wait_ready(runtime, SECOND.runtime_socket.exists)
    # Never the machine's own bus: the kubelet would change the settings of its logind.
    kubelet = start("kubelet", node.kubelet(paths, SECOND), {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={SECOND.bus}"})
    wait_for_node(cluster, SECOND, kubelet)


def _remove(cluster: ClusterHandle) -> None:
    """End the node as a machine ends whose plug is pulled, and forget it and its Pods."""
    inside = _namespaces(cluster)
    for name in ("kubelet", "containerd"):
        cluster.processes.remove(SECOND.part(name))
    if not cgroups.kill_all(SECOND.cgroup):
        raise ClusterError(f"These processes of the second node stay: {sorted(cgroups.processes(SECOND.cgroup))}")
    cluster.kubectl("delete", "node", SECOND.name, "--ignore-not-found")
    _delete_pods(cluster)
    for mount_point in _mount_points(inside):
        inside.run("umount", "--no-mtab", "--lazy", mount_point)
    for folder in (SECOND.run, SECOND.data):
        shutil.rmtree(folder, ignore_errors=True)
    stuck = [*cgroups.remove(SECOND.cgroup), *(folder for folder in (SECOND.run, SECOND.data) if folder.exists())]
    if stuck:
        raise ClusterError(f"Could not remove {', '.join(map(str, stuck))}.")


def _delete_pods(cluster: ClusterHandle) -> None:
    """Nobody will ever report the end of a Pod of a node that is gone."""
    for pod in cluster.get("pods", "--all-namespaces", f"--field-selector=spec.nodeName={SECOND.name}")["items"]:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        cluster.kubectl("delete", "pod", name, "-n", namespace, *FORCED)


def _mount_points(inside: Namespaces) -> list[str]:
    """Mount points of the node in the namespace, the innermost first."""
    rows = Path(f"/proc/{inside.holder.pid}/mounts").read_text().splitlines()
    found = [row.split()[1] for row in rows]
    ours = [each for each in found if any(Path(each).is_relative_to(top) for top in (SECOND.run, SECOND.data))]
    return list(reversed(ours))
