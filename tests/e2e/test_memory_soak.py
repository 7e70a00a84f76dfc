"""How much memory large builds need, measured by hand (`make soak`): popular advice is gigabytes."""

import time
from collections.abc import Iterator

import pytest

from tests.cluster.handle import ClusterHandle
from tests.e2e.failing_builds import ONE_ATTEMPT, memory
from tests.e2e.team import Team
from tests.e2e.test_memory import MANY_FILES, RANDOM, build, killed

SECONDS = 1500.0

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS + 300)]


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "much")
    yield space
    space.delete()


@pytest.mark.parametrize(
    ("name", "step", "limit"),
    [
        ("two-gibibytes", RANDOM.format(2048), "64Mi"),
        ("two-hundred-thousand-files", MANY_FILES.format(200000), "256Mi"),
    ],
)
def test_a_large_build_within_little_memory(
    team: Team, name: str, step: str, limit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    team.apply(build(team, name, step, resources=memory(limit), retry=ONE_ATTEMPT, timeout="20m"))
    status = team.result(name, SECONDS)
    with capsys.disabled():
        print(f"\n{name} within {limit}: {status['phase']} after {time.monotonic() - begun:.0f} s")  # noqa: T201
    assert status["phase"] == "Succeeded", status
    assert killed(team, name) == [(0, "Completed")]
    assert status["digest"] == team.digest(team.image(name))
