"""What a build that the executor fails is: which cause it has, and what must be read of it.

The builds are in `broken_dockerfiles`, `broken_steps` and `broken_registries`; the same ones run in the cluster and for
the recorder of `tests/corpus`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

JSON = dict[str, Any]
OCI: Final = "application/vnd.oci.image"


class Place(Protocol):
    """Where builds run."""

    @property
    def busybox(self) -> str:
        """The reference of an image with a shell."""

    def faulty(self, name: str) -> str:
        """A reference in the registry with troubles."""


Spec = Callable[[Place], JSON]


@dataclass(frozen=True)
class Broken:
    """A build that cannot succeed.

    Attributes:
        name: of the build.
        cause: id of the row that must be found.
        spec: members of its spec, beside what every build has.
        message: pattern of what must be told.
        hint: the same of what to do.
        exit_code: the executor's.
        faults: what its repository at the registry with troubles meets; the paths are those below it.
        proxy: the operator's settings name for its Pods; a build without one runs in any cluster.
    """

    name: str
    cause: str
    spec: Spec
    message: str = ""
    hint: str = ""
    exit_code: int = 1
    faults: tuple[JSON, ...] = ()
    proxy: str = ""

    def faults_at(self, repository: str) -> list[JSON]:
        """The faults, for requests about this repository only."""
        return [{**fault, "path": f"/{repository}{fault['path']}"} for fault in self.faults]

    def __str__(self) -> str:
        return self.name


def files(**contents: str) -> tuple[JSON, ...]:
    """Files of a source, by name."""
    return tuple({"path": path, "content": content} for path, content in contents.items())


def text(content: Callable[[Place], str], more: tuple[JSON, ...] = (), **spec: Any) -> Spec:
    """A Dockerfile word for word, and more files."""
    return lambda place: {
        "source": {"inline": {"files": [{"path": "Dockerfile", "content": content(place)}, *more]}},
        **spec,
    }


def lines(*instructions: str, more: tuple[JSON, ...] = (), **spec: Any) -> Spec:
    """A Dockerfile with these lines after `FROM busybox`."""
    return text(lambda place: "\n".join((f"FROM {place.busybox}", *instructions)) + "\n", more, **spec)


def only(*instructions: str, **spec: Any) -> Spec:
    """A Dockerfile of these lines alone."""
    return text(lambda _: "\n".join(instructions) + "\n", **spec)


def staged(first: str, last: str) -> Spec:
    """A stage `a` with one line, and a last stage with another."""
    return text(lambda place: f"FROM {place.busybox} AS a\n{first}\nFROM {place.busybox}\n{last}\n")
