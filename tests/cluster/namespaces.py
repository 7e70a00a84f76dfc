"""The node's own network and mount namespace.

Everything that a Kubernetes node does to its machine it does in there: bridge, veth pairs, the rules of kube-proxy and
of the CNI plugins, hundreds of mounts, ports. The kernel throws all of it away with the last process, so a cluster
that was killed leaves no rule and no mount behind, and no port of the host can be in its way. kind runs its nodes in
containers for the same reason.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import cgroups
from .errors import ClusterError
from .process import Process, spawn, start_time, wait_until
from .settings import CGROUP

# Folders that programs of a node have compiled in. In the namespace each is an empty tmpfs, so that the host's
# own are neither seen nor written to.
FIXED_FOLDERS = (
    "/run/containerd",
    "/run/mount",
    "/run/netns",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
)


@dataclass(frozen=True)
class Namespaces:
    """The namespaces, kept open by a process that only sleeps."""

    holder: Process

    def command(self, command: Sequence[str], cgroup: str = CGROUP) -> list[str]:
        """Wrap a command to run in the namespaces and in the cluster's cgroup; it keeps the wrapper's pid."""
        join = f'echo 0 > {cgroups.members_file(cgroup)} && exec "$@"'
        enter = ["nsenter", "--target", str(self.holder.pid), "--mount", "--net", "--"]
        return [*enter, "sh", "-c", join, "sh", *command]

    def run(self, *command: str) -> str:
        """Run a short command inside; its words on failure are the message."""
        result = subprocess.run(self.command(command), capture_output=True, text=True)
        if result.returncode != 0:
            raise ClusterError(f"{' '.join(command)}: {(result.stderr or result.stdout).strip()}")
        return result.stdout

    def spawn(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        cgroup: str = CGROUP,
    ) -> Process:
        return spawn(name, self.command(command, cgroup), log, environment=environment)


def open_namespaces(log: Path) -> Namespaces:
    """Unshare network and mounts, and share mounts among what runs inside (the kubelet needs propagation)."""
    join = f"echo 0 > {cgroups.members_file()} && mount --make-rshared / && exec sleep infinity"
    command = ["unshare", "--mount", "--net", "--propagation", "private", "--", "sh", "-c", join]
    holder = spawn("namespaces", command, log)

    def asleep() -> bool:
        return start_time(holder.pid) is None or Path(f"/proc/{holder.pid}/comm").read_text().strip() == "sleep"

    if not wait_until(asleep, 10, pause=0.01) or not holder.alive:
        raise ClusterError(f"The kernel refuses new network and mount namespaces.\n{holder.tail()}")
    return Namespaces(holder)


def missing_fixed_folders() -> list[str]:
    """The fixed folders that the host has not: mount points to make now and to remove at the end."""
    return [folder for folder in FIXED_FOLDERS if not Path(folder).exists()]


def prepare_mounts(namespaces: Namespaces, *, hosts: Path, etcd: Path) -> None:
    """Cover the fixed folders and /etc/hosts, and put etcd's data into memory (its fsyncs are what is slow)."""
    for folder in FIXED_FOLDERS:
        Path(folder).mkdir(parents=True, exist_ok=True)
        namespaces.run("mount", "--no-mtab", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", folder)
    namespaces.run("mount", "--no-mtab", "-t", "tmpfs", "-o", "mode=0700,size=2g", "tmpfs", str(etcd))
    namespaces.run("mount", "--no-mtab", "--bind", str(hosts), "/etc/hosts")
