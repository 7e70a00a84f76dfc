"""A long queue on the real cluster, by hand (`make soak`): 500 builds of one namespace, then 5 of another."""

from collections.abc import Iterator
from itertools import chain

import pytest

from tests import installation
from tests.cluster.handle import ClusterHandle
from tests.e2e.crowd import Crowd, run_crowd, two_spaces

LIMIT, MANY, FEW = 4, 500, 5
SECONDS = 3000.0

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS + 900)]


@pytest.fixture(scope="module")
def crowd(cluster: ClusterHandle, operator: None, operator_image: tuple[str, str]) -> Iterator[Crowd]:
    """All of them, ended; the operator was killed once meanwhile."""
    installation.install(cluster, operator_image, {"limits": {"maxConcurrentBuilds": LIMIT}})
    with two_spaces(cluster, "many", "few") as spaces:
        yield run_crowd(spaces, many=MANY, few=FEW, limit=LIMIT, seconds=SECONDS)
    installation.install(cluster, operator_image)


def test_the_few_are_done_before_a_tenth_of_the_many_and_no_limit_is_exceeded(
    crowd: Crowd, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(figures(crowd))  # noqa: T201
    assert len(crowd.statuses) == MANY + FEW
    assert crowd.done_when_killed < MANY
    assert crowd.most_live == LIMIT
    assert crowd.done_before_the_few() < MANY / 10
    assert not crowd.out_of_order()


def test_nothing_is_lost_doubled_or_written_too_often(crowd: Crowd) -> None:
    assert not crowd.losses()
    assert not crowd.doubles()
    assert crowd.pods.total() == MANY + FEW
    assert not {name: count for name, count in crowd.writes.items() if count > crowd.budget(name)}
    assert max(crowd.events.values()) <= 2
    assert crowd.refused <= 2 * LIMIT


def figures(crowd: Crowd) -> str:
    """What is worth noting, as a table."""
    waited = [status["run"] for status in crowd.statuses.values()]
    rows = {
        "builds": len(crowd.statuses),
        "seconds": round(crowd.seconds),
        "most Pods at a time": crowd.most_live,
        "of the many done when the last of the few was": crowd.done_before_the_few(),
        "done when the operator was killed": crowd.done_when_killed,
        "writes": crowd.writes.total(),
        "writes a build": round(crowd.writes.total() / len(waited), 2),
        "most writes of one build": max(crowd.writes.values()),
        "Events a build": round(crowd.events.total() / len(waited), 2),
        "refused writes": crowd.refused,
        "doubles": len(crowd.doubles()),
        "losses": len(crowd.losses()),
    }
    width = max(map(len, rows))
    return "\n".join(chain([""], (f"{name:{width}}  {value}" for name, value in rows.items())))
