"""The recorded logs, as files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagebuild_operator.core.executor_log import without_usage
from tests.e2e import broken_dockerfiles, broken_registries, broken_steps
from tests.e2e.broken_builds import Broken

FOLDER: Final = Path(__file__).parent
# Those that the tests' cluster has, and their versions.
EXECUTORS: Final = {"chainguard": "v1.25.16", "google": "v1.24.0"}
# What is kept of kaniko's usage.
USAGE: Final = "\nUsage:\n  executor [flags]\n"
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z")
_EXIT_CODE: Final = re.compile(r"exit code ([0-9]+)\n")


@dataclass(frozen=True)
class Recorded:
    """The log of one build with one executor."""

    executor: str
    build: str
    exit_code: int
    log: str

    def write(self) -> None:
        """Keep it without kaniko's usage; the times in it, which differ with each run, all become one."""
        log = without_usage(self.log)
        if log != self.log:
            log += USAGE
        file = FOLDER / self.executor / f"{self.build}.log"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"exit code {self.exit_code}\n{_TIME.sub('2026-01-01T00:00:00Z', log)}")

    def __str__(self) -> str:
        return f"{self.executor}-{self.build}"


def cases() -> tuple[Broken, ...]:
    """Every build that is recorded."""
    return (
        *broken_dockerfiles.DOCKERFILES,
        *broken_dockerfiles.INSTRUCTIONS,
        *broken_steps.STEPS,
        *broken_steps.EXECUTORS,
        *broken_registries.REGISTRIES,
        *broken_registries.ANSWERS,
        *broken_registries.PROXIES,
    )


def recorded() -> Iterator[Recorded]:
    """Every log there is."""
    for file in sorted(FOLDER.glob("*/*.log")):
        content = file.read_text()
        head = _EXIT_CODE.match(content)
        assert head, f"{file} does not begin with an exit code"
        yield Recorded(file.parent.name, file.stem, int(head[1]), content[head.end() :])
