"""Runs real executors without a cluster: each in a root of its own, against registries on loopback.

`python -m tests.corpus.record` starts itself anew within network, mount and process namespaces; nothing of this is
seen outside of them. The registries are those of the cluster, with the same names, ports and logins.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import registry as registries
from tests.cluster import settings
from tests.cluster.certificates import Authority
from tests.cluster.control_plane import https_answers
from tests.cluster.faulty import FAULTY, proxy_command
from tests.cluster.images import BUSYBOX_IMAGE
from tests.cluster.paths import ClusterPaths
from tests.cluster.programs import CRANE
from tests.cluster.registry import INSECURE, REGISTRY, docker_config

MARKER = "IMAGEBUILD_RECORDING"
SECONDS = 60
# Enough for the executor, a base image and the layers of these builds.
ROOT_SIZE = "600m"
# As containerd makes it for every Pod.
SHARED_MEMORY_SIZE = "64m"
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


@dataclass(frozen=True)
class Ending:
    """How an executor ended."""

    exit_code: int
    log: str
    message: str


def enter() -> None:
    """Start this program anew in namespaces of its own, unless that was done; does not return then."""
    if MARKER in os.environ:
        return
    unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.environ[MARKER] = "yes"
    os.execvp(unshare[0], [*unshare, sys.executable, "-m", "tests.corpus.record", *sys.argv[1:]])


class Sandbox:
    """The registries, and a place for roots."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = ClusterPaths(folder / "state")
        self.faults = folder / "faults.json"

    @property
    def busybox(self) -> str:
        return REGISTRY.image("busybox")

    def faulty(self, name: str) -> str:
        return FAULTY.image(name, "1")

    def fail(self, *faults: Mapping[str, object]) -> None:
        """Meet requests to the registry with troubles with these."""
        self.faults.write_text(json.dumps(faults))

    def run(
        self, executor: Path, arguments: list[str], files: Mapping[str, str], variables: Mapping[str, str]
    ) -> Ending:
        """Run the executor of an OCI layout on a context of these files, with these variables beside its own."""
        with self._root(executor) as root:
            for path, content in files.items():
                file = root / "kaniko/ctx" / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
            environment = {
                "HOME": "/root",
                "PATH": "/usr/local/bin:/kaniko",
                "SSL_CERT_DIR": "/kaniko/ssl/certs",
                "DOCKER_CONFIG": "/kaniko/.docker/",
                "container": "kube",
                **variables,
            }
            inside = [_program("unshare"), "--pid", "--fork", "--kill-child", _program("chroot"), str(root)]
            command = [*inside, "/kaniko/executor", *arguments]
            result = subprocess.run(command, env=environment, capture_output=True, timeout=SECONDS)
            log = (result.stdout + result.stderr).decode(errors="replace")
            return Ending(result.returncode, log, (root / "dev/termination-log").read_text(errors="replace"))

    @contextlib.contextmanager
    def _root(self, executor: Path) -> Iterator[Path]:
        root = self.folder / "root"
        root.mkdir()
        mounted = [root]
        _mount("-t", "tmpfs", "-o", f"size={ROOT_SIZE}", "tmpfs", str(root))
        try:
            with tarfile.open(_layer(executor)) as layer:
                layer.extractall(root, filter="tar")
            for name in ("proc", "dev", "sys", "kaniko/ctx", "root"):
                (root / name).mkdir(parents=True, exist_ok=True)
            _mount("-t", "proc", "proc", str(root / "proc"))
            mounted.append(root / "proc")
            _mount("-t", "sysfs", "-o", "ro", "sysfs", str(root / "sys"))
            mounted.append(root / "sys")
            _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(root / "dev"))
            mounted.append(root / "dev")
            for device in DEVICES:
                (root / "dev" / device).touch()
                _mount("--bind", f"/dev/{device}", str(root / "dev" / device))
                mounted.append(root / "dev" / device)
            (root / "dev/shm").mkdir()
            _mount("-t", "tmpfs", "-o", f"size={SHARED_MEMORY_SIZE}", "tmpfs", str(root / "dev/shm"))
            mounted.append(root / "dev/shm")
            (root / "dev/termination-log").touch()
            names = " ".join((settings.REGISTRY_HOST, settings.INSECURE_HOST))
            for name, content in (("hosts", f"{settings.NODE_ADDRESS} {names}\n"), ("resolv.conf", "")):
                source = self.folder / name
                source.write_text(content)
                (root / "etc" / name).touch()
                _mount("--bind", str(source), str(root / "etc" / name))
                mounted.append(root / "etc" / name)
            (root / "kaniko/.docker/config.json").write_text(docker_config(REGISTRY, FAULTY))
            shutil.copy(self.paths.ca, root / "kaniko/ssl/certs/imagebuild-ca.crt")
            yield root
        finally:
            for place in reversed(mounted):
                subprocess.run(["umount", "--lazy", str(place)], check=True)
            root.rmdir()


@contextlib.contextmanager
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """Registries that hold busybox, until the end."""
    place = Sandbox(folder)
    place.paths.make_empty()
    for setting in ("link set lo up", f"address add {settings.NODE_ADDRESS}/32 dev lo"):
        subprocess.run(["ip", *setting.split()], check=True)
    names = (settings.REGISTRY_HOST, settings.NODE_ADDRESS)
    server = Authority(place.paths.pki).issue("servers", "servers", names=names)
    registries.write_files(place.paths, server)
    place.fail()
    commands = [each.command(place.paths) for each in (REGISTRY, INSECURE)]
    commands.append(proxy_command(place.paths, settings.FAULTY_PORT, place.faults))
    servers = []
    for number, command in enumerate(commands):
        log = (folder / f"server-{number}.log").open("wb")
        servers.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
    try:
        for each in (REGISTRY, FAULTY):
            _wait(each.url, place.paths.ca)
        _push_busybox(place)
        yield place
    finally:
        for process in servers:
            process.kill()
            process.wait()


def _wait(url: str, ca: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not https_answers(f"{url}/v2/", ca, expected=(401,)):
        assert time.monotonic() < deadline, f"{url} does not answer"
        time.sleep(0.1)


def _push_busybox(place: Sandbox) -> None:
    login = place.folder / "docker"
    login.mkdir()
    address = f"{settings.NODE_ADDRESS}:{REGISTRY.port}"
    config = json.loads(docker_config(REGISTRY))
    (login / "config.json").write_text(json.dumps({"auths": {address: config["auths"][REGISTRY.host]}}))
    environment = {**os.environ, "DOCKER_CONFIG": str(login), "SSL_CERT_FILE": str(place.paths.ca)}
    command = [str(CRANE.binaries / "crane"), "push", str(BUSYBOX_IMAGE.make()), f"{address}/busybox:latest"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def _layer(layout: Path) -> Path:
    """The one layer of an image in the cache (OCI image specification, image-layout.md)."""

    def blob(digest: str) -> Path:
        return layout / "blobs" / digest.replace(":", "/")

    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    return blob(manifest["layers"][0]["digest"])


def _program(name: str) -> str:
    """Its path here: the executor's environment has another PATH."""
    found = shutil.which(name)
    assert found is not None, f"{name} is not installed"
    return found


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)
