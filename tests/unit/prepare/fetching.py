"""One go of the init container with a git source, and the folders it finds and leaves."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imagebuild_operator.pod.prepared import Prepared, PrepareFailure
from imagebuild_operator.pod.source_plans import GitPlan, SourceSecret
from imagebuild_operator.prepare import git_remote
from imagebuild_operator.prepare.git import fetch_source, git_client
from imagebuild_operator.prepare.git_client import GitClient
from imagebuild_operator.prepare.ground import Ground
from imagebuild_operator.prepare.result import PrepareError


@dataclass
class Fetch:
    """What is fetched and how; the pauses between tries are counted instead of waited for."""

    tmp_path: Path
    url: str
    login: SourceSecret | None = None
    submodules: bool = False
    lfs: bool = False
    pauses: list[float] = field(default_factory=list)
    stall_seconds: int = 120
    protocols: str = "http"

    @property
    def context(self) -> Path:
        return self.tmp_path / "context"

    @property
    def scratch(self) -> Path:
        return self.tmp_path / "scratch"

    def client(self) -> AbstractContextManager[GitClient]:
        remote = git_remote.Remote(self.url, self.login)
        ground = Ground(self.context, self.scratch, protocols=self.protocols)
        return git_client(remote, ground, stall_seconds=self.stall_seconds)

    def __call__(self, revision: str | None = None) -> Prepared:
        plan = GitPlan(url=self.url, revision=revision, login=self.login, submodules=self.submodules, lfs=self.lfs)
        with self.client() as client:
            return fetch_source(plan, client, pause=self.pauses.append)

    def failure(self, revision: str | None = None) -> PrepareFailure:
        with pytest.raises(PrepareError) as caught:
            self(revision)
        return caught.value.failure

    def files(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.context))
            for path in self.context.rglob("*")
            if path.is_symlink() or path.is_file()
        )


def write_login(tmp_path: Path, **values: str) -> SourceSecret:
    """A Secret as it is mounted: a file for each key."""
    folder = tmp_path / "login"
    folder.mkdir()
    for key, value in values.items():
        (folder / key).write_text(value)
    return SourceSecret(secret="git-login", folder=folder)
