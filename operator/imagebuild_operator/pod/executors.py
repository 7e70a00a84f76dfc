"""Which flags an executor knows: by whose build of kaniko it is, and by its version.

Google's repository ended with v1.24.0; osscontainertools and chainguard continue its version numbers, so that one
version says for all three since when a flag has been there. Source: cmd/executor/cmd/root.go and CHANGELOG.md of each.
"""

import re
from dataclasses import dataclass
from typing import Final

Version = tuple[int, int, int]

ALL: Final = frozenset({"osscontainertools", "chainguard", "google"})
_FIRST: Final[Version] = (0, 0, 0)

_VERSION: Final = re.compile(r"v?([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})(?![0-9.])")


@dataclass(frozen=True)
class Flag:
    """Who knows a flag, and since when."""

    since: Version = _FIRST
    variants: frozenset[str] = ALL


FLAGS: Final[dict[str, Flag]] = {
    "build-arg": Flag(),
    "cache": Flag(),
    "cache-copy-layers": Flag((1, 4, 0)),
    "cache-repo": Flag(),
    "cache-run-layers": Flag((1, 9, 0)),
    "cache-ttl": Flag((0, 8, 0)),
    "compressed-caching": Flag((1, 7, 0)),
    "context": Flag(),
    "credential-helpers": Flag((1, 25, 2), frozenset({"osscontainertools"})),
    "destination": Flag(),
    "digest-file": Flag((0, 10, 0)),
    "dockerfile": Flag(),
    "ignore-path": Flag((1, 6, 0)),
    "image-download-retry": Flag((1, 19, 0)),
    "insecure-registry": Flag((0, 8, 0)),
    "label": Flag((0, 19, 0)),
    "log-format": Flag((0, 19, 0)),
    "push-retry": Flag((1, 5, 1)),
    "registry-map": Flag((1, 21, 0)),
    "skip-default-registry-fallback": Flag((1, 13, 0)),
    "skip-tls-verify-registry": Flag((0, 8, 0)),
    "snapshot-mode": Flag((1, 9, 1)),
    "target": Flag((0, 3, 0)),
    "verbosity": Flag(),
}


@dataclass(frozen=True)
class Executor:
    """An executor as far as its flags go; None where a thing is not known."""

    variant: str | None
    version: Version | None

    def knows(self, flag: str) -> bool:
        """Whether the flag may be passed.

        An unknown variant knows what all three know; an unknown version is taken for the newest.
        """
        entry = FLAGS[flag]
        if self.version is not None and self.version < entry.since:
            return False
        return self.variant in entry.variants if self.variant in ALL else entry.variants == ALL


def parse_version(text: str) -> Version | None:
    """The three numbers of `v1.28.3`, also with something after them, as in the tag `v1.28.3-debug`."""
    found = _VERSION.match(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def version_of_image(image: str) -> Version | None:
    """The version in an image's tag; None for other tags, such as `latest` or a digest alone."""
    repository, _, _ = image.partition("@")
    _, colon, tag = repository.rpartition("/")[2].rpartition(":")
    return parse_version(tag) if colon else None
