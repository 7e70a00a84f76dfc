"""What a registry of the cluster was asked for, by its own access log."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.cluster.handle import ClusterHandle
from tests.cluster.registry import Registry

# What was found, in Apache's combined format; the log holds lines of other kinds, too.
_LINE = re.compile(r'"GET (?P<path>\S+) HTTP/[\d.]+" 200 \d+ "[^"]*" "(?P<client>[^"]*)"')
# How the executor pulls: crane names itself before the library.
_EXECUTOR = ("kaniko/", "go-containerregistry/")


@dataclass(frozen=True)
class AccessLog:
    """The log of one registry from `start` on, in bytes."""

    file: Path
    start: int

    @classmethod
    def from_now(cls, cluster: ClusterHandle, registry: Registry) -> Self:
        file = cluster.paths.log(f"registry-{registry.name}")
        return cls(file, file.stat().st_size)

    def served(self, repository: str) -> list[str]:
        """What executors were given of a repository, by its path in the registry: `manifests/1`, `blobs/sha256:…`."""
        with self.file.open("rb") as log:
            log.seek(self.start)
            lines = map(_LINE.search, log.read().decode().splitlines())
        prefix = f"/v2/{repository}/"
        given = [line["path"] for line in lines if line and line["client"].startswith(_EXECUTOR)]
        return [path.removeprefix(prefix) for path in given if path.startswith(prefix)]
