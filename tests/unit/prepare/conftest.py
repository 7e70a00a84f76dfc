import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import sshserver
from tests.cluster.packages import install
from tests.unit.prepare.git_server import GitServer, Remote
from tests.unit.prepare.loopback import serving


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """A repository with one commit on main."""
    remote = Remote.create(tmp_path)
    remote.commit({"Dockerfile": "FROM scratch\n", "services/web/app.py": "print('web')\n"})
    return remote


@pytest.fixture
def server(tmp_path: Path, remote: Remote) -> Iterator[GitServer]:
    with serving(GitServer(tmp_path / "served")) as server:
        yield server


@pytest.fixture(scope="session")
def git_tools() -> None:
    """The ssh server and git-lfs, which few machines have."""
    missing = {"openssh-server": sshserver.PROGRAM, "git-lfs": "git-lfs"}
    if packages := [package for package, program in missing.items() if shutil.which(program) is None]:
        install(packages)
