"""Fair between namespaces, whoever comes when, and whenever the operator starts anew."""

from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebuild_operator.core.queueing import Key, Limits
from tests.unit.shell.records import Records


def many(namespace: str, count: int) -> list[Key]:
    return [(namespace, f"build-{number:03}") for number in range(count)]


def first(running: Sequence[Key]) -> Key:
    return running[0]


def last(running: Sequence[Key]) -> Key:
    return running[-1]


@pytest.mark.parametrize("ends", [first, last, Random(7).choice])
@pytest.mark.parametrize("limits", [Limits(1), Limits(4), Limits(4, 3)])
@pytest.mark.parametrize("before", [0, 37])
@pytest.mark.parametrize("restarts", [False, True])
def test_five_builds_after_five_hundred_are_done_before_a_tenth_of_them(
    limits: Limits, before: int, ends: Callable[[Sequence[Key]], Key], restarts: bool
) -> None:
    records = Records(limits)
    for key in many("large", 500):
        records.apply(key)
    records.work()
    for _ in range(before):
        records.end(ends(records.running))
        records.work()
    few = many("small", 5)
    for key in few:
        records.apply(key)
    records.work()
    assert len({records.turn(key) for key in few}) == 5
    while not set(few) <= set(records.ended):
        assert len(records.running) == limits.total
        if restarts and len(records.ended) % 5 == 0:
            records.restart()
        records.end(ends(records.running))
        records.work()
    assert len(records.ended) - before - len(few) < 50


@pytest.mark.parametrize("limits", [Limits(1), Limits(3)])
def test_a_restart_changes_nothing_of_the_order(limits: Limits) -> None:
    orders = []
    for restart_after in (None, 1, 20):
        records = Records(limits)
        for number in range(10):
            for namespace in "abc":
                records.apply((namespace, f"build-{number}"), priority=number % 2)
        records.work()
        while records.running:
            if restart_after and len(records.ended) % restart_after == 0:
                records.restart()
            records.end(records.running[0])
            records.work()
        orders.append(records.started)
    assert orders[0] == orders[1] == orders[2]
    assert len(orders[0]) == 30


def test_forty_builds_that_come_at_once_have_forty_turns() -> None:
    records = Records(Limits(4))
    keys = many("ns", 40)
    for key in keys:
        records.apply(key)
    turns = [records.admission.ask(key).turn for key in keys]
    assert turns == list(range(1, 41)), "none of them is recorded yet"
    assert [records.admission.ask(key).turn for key in keys] == turns
    assert sum(records.admission.ask(key).granted for key in keys) == 4


@pytest.mark.parametrize("in_the_gap", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_those_who_come_again_and_again_do_not_keep_anybody_from_starting(limit: int, in_the_gap: bool) -> None:
    """Three namespaces each have a build waiting at any time; they come back the moment that one of theirs ends."""
    records = Records(Limits(limit))
    patient = many("patient", 20)
    for key in patient:
        records.apply(key)
    for namespace in ("eager-1", "eager-2", "eager-3"):
        for number in range(limit):
            records.apply((namespace, f"build-{number}"))
    records.work()
    while not set(patient) <= set(records.ended):
        ended = records.running[0]
        records.end(ended)
        if not in_the_gap:
            records.work()
        if ended[0] != "patient":
            records.apply((ended[0], f"again-{len(records.ended)}"))
            records.look((ended[0], f"again-{len(records.ended)}"))
        records.work()
        assert len(records.ended) <= 4 * (len(patient) + limit), "a quarter of all that is done is theirs"


def test_a_flood_of_high_priority_does_not_set_namespaces_of_normal_priority_back() -> None:
    records = Records(Limits(1))
    records.apply(("urgent", "build"), priority=100)
    records.work()
    for key in many("urgent", 50):
        records.apply(key, priority=100)
    for key in many("large", 50):
        records.apply(key)
    records.work()
    for _ in range(30):
        records.end(records.running[0])
        records.work()
    records.apply(("small", "build"))
    records.work()
    while ("small", "build") not in records.started:
        records.end(records.running[0])
        records.work()
    assert len([key for key in records.started if key[0] == "large"]) <= 2


def test_who_is_suspended_for_long_does_not_come_back_before_everybody() -> None:
    records = Records(Limits(1))
    records.apply(("other", "running"))
    held = many("held", 30)
    for key in held:
        records.apply(key)
    records.work()
    for key in held:
        records.suspend(key)
    for key in many("other", 60):
        records.apply(key)
    records.work()
    for _ in range(40):
        records.end(records.running[0])
        records.work()
    for key in held:
        records.resume(key)
    records.work()
    records.started.clear()
    for _ in range(20):
        records.end(records.running[0])
        records.work()
    assert len([key for key in records.started if key[0] == "held"]) in range(9, 12)


def test_a_retry_keeps_its_turn_and_is_not_behind_newcomers_when_the_line_has_begun_anew() -> None:
    records = Records(Limits(1))
    keys = many("a", 30)
    for key in keys:
        records.apply(key)
    records.work()
    for _ in range(29):
        records.end(records.running[0])
        records.work()
    assert records.running == [keys[-1]]
    assert records.turn(keys[-1]) == 30
    records.fail(keys[-1])
    assert records.running == []
    for key in many("b", 3):
        records.apply(key)
    records.work()
    assert records.running == [("b", "build-000")]
    records.look(keys[-1])
    assert records.answers[keys[-1]].turn < 30
    records.end(records.running[0])
    records.work()
    records.end(records.running[0])
    records.work()
    assert records.running == [keys[-1]]


@settings(deadline=None, max_examples=25)
@given(
    limit=st.integers(1, 5),
    sizes=st.lists(st.integers(1, 25), min_size=2, max_size=5),
    seed=st.integers(0, 2**16),
)
def test_the_share_of_a_namespace_does_not_depend_on_how_much_it_asked_for(
    limit: int, sizes: list[int], seed: int
) -> None:
    """While all of them wait, no namespace starts more than one more than another, once the first few have started."""
    random, records = Random(seed), Records(Limits(limit))
    for namespace, size in enumerate(sizes):
        for key in many(f"ns-{namespace}", size):
            records.apply(key)
    records.work()
    records.started.clear()
    left = dict(enumerate(sizes))
    while records.running and all(any(k[0] == f"ns-{n}" for k in records.queued()) for n in left):
        records.end(random.choice(records.running))
        if random.random() < 0.1:
            records.restart()
        records.work()
    counts = [len([key for key in records.started if key[0] == f"ns-{namespace}"]) for namespace in left]
    assert max(counts) - min(counts) <= limit + 1
