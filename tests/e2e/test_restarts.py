"""The operator dies, and dies again, while builds run: every image is built once, and told of rightly."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.operator_process import kill, operator_processes, replace_pod, until_ready
from tests.e2e.team import FINISHED, Team

BUILDS = 20
KILLS = 10
AT_ONCE = 6


@pytest.fixture
def team(team: Team) -> Iterator[Team]:
    """A namespace of its own, and an operator that is ready again afterwards."""
    yield team
    until_ready(team.cluster)


def unfinished(team: Team) -> int:
    return sum(status["phase"] not in FINISHED for status in team.builds().values())


def created_pods(team: Team) -> list[str]:
    """Names of all Pods that were ever made in the namespace, by anybody."""
    return [
        entry["objectRef"]["name"]
        for entry in team.cluster.audit_entries(team.since)
        if entry["verb"] == "create"
        and entry.get("objectRef", {}).get("namespace") == team.namespace
        and (entry["objectRef"]["resource"], entry["objectRef"].get("subresource")) == ("pods", None)
        and entry["responseStatus"]["code"] == 201
    ]


def test_twenty_builds_outlive_ten_hard_kills(team: Team) -> None:
    manifests = [team.manifest(f"build-{n}", team.inline(f"RUN echo {n} >/number")) for n in range(BUILDS)]
    share = BUILDS // KILLS
    killed: set[int] = set()
    with ThreadPoolExecutor(max_workers=1) as pool:
        for turn in range(KILLS):
            team.until(lambda: unfinished(team) <= AT_ONCE - share and bool(operator_processes() - killed), "room")
            victims = operator_processes()
            applied = pool.submit(team.apply, *manifests[turn * share : (turn + 1) * share])
            # Each time another moment of a build's first steps: its record, its Pod, the kubelet's first words.
            time.sleep(0.1 + turn * 0.06)
            kill(victims)
            killed.update(victims)
            replace_pod(team.cluster)
            applied.result()
    assert len(killed) >= KILLS
    team.until(lambda: unfinished(team) == 0, "end of all builds")
    assert_each_was_built_once(team)


def assert_each_was_built_once(team: Team) -> None:
    builds = team.builds()
    assert len(builds) == BUILDS
    assert {(status["phase"], status["run"]["number"], status["run"]["attempt"]) for status in builds.values()} == {
        ("Succeeded", 1, 1)
    }
    digests = {name: team.digest(team.image(name)) for name in builds}
    assert {name: status["digest"] for name, status in builds.items()} == digests
    assert len(set(digests.values())) == BUILDS
    pods = created_pods(team)
    assert len(pods) == BUILDS
    assert set(pods) == {status["run"]["podName"] for status in builds.values()}
