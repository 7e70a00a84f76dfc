"""An API server of its own for an integration test: etcd and kube-apiserver on the host's loopback, without root.

Several can run at once: ports are free ones, files are in a temporary folder. There is no kubelet, so Pods stay as
they are written; the tests play the kubelet through the status subresource.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from . import programs
from .certificates import Authority
from .control_plane import ControlPlane
from .errors import ClusterError
from .handle import ApiHandle
from .paths import ClusterPaths
from .process import Process, ProcessTable, spawn, wait_ready
from .programs import Say, say_on_stdout

LOOPBACK = "127.0.0.1"
ATTEMPTS = 3


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, all different; somebody may still take one before we do, hence the attempts."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _memory_folder() -> str | None:
    """Where tests' data lies best: in memory, if the machine has the usual tmpfs."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _plane(paths: ClusterPaths) -> ControlPlane:
    api, etcd, peer = _free_ports(3)
    return ControlPlane(
        paths=paths,
        address=LOOPBACK,
        bind=LOOPBACK,
        api_port=api,
        etcd_port=etcd,
        etcd_peer_port=peer,
        service_cidr="10.96.0.0/24",
        service_address="10.96.0.1",
    )


def _start(paths: ClusterPaths, controllers: Sequence[str]) -> tuple[ControlPlane, list[Process]]:
    paths.make_empty()
    plane = _plane(paths)
    plane.write_files(Authority(paths.pki))
    started: list[Process] = []
    service_accounts = "serviceaccount-controller" in controllers or "*" in controllers
    try:
        for name, command in (
            ("etcd", plane.etcd()),
            ("kube-apiserver", plane.apiserver(service_accounts=service_accounts)),
        ):
            started.append(spawn(name, command, paths.log(name)))
        wait_ready(started[-1], plane.answers)
        if controllers:
            name, port = "kube-controller-manager", _free_ports(1)[0]
            started.append(spawn(name, plane.controller_manager(controllers, secure_port=port), paths.log(name)))
    except BaseException:
        _stop(started)
        raise
    return plane, started


def _stop(processes: Sequence[Process]) -> None:
    for process in reversed(processes):
        # Nothing of it is kept, so there is nothing to flush.
        process.stop(grace=0)


@contextmanager
def control_plane(*, controllers: Sequence[str] = (), say: Say = say_on_stdout) -> Iterator[ApiHandle]:
    """A fresh, empty API server.

    Args:
        controllers: which of kube-controller-manager's to run with it, such as `garbage-collector-controller`,
            `namespace-controller`, `serviceaccount-controller`; none by default.
        say: told what is built when the programs are not in the cache yet.
    """
    programs.build_all(programs.CONTROL_PLANE_FAMILIES, say)
    folder = Path(tempfile.mkdtemp(prefix="imagebuild-plane-", dir=_memory_folder()))
    paths = ClusterPaths(folder)
    try:
        plane, processes = _start_somehow(paths, controllers)
        try:
            yield ApiHandle(paths=paths, url=plane.url, processes=ProcessTable(processes))
        finally:
            _stop(processes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start_somehow(paths: ClusterPaths, controllers: Sequence[str]) -> tuple[ControlPlane, list[Process]]:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _start(paths, controllers)
        except ClusterError as error:
            taken = any(
                "address already in use" in file.read_text(errors="replace") for file in paths.logs.glob("*.log")
            )
            if not taken or attempt == ATTEMPTS:
                raise ClusterError(f"{error}\n{paths_tail(paths)}") from error
    raise AssertionError("unreachable")


def paths_tail(paths: ClusterPaths) -> str:
    file = paths.log("etcd")
    return Process("etcd", 0, "", file).tail()
