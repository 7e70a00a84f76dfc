"""Names of images, as the executor understands them, and those that a Dockerfile names."""

import re
from dataclasses import dataclass
from typing import Final

# go-containerregistry, pkg/name/registry.go: what people call docker.io is known by this name.
DOCKER_HUB: Final = "index.docker.io"
_DOCKER_HUB_ALIASES: Final = frozenset({"docker.io", "registry-1.docker.io", "registry.hub.docker.com", DOCKER_HUB})


@dataclass(frozen=True)
class Repository:
    """A repository, or a folder of them: the registry's host[:port], and the parts of the path there."""

    registry: str
    path: tuple[str, ...]


def registry_host(host: str) -> str:
    """The name under which the executor knows a registry."""
    return DOCKER_HUB if host.lower() in _DOCKER_HUB_ALIASES else host


def repository_of(reference: str) -> Repository:
    """The repository of a reference; tag and digest do not count.

    The first part is a registry only with a dot or a colon in it (go-containerregistry, pkg/name/repository.go); an
    official image of Docker Hub is below library.
    """
    name = reference.partition("@")[0]
    first, slash, rest = name.partition("/")
    host, path = (first, rest) if slash and re.search("[.:]", first) else ("docker.io", name)
    folder, slash, last = path.rpartition("/")
    parts = tuple(part for part in (folder + slash + last.partition(":")[0]).split("/") if part)
    registry = registry_host(host.lower())
    return Repository(registry, ("library", *parts) if registry == DOCKER_HUB and len(parts) == 1 else parts)


def endpoint_of(endpoint: str) -> Repository:
    """The folder of a mirror's endpoint: unlike in a reference, its first part is a host even without a dot."""
    host, _, path = endpoint.partition("/")
    return Repository(registry_host(host.lower()), tuple(part for part in path.split("/") if part))


def without_tag(reference: str) -> str:
    """A reference to push to without its tag: a colon after the last slash starts a tag, one before it a port."""
    head, slash, last = reference.rpartition("/")
    return head + slash + last.partition(":")[0]


_FROM: Final = re.compile(r"\s*(?:ONBUILD\s+)?FROM\s+((?:--\S+\s+)*)(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_TAKEN_FROM: Final = re.compile(r"[\s,]-{0,2}from=[\"']?([^\s,\"']+)", re.IGNORECASE)
# Blanks, but no line breaks: over many empty lines each of them would be tried as the start.
_OTHER_ESCAPE: Final = re.compile(r"^[ \t]*#[ \t]*escape[ \t]*=", re.IGNORECASE | re.MULTILINE)
_CONTINUED: Final = re.compile(r"\\[ \t]*\r?\n(?:[ \t]*#[^\n]*\n)*")


def named_images(dockerfile: str) -> tuple[str, ...] | None:
    """The images that a Dockerfile takes anything from; None if variables, or another escape character, hide them.

    Rather one too many (the name of a stage) than one too few.
    """
    dockerfile = dockerfile.removeprefix("\ufeff")
    if _OTHER_ESCAPE.search(dockerfile):
        return None
    images: list[str] = []
    for line in _CONTINUED.sub(" ", dockerfile).splitlines():
        base = _FROM.match(line)
        images += [base[2]] if base else _TAKEN_FROM.findall(line)
    if any("$" in image for image in images):
        return None
    return tuple(dict.fromkeys(images))
