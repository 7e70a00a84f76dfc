"""References to images and artifacts, and where their registries are asked."""

import re
from dataclasses import dataclass
from typing import Final

from imagebuild_operator.pod.references import DOCKER_HUB, repository_of

# Where Docker Hub, known by another name, has its API: what docker's own client asks.
_HUB_API: Final = "registry-1.docker.io"

_WANTED: Final = re.compile(r"(?::(?P<tag>[^/:@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?$")


@dataclass(frozen=True)
class ImageReference:
    """[registry/]repository[:tag][@digest], taken apart; the tag is empty where only the digest counts."""

    registry: str
    repository: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        """The repository with its registry, as people write it."""
        return f"{'docker.io' if self.registry == DOCKER_HUB else self.registry}/{self.repository}"

    @property
    def api_host(self) -> str:
        """Host and port of the registry's API."""
        return _HUB_API if self.registry == DOCKER_HUB else self.registry

    @property
    def wanted(self) -> str:
        """What to ask the registry for: the digest, which wins, or the tag."""
        return self.digest or self.tag


def parse_reference(text: str) -> ImageReference:
    """A reference that the schema has let pass."""
    repository = repository_of(text)
    match = _WANTED.search(text)
    tag, digest = (match["tag"] or "", match["digest"] or "") if match else ("", "")
    return ImageReference(repository.registry, "/".join(repository.path), tag or ("" if digest else "latest"), digest)
