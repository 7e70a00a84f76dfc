"""The scripts of the documentation that wait for a build: each ends with what the build's status says, or in time."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cluster.handle import ApiHandle
from tests.cluster.programs import program
from tests.cluster.settings import CHECKOUT
from tests.integration.imagebuilds import ImageBuilds, minimal

pytestmark = pytest.mark.integration

TOKEN: Final = "again"
BLOCK: Final = re.compile(r"^```(?:ba)?sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPTS: Final = [
    (str(page.relative_to(CHECKOUT)), script)
    for page in sorted(CHECKOUT.joinpath("docs").rglob("*.md"))
    for script in BLOCK.findall(page.read_text())
    if re.search(r"^(while|until) ", script, re.MULTILINE)
]
each_script = pytest.mark.parametrize("script", [script for _, script in SCRIPTS], ids=[page for page, _ in SCRIPTS])


@dataclass(frozen=True)
class Build:
    """The build `web` in a namespace of its own; the test writes its status, and runs scripts beside it."""

    builds: ImageBuilds
    kubeconfig: Path

    def tell(self, phase: str, generation: int = 1) -> None:
        """Say that the run which the script asked for is in this phase."""
        status: dict[str, Any] = {"observedGeneration": generation, "lastHandledRequest": TOKEN, "phase": phase}
        self.builds.apply_status(self.builds.get("web"), status)

    def wait(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script; its token is one that is known, and its hour is a second."""
        known = re.sub(r"^token=.*$", f"token={TOKEN}", script, flags=re.MULTILINE)
        short = known.replace("+ 3600", "+ 1")
        assert short != known
        path = f"{program('kubectl').parent}:{os.environ['PATH']}"
        return subprocess.run(
            # Not bash: what is pasted into a script mostly runs with the system's own shell.
            ["sh", "-c", short],
            # kubectl keeps a cache in the home folder.
            env={"PATH": path, "HOME": str(self.kubeconfig.parent), "KUBECONFIG": str(self.kubeconfig)},
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture(scope="module")
def build(
    control_plane: ApiHandle, new_namespace: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Build:
    builds = ImageBuilds(control_plane, new_namespace("waiting"))
    builds.create(minimal("web"))
    kubeconfig = tmp_path_factory.mktemp("waiting") / "kubeconfig"
    shutil.copy(control_plane.kubeconfig, kubeconfig)
    context = ("config", "set-context", "--current", f"--namespace={builds.namespace}", f"--kubeconfig={kubeconfig}")
    control_plane.kubectl(*context)
    return Build(builds, kubeconfig)


@each_script
@pytest.mark.parametrize(
    ("phase", "code", "words"),
    [
        ("Succeeded", 0, ""),
        ("Failed", 1, ""),
        ("Cancelled", 1, ""),
        ("Suspended", 1, "suspended: it goes on when spec.suspend is false\n"),
        ("Queued", 1, "no result after an hour\n"),
        ("Building", 1, "no result after an hour\n"),
    ],
)
def test_it_ends_as_the_build_does(build: Build, script: str, phase: str, code: int, words: str) -> None:
    build.tell(phase)
    done = build.wait(script)
    assert (done.returncode, done.stderr) == (code, words), done.stdout


def test_the_result_of_an_older_spec_is_none(build: Build) -> None:
    build.tell("Succeeded", generation=0)
    done = build.wait(dict(SCRIPTS)["docs/how-to/failed-builds.md"])
    assert (done.returncode, done.stderr) == (1, "no result after an hour\n")


def test_the_scripts_are_found() -> None:
    assert {page for page, _ in SCRIPTS} >= {"docs/how-to/cancel-suspend-rerun.md", "docs/how-to/failed-builds.md"}
