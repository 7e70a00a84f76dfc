"""Builds that the executor itself fails, a family after the other: which cause each has, and what must be read of it.

The same builds run in the cluster and for the recorder of `tests/corpus`.
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
    """

    name: str
    cause: str
    spec: Spec
    message: str = ""
    hint: str = ""
    exit_code: int = 1
    faults: tuple[JSON, ...] = ()

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


DOCKERFILES = (
    Broken(
        "dockerfile-missing",
        "dockerfile-missing",
        lines("RUN true", dockerfile="nowhere/Dockerfile"),
        r"no Dockerfile where spec\.dockerfile",
        r"^Correct spec\.dockerfile",
    ),
    Broken(
        "dockerfile-syntax",
        "dockerfile-syntax",
        lines("# a comment", "RUNN echo typo"),
        r"^Line 3 of the Dockerfile is wrong: unknown instruction: RUNN",
        r"^Correct line 3 of the Dockerfile\.$",
    ),
    Broken("dockerfile-empty", "dockerfile-empty", only("# nothing"), r"no instructions", r"^Write a FROM"),
    Broken(
        "dockerfile-without-from",
        "dockerfile-without-from",
        only("RUN true", "FROM scratch"),
        r"before its first FROM",
        r"^Begin the Dockerfile with FROM",
    ),
    Broken(
        "dockerfile-unreadable",
        "dockerfile-unreadable",
        lines("ENV NAME"),
        r"cannot be read: ENV must have two arguments",
        r"^Correct the instruction",
    ),
    Broken(
        "stage-unknown",
        "stage-unknown",
        lines("RUN true", target="nowhere"),
        r"no stage nowhere\.",
        r"^Correct spec\.target.*AS nowhere",
    ),
    Broken(
        "copy-from-unknown",
        "copy-from-unknown",
        lines("COPY --from=5 /a /b"),
        r"^COPY --from=5 names no stage",
        r"^Correct --from",
    ),
    Broken(
        "from-empty",
        "from-empty",
        only("ARG BASE", "FROM ${BASE}", "RUN true"),
        r"argument in FROM is empty",
        r"^Give the ARG a default .*spec\.buildArgs",
    ),
    Broken(
        "image-name-invalid",
        "image-name-invalid",
        only("FROM Registry.imb.test:15000/BusyBox", "RUN true"),
        r"^Registry\.imb\.test:15000/BusyBox is neither a stage",
        r"^Correct FROM",
    ),
    Broken(
        "heredoc-unsupported",
        "heredoc-unsupported",
        lines("COPY <<EOF /a", "hello", "EOF"),
        r"does not know COPY or ADD of text",
        r"^Put the text into a file",
    ),
)
INSTRUCTIONS = (
    Broken(
        "copy-target-no-folder",
        "copy-target-no-folder",
        lines("COPY a b /x", more=files(a="a", b="b")),
        r"several files names no folder",
        r"end in a slash",
    ),
    Broken(
        "user-unknown", "user-unknown", lines("USER nobodyhere", "RUN true"), r"no user nobodyhere", r"^Add the user"
    ),
    Broken(
        "chown-unknown",
        "user-unknown",
        lines("COPY --chown=nobodyhere Dockerfile /x"),
        r"no user nobodyhere, whom USER or --chown names",
        r"^Add the user nobodyhere",
    ),
    Broken(
        "group-unknown",
        "group-unknown",
        lines("COPY --chown=root:nogrouphere Dockerfile /x"),
        r"the group nogrouphere",
        r"^Add the group nogrouphere",
    ),
    Broken(
        "mode-invalid", "mode-invalid", lines("COPY --chmod=rwx Dockerfile /x"), r"--chmod=rwx is no", r"octal digits"
    ),
    Broken("signal-unknown", "signal-unknown", lines("STOPSIGNAL NOPE"), r"no signal: NOPE", r"^Correct STOPSIGNAL"),
    Broken(
        "copy-target-is-file",
        "copy-target-is-file",
        lines("COPY Dockerfile /etc/passwd/x"),
        r"put at /etc/passwd/x: a file stands",
        r"^Correct the last argument",
    ),
    Broken(
        "copy-target-mounted",
        "copy-target-mounted",
        staged("RUN ln -s /x /link", "COPY --from=a /link /etc/hosts"),
        r"/etc/hosts, where the Pod has something mounted: device or resource busy",
        r"^Copy it to another path than /etc/hosts",
    ),
    Broken(
        "copy-target-read-only",
        "copy-target-mounted",
        lines("COPY Dockerfile /sys/x"),
        r"/sys/x, where the Pod has something mounted: read-only",
        r"^Copy it to another path than /sys/x",
    ),
    Broken(
        "source-file-missing",
        "source-file-missing",
        lines("COPY missing.txt /"),
        r"no file missing\.txt",
        r"^Put missing\.txt into the source",
    ),
    Broken(
        "source-files-missing",
        "source-file-missing",
        lines("ADD missing.txt Dockerfile /x/"),
        r"no file missing\.txt",
        r"^Put missing\.txt into the source",
    ),
    Broken(
        "stage-file-missing",
        "stage-file-missing",
        staged("RUN true", "COPY --from=a /nothing /b"),
        r"has the file, nor .*: 0/nothing",
        r"^Correct the path in COPY",
    ),
    Broken(
        "copy-from-above",
        "stage-file-missing",
        lines("COPY ../etc/passwd /x"),
        r"nor does it lie in the source: etc/passwd",
        r"no higher than the source",
    ),
    Broken(
        "add-url-missing",
        "add-url-missing",
        lambda place: lines(f"ADD https://{place.faulty('x').partition('/')[0]}/nothing /x")(place),
        r"answered 404 to the download",
        r"^Correct the address in ADD",
    ),
    Broken(
        "add-url-untrusted",
        "add-url-untrusted",
        lines("ADD https://insecure.imb.test:15002/v2/ /x"),
        r"has no certificate, or one that is not trusted: .*HTTP response to HTTPS client",
        r"spec\.registries\.caBundle",
    ),
    Broken(
        "add-url-unreachable",
        "add-url-unreachable",
        lines("ADD http://registry.imb.test:1/x /x", retry={"limit": 0}),
        r"cannot be reached.*connection refused",
        r"^Check the address in ADD",
    ),
)
STEPS = (
    Broken(
        "step-failed",
        "step-failed",
        lines("RUN echo what the step says && exit 7"),
        r"exit code 7: .*exit status 7",
        r"^Mend the step",
        exit_code=7,
    ),
    Broken(
        "step-disk-full",
        "step-failed",
        lines("RUN dd if=/dev/zero of=/dev/shm/x bs=1M count=70"),
        r"exit code 1: ",
        r'The step.s output says "No space left on device": Raise spec\.resources\.limits\.ephemeral-storage',
    ),
    Broken(
        "step-talks-like-kaniko",
        "step-failed",
        lines(
            "RUN echo 'error building image: parsing dockerfile: dockerfile parse error on line 9: no' >&2; "
            "echo 'error pushing image: PUT https://r.example.com/v2/a/manifests/1: DENIED: quota' >&2; exit 3"
        ),
        r"exit code 3: .*exit status 3",
        r"^Mend the step",
        exit_code=3,
    ),
    Broken(
        "step-program-missing",
        "step-program-missing",
        lines("RUN no-such-program --help"),
        r"program that the image does not have",
        r"^Install the program",
        exit_code=127,
    ),
    Broken(
        "step-program-not-executable",
        "step-program-not-executable",
        lines("COPY tool /tool", "RUN /tool", more=files(tool="#!/bin/sh\n")),
        r"cannot be executed",
        r"^Make it executable",
        exit_code=126,
    ),
    Broken(
        "step-killed",
        "step-killed",
        lines("RUN kill -9 $$"),
        r"died of a signal \(killed\)",
        r"^Find out what ended",
        exit_code=255,
    ),
    Broken(
        "shell-missing",
        "shell-missing",
        only("FROM scratch", "COPY Dockerfile /a", "RUN echo x"),
        r"lacks its shell or program: .*fork/exec /bin/sh",
        r"on scratch only COPY",
    ),
    Broken(
        "program-missing",
        "shell-missing",
        lines('RUN ["nowhere"]'),
        r'lacks its shell or program: .*"nowhere"',
        r"^Build on an image that has it",
    ),
    Broken(
        "program-not-executable",
        "program-not-executable",
        lines("COPY tool /tool", 'RUN ["/tool"]', more=files(tool="#!/bin/sh\n")),
        r"/tool, which is not executable",
        r"^Make /tool executable",
    ),
    Broken(
        "wrong-architecture",
        "wrong-architecture",
        lines("COPY --chmod=755 tool /tool", 'RUN ["/tool"]', more=files(tool="no program")),
        r"/tool: it is no program for this node",
        r"^Build on nodes of",
    ),
)
EXECUTORS = (
    Broken(
        "disk-full",
        "disk-full",
        staged("RUN dd if=/dev/zero of=/big bs=1M count=70", "COPY --from=a /big /dev/shm/big"),
        r"disk was full while the executor wrote to it: .*/dev/shm/big",
        r"^Raise spec\.resources\.limits\.ephemeral-storage",
    ),
    Broken(
        "flag-unknown",
        "flag-unknown",
        lines("RUN true", executor={"variant": "osscontainertools", "version": "v1.28.3"}),
        r"does not know the flag --credential-helpers",
        r"^Correct spec\.executor\.variant",
    ),
    Broken(
        "executor-crash",
        "executor-crash",
        only("ARG A=1"),
        r"crashed over an error of its own: runtime error",
        r"^Name another version of the executor",
        exit_code=2,
    ),
)
