"""Installs programs of the tests that are written for Node.js, once, into the cache that Go's programs go to.

A folder below `tools/` with a package.json and its lock file is one program; the hash of the two is the key.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .errors import ClusterError
from .locks import locked
from .packages import install
from .programs import TOOLS, Say, say_on_stdout
from .settings import CACHE_FOLDER

FILES = ("package.json", "package-lock.json")


@dataclass(frozen=True)
class NodeProgram:
    """A program; `entry` is the file that node runs, below node_modules."""

    name: str
    entry: str

    @property
    def folder(self) -> Path:
        """Where it is, once it is installed."""
        digest = hashlib.sha256()
        for file in FILES:
            digest.update((TOOLS / self.name / file).read_bytes())
        return CACHE_FOLDER / "bin" / f"{self.name}-{digest.hexdigest()[:16]}"

    def command(self) -> list[str]:
        """How it is run."""
        return ["node", str(self.folder / "node_modules" / self.entry)]


AZURITE = NodeProgram("azurite", "azurite/dist/src/blob/main.js")
GITLAB_CI_LOCAL = NodeProgram("gitlab-ci-local", "gitlab-ci-local/src/index.js")
NODE_PROGRAMS = (AZURITE, GITLAB_CI_LOCAL)


def install_program(program: NodeProgram, say: Say = say_on_stdout) -> None:
    """Install it if need be; a half-installed program is never seen."""
    if program.folder.is_dir():
        return
    lock = CACHE_FOLDER / "bin" / f"{program.name}.lock"
    with locked(lock, say, f"waiting for another process that installs {program.name} …"):
        if program.folder.is_dir():
            return
        # An npm from elsewhere comes with a node of its own, which Debian's would collide with.
        if shutil.which("npm") is None:
            install(("nodejs", "npm"), say)
        say(f"installing {program.name} …")
        scratch = Path(tempfile.mkdtemp(prefix=f".{program.name}-", dir=program.folder.parent))
        try:
            for file in FILES:
                shutil.copy(TOOLS / program.name / file, scratch / file)
            _npm_ci(program, scratch)
            scratch.rename(program.folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _npm_ci(program: NodeProgram, folder: Path) -> None:
    """Install exactly what the lock file names, without running any of its scripts."""
    command = ["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-40:])
        raise ClusterError(f"installing {program.name} failed:\n{tail}")
