"""Starts a whole cluster: who is started after whom, and when each really serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import cgroups, containerd, gitserver, namespaces, network, node, registry, settings
from .certificates import Authority
from .control_plane import ControlPlane, https_answers
from .errors import ClusterError
from .handle import ClusterHandle
from .namespaces import Namespaces
from .nodes import FIRST
from .paths import ClusterPaths
from .process import Process, wait_ready, wait_until
from .record import Record
from .second import wait_for_node

SERVERS = (*settings.HOST_NAMES, settings.NODE_ADDRESS)


def plane_of(paths: ClusterPaths) -> ControlPlane:
    return ControlPlane(
        paths=paths,
        address=settings.NODE_ADDRESS,
        bind=settings.NODE_ADDRESS,
        api_port=settings.API_PORT,
        etcd_port=settings.ETCD_PORT,
        etcd_peer_port=settings.ETCD_PEER_PORT,
        service_cidr=settings.SERVICE_CIDR,
        service_address=settings.API_SERVICE_ADDRESS,
    )


def handle_of(record: Record) -> ClusterHandle:
    paths = ClusterPaths(record.state)
    return ClusterHandle(
        paths=paths,
        url=plane_of(paths).url,
        processes=record.table,
        enter=Namespaces(record.table.find("namespaces")).command,
        git=gitserver.GitServer(paths.git),
    )


class Starter:
    """One start of the cluster; each thing it makes is in the record before it is made."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.paths = ClusterPaths(record.state)
        self.plane = plane_of(self.paths)

    def start(self, images: Mapping[str, Path]) -> ClusterHandle:
        nameservers = network.host_nameservers()
        self.paths.make_empty()
        self._write_files(nameservers)
        self._open_node()
        self._start_servers()
        handle = handle_of(self.record)
        with ThreadPoolExecutor() as pool:
            pushed = pool.submit(push_images, handle, images)
            self._start_kubernetes(handle)
            pushed.result()
        self._wait_for_node(handle)
        return handle

    def _write_files(self, nameservers: Sequence[str]) -> None:
        authority = Authority(self.paths.pki)
        server = authority.issue("servers", settings.REGISTRY_HOST, names=SERVERS)
        self.plane.write_files(authority)
        node.write_hosts(self.paths)
        node.write_files(self.paths, self.plane, authority, nameservers)
        containerd.write_files(self.paths, mtu=network.outward_mtu())
        registry.write_files(self.paths, server)
        gitserver.write_files(self.paths, server)

    def _open_node(self) -> None:
        self.record.sysctls = network.read_sysctls()
        self.record.made_folders = namespaces.missing_fixed_folders()
        self.record.save()
        cgroups.create()
        self.namespaces = namespaces.open_namespaces(self.paths.log("namespaces"))
        self._remember(self.namespaces.holder)
        namespaces.prepare_mounts(self.namespaces, hosts=node.hosts_file(self.paths), etcd=self.paths.etcd)
        network.join(self.namespaces)

    def _remember(self, process: Process) -> Process:
        self.record.processes.append(process)
        self.record.save()
        return process

    def _spawn(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Process:
        return self._remember(self.namespaces.spawn(name, command, self.paths.log(name), environment=environment))

    def _start_servers(self) -> None:
        """Start what needs no Kubernetes, all at once, and wait for each."""
        paths, plane = self.paths, self.plane
        waits: list[tuple[Process, Callable[[], bool]]] = []
        self._spawn("etcd", plane.etcd())
        apiserver = self._spawn("kube-apiserver", plane.apiserver(service_accounts=True))
        runtime = self._spawn("containerd", containerd.command(paths, FIRST), containerd.environment())
        waits.append((runtime, FIRST.runtime_socket.exists))
        for each in registry.REGISTRIES:
            process = self._spawn(f"registry-{each.name}", each.command(paths))
            # 401 is what a registry with a login says to a stranger who asks for its API version.
            waits.append((process, lambda url=f"{each.url}/v2/": self._answers(url, 200, 401)))  # type: ignore[misc]
        git_url = f"https://{settings.NODE_ADDRESS}:{settings.GIT_PORT}/"
        git = self._spawn("git-server", gitserver.command(paths))
        waits.append((git, lambda: self._answers(git_url, 200, 403, 404)))
        waits.append((apiserver, plane.answers))
        for process, ready in waits:
            wait_ready(process, ready)

    def _answers(self, url: str, *expected: int) -> bool:
        return https_answers(url, self.paths.ca, expected=expected)

    def _start_kubernetes(self, handle: ClusterHandle) -> None:
        paths, plane = self.paths, self.plane
        self._spawn("kube-controller-manager", plane.controller_manager())
        self._spawn("kube-scheduler", plane.scheduler())
        self._spawn("kubelet", node.kubelet(paths, FIRST))
        self._spawn("kube-proxy", node.proxy(paths))
        handle.kubectl("apply", "--server-side", "-f", str(paths.config / "dns-permissions.yaml"))
        dns = self._spawn("coredns", node.coredns(paths))
        ready = f"http://{settings.NODE_ADDRESS}:{node.DNS_READY_PORT}/ready"
        wait_ready(dns, lambda: self._answers(ready, 200))

    def _wait_for_node(self, handle: ClusterHandle) -> None:
        wait_for_node(handle, FIRST, self.record.table.find("kubelet"))
        for process in self.record.dead:
            raise ClusterError(f"{process.name} ended right after its start.\n{process.tail()}")
        if not wait_until(lambda: self._answers(f"{self.plane.url}/readyz", 200), 10):
            raise ClusterError(self.record.table.find("kube-apiserver").tail())


def push_images(handle: ClusterHandle, images: Mapping[str, Path]) -> None:
    """Put the images into the registry, empty after each start."""
    for name, layout in images.items():
        handle.crane("push", str(layout), f"{handle.registry.host}/{name}")
