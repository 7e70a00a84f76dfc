"""A repository of 1 GiB, by hand (`make soak`): it is fetched by an init container that has 256 MiB."""

import os
import subprocess
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.cluster.handle import ClusterHandle
from tests.e2e.team import Team

FOLDERS, FILES, BYTES = 8, 128, 1 << 20
SECONDS = 900.0

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS + 600)]


@pytest.fixture
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "large")
    yield space
    space.delete()


def test_a_gibibyte_is_fetched_in_a_quarter_of_it(team: Team) -> None:
    name = f"public/{team.namespace}"
    team.cluster.git.create(name, {"Dockerfile": team.dockerfile("COPY Dockerfile d7/f127 /last/")})
    # Random files have nothing in common: looking for that would keep the server busy for minutes.
    command = ["git", "-C", str(team.cluster.git.folder(name)), "config", "pack.window", "0"]
    subprocess.run(command, check=True)
    for folder in range(FOLDERS):
        files = {f"d{folder}/f{file}": os.urandom(BYTES) for file in range(FILES)}
        team.cluster.git.commit(name, files, f"Folder {folder}")
    team.apply(team.manifest("large", team.git(name), timeout="20m"))
    status = team.result("large", SECONDS)
    assert status["phase"] == "Succeeded", status
    assert status["run"]["attempt"] == 1
    [pod] = team.pods("large")
    [prepare] = pod["spec"]["initContainers"]
    assert prepare["resources"]["limits"]["memory"] == "256Mi"
    [ended] = pod["status"]["initContainerStatuses"]
    assert ended["restartCount"] == 0
    fetched = ended["state"]["terminated"]
    began, ended_at = (datetime.fromisoformat(fetched[name]) for name in ("startedAt", "finishedAt"))
    print(f"1 GiB in {FOLDERS * FILES} files: fetched in {(ended_at - began).total_seconds():.0f} s with 256 MiB.")  # noqa: T201
