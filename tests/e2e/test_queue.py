"""With a limit of one running build, builds wait for each other, first come, first served."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import pytest

from tests import installation
from tests.cluster.handle import ClusterHandle
from tests.e2e.exposition import ask_operator, sample
from tests.e2e.team import FINISHED, JSON, Team

# Not in alphabetical order: it is the time of coming that counts.
NAMES = ("third", "first", "fourth", "second")


@pytest.fixture(scope="module")
def one_at_a_time(cluster: ClusterHandle, operator: None, operator_image: tuple[str, str]) -> Iterator[None]:
    installation.install(cluster, operator_image, {"limits": {"maxConcurrentBuilds": 1}})
    yield
    installation.install(cluster, operator_image)


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, one_at_a_time: None) -> Iterator[Team]:
    space = Team.create(cluster, "queue")
    yield space
    space.delete()


@pytest.fixture(scope="module")
def live_pods(team: Team) -> list[int]:
    """Builds that came one after the other, run to their ends; how many live Pods there were at each look."""
    team.apply(team.manifest(NAMES[0], team.inline("RUN sleep 5")))
    team.until_status(NAMES[0], lambda status: status["phase"] == "Building", "start")
    for name in NAMES[1:]:
        team.apply(team.manifest(name))
        team.until_status(name, lambda status: status["phase"] == "Queued", "place in the queue")
    metrics = ask_operator(team.cluster, "/metrics")
    assert sample(metrics, "imagebuild_builds_queued") >= 3
    assert sample(metrics, "imagebuild_builds_active") >= 1
    looks: list[int] = []

    def ended() -> bool:
        looks.append(sum(pod["status"].get("phase") not in FINISHED for pod in team.pods()))
        builds = team.cluster.get("imagebuilds", "-n", team.namespace)["items"]
        return all(build["status"]["phase"] in FINISHED for build in builds)

    team.until(ended, "end of the queue")
    return looks


@pytest.fixture(scope="module")
def statuses(team: Team, live_pods: list[int]) -> dict[str, JSON]:
    return {name: team.status(name) for name in NAMES}


def test_all_are_built(statuses: dict[str, JSON]) -> None:
    assert {name: status["phase"] for name, status in statuses.items()} == dict.fromkeys(NAMES, "Succeeded")
    assert {status["run"]["number"] for status in statuses.values()} == {1}


def test_never_more_than_one_pod_lives(team: Team, live_pods: list[int]) -> None:
    assert max(live_pods) == 1
    pods = sorted(team.pods(), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    assert len(pods) == len(NAMES)
    for earlier, later in pairwise(pods):
        assert ended_at(earlier) <= datetime.fromisoformat(later["metadata"]["creationTimestamp"])


def ended_at(pod: JSON) -> datetime:
    [container] = pod["status"]["containerStatuses"]
    return datetime.fromisoformat(container["state"]["terminated"]["finishedAt"])


def test_the_order_of_their_ends_is_the_order_of_their_coming(statuses: dict[str, JSON]) -> None:
    starts = [datetime.fromisoformat(statuses[name]["run"]["startTime"]) for name in NAMES]
    ends = [datetime.fromisoformat(statuses[name]["run"]["completionTime"]) for name in NAMES]
    assert starts == sorted(starts)
    assert ends == sorted(ends)
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


def test_waiting_is_recorded(statuses: dict[str, JSON]) -> None:
    first, *others = (statuses[name]["run"] for name in NAMES)
    assert "queuedTime" not in first
    waited = [datetime.fromisoformat(run["startTime"]) - datetime.fromisoformat(run["queuedTime"]) for run in others]
    assert [seconds > seconds * 0 for seconds in waited] == [True] * 3


def test_waiting_costs_one_write_more(team: Team, statuses: dict[str, JSON]) -> None:
    written = [entry["objectRef"]["name"] for entry in team.writes() if entry["verb"] == "patch"]
    assert [written.count(name) for name in NAMES] == [2, 3, 3, 3]
