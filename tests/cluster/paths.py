"""Where a cluster keeps its files."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ClusterPaths:
    """The state folder: logs, certificates, configuration and data of one cluster."""

    state: Path

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def config(self) -> Path:
        return self.state / "config"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.logs / "audit.log"

    @property
    def etcd(self) -> Path:
        return self.state / "etcd"

    @property
    def registry(self) -> Path:
        return self.state / "registry"

    @property
    def git(self) -> Path:
        return self.state / "git"

    @property
    def ca(self) -> Path:
        """The cluster's CA, which signs the registries and the git server too; in no system trust store."""
        return self.pki / "ca.crt"

    def log(self, process: str) -> Path:
        return self.logs / f"{process}.log"

    def make_empty(self) -> None:
        """Start clean: nothing of an earlier cluster, its log files included, may be read as this one's."""
        for folder in (self.logs, self.pki, self.config, self.etcd, self.registry, self.git):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self.kubeconfig.unlink(missing_ok=True)
        self.pki.chmod(0o700)
