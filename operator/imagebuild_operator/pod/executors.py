"""Which flags an executor knows: by whose build of kaniko it is, and by its version.

Google's repository ended with v1.24.0; osscontainertools and chainguard continue its version numbers, so that one
version says for all three since when a flag has been there. Source: cmd/executor/cmd/root.go and CHANGELOG.md of each.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Version = tuple[int, int, int]

ALL: Final = frozenset({"osscontainertools", "chainguard", "google"})
_FIRST: Final[Version] = (0, 0, 0)

_VERSION: Final = re.compile(r"v?([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})(?![0-9.])")


def _everywhere(since: Version = _FIRST) -> Mapping[str, Version]:
    """Google's had it, so the two that continue it have it, too."""
    return dict.fromkeys(ALL, since)


# By whose executor it is, since when; an executor that is not named never got the flag.
FLAGS: Final[Mapping[str, Mapping[str, Version]]] = {
    "annotation": {"osscontainertools": (1, 25, 3), "chainguard": (1, 25, 1)},
    "build-arg": _everywhere(),
    "cache": _everywhere((0, 4, 0)),
    "cache-copy-layers": _everywhere((1, 4, 0)),
    "cache-dir": _everywhere((0, 5, 0)),
    "cache-repo": _everywhere((0, 4, 0)),
    "cache-run-layers": _everywhere((1, 9, 0)),
    "cache-ttl": _everywhere((0, 8, 0)),
    "compressed-caching": _everywhere((1, 7, 0)),
    "compression": _everywhere((1, 10, 0)),
    "compression-level": _everywhere((1, 10, 0)),
    "context": _everywhere(),
    "credential-helpers": {"osscontainertools": (1, 25, 2)},
    "custom-platform": _everywhere((1, 9, 1)),
    "destination": _everywhere(),
    "digest-file": _everywhere((0, 10, 0)),
    "dockerfile": _everywhere(),
    "ignore-path": _everywhere((1, 6, 0)),
    "ignore-var-run": _everywhere((1, 7, 0)),
    "image-download-retry": _everywhere((1, 19, 0)),
    "image-format": {"osscontainertools": (1, 28, 1)},
    "image-fs-extract-retry": _everywhere((1, 7, 0)),
    "insecure-registry": _everywhere((0, 8, 0)),
    "label": _everywhere((0, 19, 0)),
    "log-format": _everywhere((0, 18, 0)),
    "no-push": _everywhere((0, 4, 0)),
    "no-push-cache": _everywhere((1, 9, 0)),
    "push-retry": _everywhere((1, 5, 1)),
    "registry-map": _everywhere((1, 21, 0)),
    "reproducible": _everywhere((0, 2, 0)),
    "secret": {"osscontainertools": (1, 26, 3)},
    "single-snapshot": _everywhere((0, 2, 0)),
    "skip-default-registry-fallback": _everywhere((1, 13, 0)),
    "skip-push-permission-check": _everywhere((1, 14, 0)),
    "skip-tls-verify-registry": _everywhere((0, 8, 0)),
    "snapshot-mode": _everywhere((1, 9, 1)),
    "target": _everywhere((0, 3, 0)),
    "use-new-run": _everywhere((0, 24, 0)),
    "verbosity": _everywhere(),
}


@dataclass(frozen=True)
class Executor:
    """An executor as far as its flags go; None where a thing is not known."""

    variant: str | None
    version: Version | None

    def knows(self, flag: str) -> bool:
        """Whether the flag may be passed; one that is not in the table is taken to be known.

        An unknown variant knows what all three know; an unknown version is taken for the newest.
        """
        since = FLAGS.get(flag)
        if since is None:
            return True
        mine = since.get(self.variant) if self.variant else None
        first = mine if self.variant in ALL or since.keys() != ALL else max(since.values())
        return first is not None and (self.version is None or self.version >= first)

    def __str__(self) -> str:
        """For people, e.g. `chainguard v1.25.16`."""
        version = f" {written(self.version)}" if self.version else ""
        return f"{self.variant if self.variant in ALL else 'of unknown variant'}{version}"


def written(version: Version) -> str:
    """As projects write it, e.g. `v1.28.3`."""
    return f"v{'.'.join(map(str, version))}"


def parse_version(text: str) -> Version | None:
    """The three numbers of `v1.28.3`, also with something after them, as in the tag `v1.28.3-debug`."""
    found = _VERSION.match(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def version_of_image(image: str) -> Version | None:
    """The version in an image's tag; None for other tags, such as `latest` or a digest alone."""
    repository, _, _ = image.partition("@")
    _, colon, tag = repository.rpartition("/")[2].rpartition(":")
    return parse_version(tag) if colon else None
