"""Builds that fail at a known instruction of their Dockerfile, and steps that print what could be misread."""

from dataclasses import dataclass, field
from typing import Any

from tests.e2e.team import JSON, Team

# What steps print below, and nobody may read in a status.
HIDDEN = "hunter2-xyzzy"
SECRETS = (f"--password {HIDDEN}", f"https://me:{HIDDEN}@example.com/", f"Authorization: Bearer {HIDDEN}")
FAKE_ERROR = "error building image: GET https://registry.example.com/v2/a/manifests/1: UNAUTHORIZED: who are you"
FAKE_PARSER = "error building image: parsing dockerfile: dockerfile parse error on line 1: nothing"
FAKE_STEP = 'time=\\"2026-01-01T00:00:00Z\\" level=info msg=\\"RUN never\\"'

LATER_STEP = FAKE_STEP.replace("RUN never", "RUN echo later")


@dataclass(frozen=True)
class FailingAt:
    """A build whose Dockerfile fails at one place.

    Attributes:
        dockerfile: where $BUSYBOX stands for the base image and $HOST for its registry.
        instruction: that has to be named; none if empty.
        line: that has to be named.
        exit_code: of the build.
        message: words of the message.
        absent: words that are in the log and may not be in the status.
        spec: further members of the spec.
        files: that the context has beside the Dockerfile.
    """

    name: str
    dockerfile: str
    instruction: str
    line: int | None
    exit_code: int = 1
    message: str = ""
    absent: str = ""
    spec: JSON = field(default_factory=dict)
    files: tuple[str, ...] = ()

    def text(self, team: Team) -> str:
        host = team.cluster.registry.host
        return self.dockerfile.replace("$BUSYBOX", team.busybox).replace("$HOST", f"{host}/{team.namespace}")

    def expected(self, team: Team) -> str:
        return " ".join(FailingAt(self.name, self.instruction, "", None).text(team).split())

    def manifest(self, team: Team, source: JSON | None = None, **spec: Any) -> JSON:
        files = [{"path": "Dockerfile", "content": self.text(team)}]
        files += [{"path": name, "content": name} for name in self.files]
        members = {"retry": {"limit": 0}, **self.spec, **spec}
        return team.manifest(self.name, source or {"inline": {"files": files}}, **members)

    def __str__(self) -> str:
        return self.name


def said(*words: str) -> str:
    return "RUN " + "; ".join(f'echo "{line}"' for line in words)


# Where what counts is what an executor says of its progress: each of them does it with each executor.
PLACES = (
    FailingAt(
        "second-step", "FROM $BUSYBOX\nRUN echo one\n# note\nRUN echo two && exit 7\n", "RUN echo two && exit 7", 4, 7
    ),
    FailingAt(
        "continued-with-crlf",
        "FROM $BUSYBOX\r\nRUN echo a \\\r\n  # note\r\n\r\n  && echo b\r\nRUN echo c \\\r\n    && exit 3\r\n",
        "RUN echo c && exit 3",
        6,
        3,
    ),
    FailingAt(
        "same-in-two-stages",
        "FROM $BUSYBOX AS one\nRUN touch /flag\nRUN ls /flag\n\n"
        "FROM $BUSYBOX\nCOPY --from=one /flag /other\nRUN ls /flag\n",
        "RUN ls /flag",
        7,
    ),
    FailingAt(
        "same-twice",
        "FROM $BUSYBOX\nENV a=b\nRUN mkdir /once\nRUN mkdir /once\n",
        "RUN mkdir /once",
        4,
    ),
    FailingAt("missing-file", "FROM $BUSYBOX\nRUN true\nCOPY no-such-file /\n", "COPY no-such-file /", 3),
    FailingAt("missing-file-first", "FROM $BUSYBOX\n\nCOPY no-such-file /\nRUN true\n", "COPY no-such-file /", 3),
    FailingAt(
        "missing-file-of-a-cached-build",
        "FROM $BUSYBOX\nRUN true\nCOPY a no-such-file /\nCOPY a /\n",
        "COPY a no-such-file /",
        3,
        spec={"cache": {"repository": "$HOST/cache"}},
        files=("a",),
    ),
    FailingAt("unknown-instruction", "FROM $BUSYBOX\n\nRUNN true\n", "RUNN true", 3),
    FailingAt("missing-base", "FROM $BUSYBOX\nRUN true\nFROM $HOST/none:1 AS last\n", "FROM $HOST/none:1 AS last", 3),
    FailingAt(
        "missing-base-of-an-argument",
        "ARG VERSION=none\nFROM $BUSYBOX\nFROM $HOST/busybox:${VERSION}\n",
        "FROM $HOST/busybox:${VERSION}",
        3,
    ),
    FailingAt("other-escape", "# escape=`\nFROM $BUSYBOX\nRUN echo a `\n && exit 4\n", "RUN echo a && exit 4", 3, 4),
    FailingAt("here-document", "FROM $BUSYBOX\nRUN cat <<EOF\nRUN never\nEOF\nRUN exit 5\n", "RUN exit 5", 5, 5),
    FailingAt("variables-stay", "FROM $BUSYBOX\nARG code=6\nENV v=w\nRUN exit $code\n", "RUN exit $code", 4, 6),
    FailingAt("unknown-user", "FROM $BUSYBOX\nUSER nobody-here\nRUN true\n", "RUN true", 3),
    FailingAt("no-such-program", 'FROM $BUSYBOX\nRUN ["no-such-program"]\n', 'RUN ["no-such-program"]', 2),
    FailingAt("brought-by-the-base", "FROM $HOST/trigger:1\nRUN true\n", "RUN exit 9", None, 9),
    FailingAt(
        # The executor pushes a layer to the cache while the next step runs, and drops that when the step fails.
        "in-the-cache",
        "FROM $BUSYBOX\nRUN date > /when\nRUN sleep 8 && exit 3\n",
        "RUN sleep 8 && exit 3",
        3,
        3,
        spec={"cache": {"repository": "$HOST/cache"}},
    ),
    FailingAt(
        "many-words",
        "FROM $BUSYBOX\nRUN true\nRUN exit 8\n",
        "RUN exit 8",
        3,
        8,
        spec={"executor": {"verbosity": "debug"}},
    ),
    FailingAt(
        "out-of-time",
        "FROM $BUSYBOX\nRUN true\nRUN sleep 120\n",
        "RUN sleep 120",
        3,
        2,
        message="did not end within spec.timeout",
        spec={"timeout": "25s"},
    ),
)

# Where what counts is what a step printed.
PRINTED = (
    FailingAt(
        "prints-an-error-of-the-registry",
        f"FROM $BUSYBOX\n{said(FAKE_ERROR)}; exit 1\n",
        f"{said(FAKE_ERROR)}; exit 1",
        2,
        1,
        message="A RUN step ended with exit code 1.",
    ),
    FailingAt(
        "prints-errors-and-steps",
        f"FROM $BUSYBOX\nRUN true\n{said(FAKE_STEP, FAKE_PARSER)}; exit 7\n",
        f"{said(FAKE_STEP, FAKE_PARSER)}; exit 7",
        3,
        7,
        message="A RUN step ended with exit code 7.",
    ),
    FailingAt(
        "prints-a-later-step",
        f"FROM $BUSYBOX\n{said(LATER_STEP)}; exit 15\nRUN echo later\n",
        f"{said(LATER_STEP)}; exit 15",
        2,
        15,
        message="A RUN step ended with exit code 15.",
    ),
    FailingAt(
        "dies-in-a-colour",
        "FROM $BUSYBOX\nRUN printf '\\033[1;3' && exit 16\n",
        "RUN printf '\\033[1;3' && exit 16",
        2,
        16,
        message="A RUN step ended with exit code 16.",
        absent="\x1b",
    ),
    FailingAt(
        "prints-a-usage-text",
        f"FROM $BUSYBOX\n{said('Error: unknown flag: --x', 'Usage:', '  executor [flags]')}; exit 9\n",
        f"{said('Error: unknown flag: --x', 'Usage:', '  executor [flags]')}; exit 9",
        2,
        9,
        message="A RUN step ended with exit code 9.",
    ),
    FailingAt(
        "ends-without-a-newline",
        "FROM $BUSYBOX\nRUN printf 'no end of a line' && exit 8\n",
        "RUN printf 'no end of a line' && exit 8",
        2,
        8,
        message="A RUN step ended with exit code 8.",
    ),
    FailingAt(
        "prints-in-colours",
        "FROM $BUSYBOX\nRUN printf '\\033[31mred\\033[0m \\033]0;title\\007and\\b\\n' && exit 2\n",
        "RUN printf '\\033[31mred\\033[0m \\033]0;title\\007and\\b\\n' && exit 2",
        2,
        2,
        message="A RUN step ended with exit code 2.",
        absent="\x1b",
    ),
    FailingAt(
        "prints-a-line-of-a-megabyte",
        "FROM $BUSYBOX\nRUN head -c 1000000 /dev/zero | tr '\\0' x && exit 11\n",
        "RUN head -c 1000000 /dev/zero | tr '\\0' x && exit 11",
        2,
        11,
        message="A RUN step ended with exit code 11.",
        absent="x" * 500,
    ),
    FailingAt(
        "prints-garbage",
        "FROM $BUSYBOX\nRUN head -c 300000 /dev/urandom && exit 12\n",
        "RUN head -c 300000 /dev/urandom && exit 12",
        2,
        12,
        message="A RUN step ended with exit code 12.",
        absent="\x00",
    ),
    FailingAt(
        "prints-a-hundred-megabytes",
        "FROM $BUSYBOX\nRUN yes 0123456789012345678901234567890123456789 | head -c 100000000 && exit 13\n",
        "",
        None,
        13,
        message="A RUN step ended with exit code 13.",
    ),
    FailingAt(
        "prints-credentials",
        f"FROM $BUSYBOX\n{said(*SECRETS)}; exit 14\n",
        "",
        2,
        14,
        message="A RUN step ended with exit code 14.",
        absent=HIDDEN,
    ),
)
