"""More builds than may run: limits that hold, an order that is fair, and waiting that is told of."""

import re
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests import installation
from tests.cluster.handle import ClusterHandle
from tests.e2e.cheap_builds import cheap, lasting, let_go
from tests.e2e.crowd import Crowd, moment, run_crowd, two_spaces
from tests.e2e.team import JSON, Team
from tests.e2e.watching import BUILD_PODS, Watch, most_live

LIMIT, MANY, FEW = 6, 40, 5
PLACE = re.compile(
    r"Run 1 waits, (next in line|\d+(nd|rd|th) in line|within the first \d+ in line), "
    rf"for one of the {LIMIT} running builds to end\."
)


@pytest.fixture(scope="module")
def six_at_a_time(cluster: ClusterHandle, operator: None, operator_image: tuple[str, str]) -> Iterator[None]:
    installation.install(cluster, operator_image, {"limits": {"maxConcurrentBuilds": LIMIT}})
    yield
    installation.install(cluster, operator_image)


@pytest.fixture(scope="module")
def crowd(cluster: ClusterHandle, six_at_a_time: None) -> Iterator[Crowd]:
    """40 builds of one namespace, then 5 of another, all ended; the operator was killed once meanwhile."""
    with two_spaces(cluster, "many", "few") as spaces:
        yield run_crowd(spaces, many=MANY, few=FEW, limit=LIMIT, seconds=240)


def test_all_are_built_once(crowd: Crowd) -> None:
    assert len(crowd.statuses) == MANY + FEW
    assert not crowd.losses()
    assert not crowd.doubles()
    assert crowd.pods.total() == MANY + FEW


def test_the_limit_is_used_up_and_never_exceeded_whatever_becomes_of_the_operator(crowd: Crowd) -> None:
    assert crowd.done_when_killed < MANY
    assert crowd.most_live == LIMIT


def test_a_namespace_with_few_builds_does_not_wait_for_one_with_many(crowd: Crowd) -> None:
    assert crowd.done_before_the_few() < MANY / 2


def test_builds_start_in_the_recorded_order_also_after_a_restart(crowd: Crowd) -> None:
    assert not crowd.out_of_order()
    for space in crowd.spaces:
        turns = [status["run"]["turn"] for status in crowd.of(space).values()]
        assert len(set(turns)) == len(turns), "within a namespace it is first come, first served"


def test_waiting_is_visible(crowd: Crowd) -> None:
    assert len(crowd.waiting) == MANY + FEW - LIMIT
    for status in crowd.waiting.values():
        assert {condition["reason"] for condition in status["conditions"]} == {"Queued"}
        [message] = {condition["message"] for condition in status["conditions"]}
        assert PLACE.fullmatch(message), message
        assert "podName" not in status["run"]
        assert status["run"]["queuedTime"]
    told = [status["conditions"][0]["message"] for status in crowd.waiting.values()]
    assert any("next in line" in message for message in told)
    assert any("20th in line" in message for message in told)
    assert any("within the first 50" in message for message in told)


def test_waiting_is_measured(crowd: Crowd) -> None:
    """How many wait was looked at while they did; the times are those of the operator that came after the kill."""
    assert crowd.started_since_the_kill(-2) <= crowd.waits_metric <= crowd.started_since_the_kill(2)
    assert crowd.waits_metric > 0


def test_waiting_costs_no_more_writes_than_it_may(crowd: Crowd) -> None:
    over = {name: count for name, count in crowd.writes.items() if count > crowd.budget(name)}
    assert not over
    assert max(crowd.events.values()) <= 2
    # What the killed operator had asked for may be asked for again, for each build it was about to start or end.
    assert crowd.refused <= 2 * LIMIT


@pytest.fixture(scope="module")
def small_limits(cluster: ClusterHandle, crowd: Crowd, operator_image: tuple[str, str]) -> None:
    """Two builds at a time, and one a namespace; `six_at_a_time` takes it back."""
    limits = {"maxConcurrentBuilds": 2, "maxConcurrentBuildsPerNamespace": 1}
    installation.install(cluster, operator_image, {"limits": limits})


@pytest.fixture(scope="module")
def neighbours(cluster: ClusterHandle, small_limits: None) -> Iterator[tuple[Team, Team]]:
    with two_spaces(cluster, "north", "south") as spaces:
        yield spaces


@pytest.fixture(scope="module")
def order(neighbours: tuple[Team, Team]) -> list[str]:
    """Builds of one namespace behind a long one, in the order in which they started; all limits are kept meanwhile."""
    north, south = neighbours
    with Watch(north.cluster, BUILD_PODS) as watch:
        north.apply(lasting(north, "long"))
        north.until_status("long", lambda status: status["phase"] == "Building", "start")
        for name, priority in (("ordinary", None), ("unimportant", -5), ("urgent", 5), ("raised", -7)):
            north.apply(cheap(north, name, priority=priority))
            told = north.until_status(name, lambda status: status["phase"] == "Queued", "place in the queue")
            assert "for the running build of its namespace to end" in message_of(told)
        # There is room for another namespace's.
        south.apply(cheap(south, "neighbour"))
        assert south.result("neighbour")["phase"] == "Succeeded"
        north.change("raised", priority=7)
        north.until(lambda: north.status("raised")["observedGeneration"] == 2, "word on the new priority", 10)
        let_go(north, "long")
        names = ("long", "ordinary", "unimportant", "urgent", "raised")
        results = {name: north.result(name) for name in names}
        live = most_live(watch.changes, lambda pod: str(pod["metadata"]["namespace"]))
    assert live == {north.namespace: 1, south.namespace: 1}
    assert {status["run"]["number"] for status in results.values()} == {1}
    started = sorted(names, key=lambda name: moment(results[name]["run"]["startTime"]))
    for first, then in pairwise(started):
        assert results[first]["run"]["completionTime"] <= results[then]["run"]["startTime"]
    return started


def message_of(status: JSON) -> str:
    """The one message of all conditions."""
    [message] = {condition["message"] for condition in status["conditions"]}
    return str(message)


def test_one_build_a_namespace_and_the_important_ones_first(order: list[str]) -> None:
    assert order == ["long", "raised", "urgent", "ordinary", "unimportant"]
