"""First come, first served, under one limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.core.queueing import Key, Waiting, may_start, next_in_line


def key(name: str) -> Key:
    return "ns", name


def waiting(*names: str) -> list[Waiting]:
    """Waiting builds in the order they came, listed in another."""
    return [Waiting(f"2026-01-01T00:00:00.{place:06d}Z", key(name)) for place, name in enumerate(names)][::-1]


@pytest.mark.parametrize(
    ("asks", "limit", "active", "queue", "granted"),
    [
        ("a", None, "xyz", "bcd", True),
        ("a", 1, "", "", True),
        ("a", 1, "x", "", False),
        ("a", 2, "x", "", True),
        ("x", 1, "x", "ab", True),
        ("x", 1, "xyz", "ab", True),
        ("a", 1, "", "ab", True),
        ("b", 1, "", "ab", False),
        ("b", 2, "", "ab", True),
        ("b", 2, "x", "ab", False),
        ("new", 1, "", "a", False),
        ("new", 2, "", "a", True),
        ("new", 3, "x", "a", True),
        ("a", 1, "xy", "a", False),
    ],
)
def test_who_may_start(asks: str, limit: int | None, active: str, queue: str, granted: bool) -> None:
    assert may_start(key(asks), limit=limit, active={key(name) for name in active}, waiting=waiting(*queue)) is granted


@pytest.mark.parametrize(
    ("limit", "active", "queue", "line"),
    [
        (None, "x", "abc", "abc"),
        (2, "", "abc", "ab"),
        (2, "x", "abc", "a"),
        (2, "xy", "abc", ""),
        (2, "xyz", "abc", ""),
        (5, "", "ab", "ab"),
        (1, "", "", ""),
    ],
)
def test_who_is_next(limit: int | None, active: str, queue: str, line: str) -> None:
    assert next_in_line(limit=limit, active={key(name) for name in active}, waiting=waiting(*queue)) == [
        key(name) for name in line
    ]


def test_the_same_moment_is_ordered_by_name() -> None:
    moment = "2026-01-01T00:00:00.000000Z"
    queue = [Waiting(moment, key("b")), Waiting(moment, key("a"))]
    assert next_in_line(limit=1, active=set(), waiting=queue) == [key("a")]
    assert not may_start(key("b"), limit=1, active=set(), waiting=queue)


@given(
    limit=st.integers(1, 6),
    active=st.sets(st.sampled_from("uvwxyz"), max_size=6),
    queue=st.lists(st.sampled_from("abcdefgh"), unique=True),
)
def test_those_who_are_next_are_exactly_those_who_may_start(limit: int, active: set[str], queue: list[str]) -> None:
    holding, line = {key(name) for name in active}, waiting(*queue)
    granted = [name for name in queue if may_start(key(name), limit=limit, active=holding, waiting=line)]
    assert [key(name) for name in granted] == next_in_line(limit=limit, active=holding, waiting=line)
    assert len(granted) <= max(limit - len(active), 0)
    assert len(granted) == min(max(limit - len(active), 0), len(queue)), "no slot is left empty"
