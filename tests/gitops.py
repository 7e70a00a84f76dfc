"""What Flux and Argo CD make of ImageBuilds, by the code that they run themselves: `tests/cluster/tools/gitops`."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.cluster.programs import GITOPS, build_family

HEALTH_SCRIPT: Final = Path(__file__).resolve().parents[1] / "examples" / "argocd" / "health.lua"


@dataclass(frozen=True)
class Shown:
    """What one of the two makes of a build."""

    status: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """What kstatus says, which Flux waits by, and what our health script says in Argo CD's interpreter."""

    flux: Shown
    argo: Shown


def verdicts(builds: Iterable[dict[str, Any]]) -> list[Verdict]:
    """One for each build, in their order; the program is built first if need be, which takes a minute once."""
    command = [build_family(GITOPS) / "gitops", HEALTH_SCRIPT]
    done = subprocess.run(command, input="\n".join(map(json.dumps, builds)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers = map(json.loads, done.stdout.splitlines())
    return [Verdict(Shown(**answer["flux"]), Shown(**answer["argo"])) for answer in answers]
