"""The line: who may start under the limits, in which order, and what the others are told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.core.line import Line
from imagebuild_operator.core.places import why
from imagebuild_operator.core.queueing import Holding, Key, Limits, Obstacle, Waiting


def key(text: str) -> Key:
    """`a/web` is build web of namespace a; a bare name is in namespace ns."""
    namespace, _, name = text.rpartition("/")
    return namespace or "ns", name


def waiting(text: str, turn: int = 1, **fields: Any) -> Waiting:
    """`a/web+tests` is in concurrency group tests."""
    name, _, group = text.partition("+")
    return Waiting(key(name), turn, fields.pop("queued_time", "2026-01-01T00:00:00.000000Z"), group=group, **fields)


def holding(text: str, turn: int = 1, **fields: Any) -> Holding:
    name, _, group = text.partition("+")
    return Holding(key(name), turn, groups=frozenset({group} - {""}), **fields)


def line(limits: Limits, held: str = "", queue: str = "") -> Line:
    """Builds separated by blanks; those who wait have the turns 1, 2, 3, ... and are put in from behind."""
    made = Line(limits)
    for text in held.split():
        holds = holding(text)
        made.put(holds.key, None, holds)
    for turn, text in reversed(list(enumerate(queue.split(), start=1))):
        waits = waiting(text, turn)
        made.put(waits.key, waits, None)
    return made


def called(made: Line) -> str:
    return " ".join(name if namespace == "ns" else f"{namespace}/{name}" for namespace, name in made.next())


@pytest.mark.parametrize(
    ("limits", "held", "queue", "starts"),
    [
        (Limits(), "x", "a b c", "a b c"),
        (Limits(2), "", "a b c", "a b"),
        (Limits(2), "x", "a b c", "a"),
        (Limits(2), "x y", "a b c", ""),
        (Limits(2), "x y z", "a b c", ""),
        (Limits(5), "", "a b", "a b"),
        (Limits(1), "", "", ""),
        (Limits(None, 1), "", "a/1 a/2 b/1 b/2", "a/1 b/1"),
        (Limits(None, 2), "a/x", "a/1 a/2 b/1", "a/1 b/1"),
        (Limits(3, 1), "a/x", "a/1 a/2 b/1 c/1", "b/1 c/1"),
        (Limits(2, 1), "a/x", "a/1 b/1 c/1", "b/1"),
        (Limits(), "", "1+g 2+g 3+h 4", "1 3 4"),
        (Limits(), "x+g", "1+g 2+g 3+h", "3"),
        (Limits(), "a/x+g", "a/1+g b/1+g", "b/1"),
        (Limits(2), "x+g", "1+g 2", "2"),
        (Limits(4, 2), "a/x+g", "a/1+g a/2 a/3 b/1", "a/2 b/1"),
    ],
)
def test_who_may_start(limits: Limits, held: str, queue: str, starts: str) -> None:
    assert called(line(limits, held, queue)) == starts


def test_the_order_is_priority_then_turn_then_time_then_name() -> None:
    made = Line(Limits())
    early, late = "2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000002Z"
    entries = [
        waiting("f", 5, queued_time=early, priority=-1),
        waiting("d", 2, queued_time=late),
        waiting("b", 2, queued_time=early),
        waiting("c", 2, queued_time=early),
        waiting("e", 3, queued_time=early),
        waiting("a", 9, queued_time=late, priority=10),
        Waiting(key("new"), 2),
    ]
    for entry in entries:
        made.put(entry.key, entry, None)
    assert called(made) == "a b c d new e f"


def test_what_is_known_of_a_build_replaces_what_was() -> None:
    made = line(Limits(1), "x", "a b")
    made.put(key("a"), waiting("a", 3), None)
    made.put(key("x"), None, None)
    assert called(made) == "b"
    made.put(key("b"), None, holding("b"))
    assert called(made) == ""
    made.put(key("b"), None, None)
    assert called(made) == "a"
    assert (set(made.waiting), set(made.holding)) == ({key("a")}, set())


def test_who_does_not_come_keeps_nobody_waiting_until_it_is_put_in_again() -> None:
    made = line(Limits(1), "", "a+g b+g c")
    made.pass_over(key("a"))
    made.pass_over(key("a"))
    made.pass_over(key("unknown"))
    assert called(made) == "b"
    assert key("a") in made.waiting
    made.put(key("a"), waiting("a+g", 1), None)
    assert called(made) == "a"
    made.pass_over(key("a"))
    made.put(key("a"), None, None)
    assert called(made) == "b"


def test_nothing_is_kept_of_those_who_are_gone() -> None:
    made = line(Limits(2), "a/x+g b/y", "a/1+g a/2 c/3+h")
    made.pass_over(key("a/2"))
    for gone in [*made.waiting, *made.holding]:
        made.put(gone, None, None)
    for part in (made._ranks, made._running, made._busy, made._turns, made._passed_over, made.waiting, made.holding):
        assert not part


# --- turns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "queue", "turn"),
    [
        ({}, {}, 1),
        ({"a/x": 7}, {}, 8),
        ({}, {"b/1": 7}, 8),
        ({"a/x": 7}, {"b/1": 8, "b/2": 9}, 9),
        ({"a/x": 7, "b/y": 3}, {"a/1": 8, "a/2": 9, "b/1": 20}, 10),
        ({"c/x": 50}, {"a/1": 8, "b/1": 20}, 51),
        ({}, {"b/1+g": 4, "b/2": 9}, 5),
        ({"b/x+g": 2}, {"b/1+g": 4}, 5),
        ({"b/x+g": 2}, {"b/1+g": 4, "b/2": 30}, 31),
    ],
)
def test_a_newcomer_comes_after_what_is_served_and_after_its_own_namespace(
    held: dict[str, int], queue: dict[str, int], turn: int
) -> None:
    made = Line(Limits(4))
    for text, its_turn in held.items():
        made.put(holding(text).key, None, holding(text, its_turn))
    for text, its_turn in queue.items():
        made.put(waiting(text).key, waiting(text, its_turn), None)
    assert made.new_turn("a", 0) == turn


def test_turns_of_another_priority_do_not_count() -> None:
    made = Line(Limits(4))
    made.put(key("a/x"), None, Holding(key("a/x"), 90, priority=5))
    made.put(key("a/1"), waiting("a/1", 80, priority=5), None)
    made.put(key("b/1"), waiting("b/1", 3), None)
    assert (made.new_turn("a", 0), made.new_turn("b", 5), made.new_turn("a", 9)) == (4, 91, 1)


# --- what they are told ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "held", "queue", "asks", "told"),
    [
        (Limits(1), "x", "a", "a", "waits, next in line, for the running build to end"),
        (Limits(4), "w x y z", "a b c", "c", "waits, 3rd in line, for one of the 4 running builds to end"),
        (Limits(4), "w x y", "a b c", "b", "waits, 2nd in line, for one of the 4 running builds to end"),
        (Limits(2), "x y", "a b", "new", "waits, 3rd in line, for one of the 2 running builds to end"),
        (
            Limits(9, 2),
            "a/x a/y",
            "a/1 a/2",
            "a/2",
            "waits, 2nd in line, for one of the 2 running builds of its namespace to end",
        ),
        (
            Limits(None, 1),
            "a/x",
            "b/1 a/1",
            "a/1",
            "waits, next in line, for the running build of its namespace to end",
        ),
        (
            Limits(9, 2),
            "a/x",
            "a/1 a/2",
            "a/2",
            "waits, 2nd in line, for one of the 2 running builds of its namespace to end",
        ),
        (Limits(1, 2), "b/x", "a/1 a/2 a/3", "a/3", "waits, 3rd in line, for the running build to end"),
        (Limits(9), "x+g", "1+g", "1+g", "waits, next in line, for build x of its concurrency group to end"),
        (
            Limits(1),
            "x+g",
            "0 1+g 2+g",
            "2+g",
            "waits, 2nd in line, for the builds before it in its concurrency group",
        ),
        (Limits(9), "", "1+g 2+g", "2+g", "waits, 2nd in line, for the builds before it in its concurrency group"),
    ],
)
def test_what_a_build_waits_for(limits: Limits, held: str, queue: str, asks: str, told: str) -> None:
    made = line(limits, held, queue)
    entry = made.waiting.get(waiting(asks).key) or waiting(asks, 99)
    assert why(made.obstacle(entry)) == told


@pytest.mark.parametrize("leaving", [False, True])
def test_of_a_build_whose_run_is_over_only_the_pod_is_waited_for(leaving: bool) -> None:
    made = line(Limits(9), "", "1+g")
    made.put(key("x"), None, Holding(key("x"), groups=frozenset({"g"}), leaving=leaving))
    told = why(made.obstacle(made.waiting[key("1")]))
    build = "build x of its concurrency group"
    what = f"the Pod of {build} to go" if leaving else f"{build} to end"
    assert told == f"waits, next in line, for {what}"


def test_those_who_are_blocked_elsewhere_are_not_before_it() -> None:
    made = line(Limits(3, 2), "a/x+g a/y b/z+g", "a/1 a/2 b/1+g b/2+g c/1 b/3")
    assert made.obstacle(made.waiting[key("b/3")]) == Obstacle(2, limit=3)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (1, "next in line"),
        (4, "4th in line"),
        (11, "11th in line"),
        (12, "12th in line"),
        (13, "13th in line"),
        (20, "20th in line"),
        (21, "within the first 50 in line"),
        (50, "within the first 50 in line"),
        (51, "within the first 100 in line"),
        (100, "within the first 100 in line"),
        (101, "within the first 200 in line"),
        (201, "within the first 500 in line"),
        (1001, "within the first 2000 in line"),
    ],
)
def test_a_far_place_is_rounded_up(place: int, told: str) -> None:
    assert why(Obstacle(place, limit=2)) == f"waits, {told}, for one of the 2 running builds to end"


def test_nothing_to_wait_for_is_told_as_such() -> None:
    assert why(None) == "waits for its turn"


# --- in any situation -----------------------------------------------------------------------------------------------

names = st.builds("{}/{}".format, st.sampled_from("abc"), st.integers(0, 5))
groups = st.sampled_from(["", "", "g", "h"])
limits = st.builds(Limits, st.none() | st.integers(1, 5), st.none() | st.integers(1, 3))


@st.composite
def situations(draw: st.DrawFn) -> tuple[Limits, dict[Key, Holding], dict[Key, Waiting]]:
    """Any, also ones that no process brought about: the limits were lowered, two of a group run."""
    chosen = draw(st.lists(names, unique=True, max_size=12))
    held, queue = {}, {}
    for text in chosen:
        turn, priority, group = draw(st.integers(1, 4)), draw(st.integers(-1, 1)), draw(groups)
        if draw(st.booleans()):
            held[key(text)] = Holding(key(text), turn, priority, frozenset({group} - {""}))
        else:
            queue[key(text)] = waiting(f"{text}+{group}", turn, priority=priority)
    return draw(limits), held, queue


def filled(limits: Limits, held: dict[Key, Holding], queue: dict[Key, Waiting]) -> Line:
    made = Line(limits)
    for entry in held.values():
        made.put(entry.key, None, entry)
    for place in queue.values():
        made.put(place.key, place, None)
    return made


def fits(entry: Waiting, limits: Limits, held: dict[Key, Holding]) -> bool:
    """Whether it could start, told without an index."""
    beside = [other for other in held.values() if other.key[0] == entry.key[0]]
    return (
        (limits.total is None or len(held) < limits.total)
        and (limits.per_namespace is None or len(beside) < limits.per_namespace)
        and (not entry.group or not any(entry.group in other.groups for other in beside))
    )


def start(entry: Waiting) -> Holding:
    return Holding(entry.key, entry.turn, entry.priority, frozenset({entry.group} - {""}))


@given(situations())
def test_those_who_may_start_are_those_whom_going_down_the_line_finds(
    situation: tuple[Limits, dict[Key, Holding], dict[Key, Waiting]],
) -> None:
    limits, held, queue = situation
    expected, running = [], dict(held)
    for entry in sorted(queue.values(), key=lambda entry: entry.rank):
        before_it = [e for e in queue.values() if e.key[0] == entry.key[0] and entry.group and e.group == entry.group]
        if fits(entry, limits, running) and all(entry.rank <= other.rank for other in before_it):
            expected.append(entry.key)
            running[entry.key] = start(entry)
    made = filled(limits, held, queue)
    assert list(made.next()) == expected
    assert {entry.key for entry in queue.values() if made.obstacle(entry) is None} == set(expected)


@given(situations(), st.randoms(use_true_random=False))
def test_starting_them_in_any_order_keeps_the_limits_and_leaves_no_slot_to_anybody(
    situation: tuple[Limits, dict[Key, Holding], dict[Key, Waiting]], random: Any
) -> None:
    limits, held, queue = situation
    made = filled(limits, held, queue)
    while made.next():
        entry = queue.pop(random.choice(list(made.next())))
        assert fits(entry, limits, held)
        held[entry.key] = start(entry)
        made.put(entry.key, None, held[entry.key])
    assert not [entry for entry in queue.values() if fits(entry, limits, held)]


@given(situations(), st.randoms(use_true_random=False))
def test_how_it_came_about_does_not_matter(
    situation: tuple[Limits, dict[Key, Holding], dict[Key, Waiting]], random: Any
) -> None:
    limits, held, queue = situation
    made, other = filled(limits, held, queue), Line(limits)
    entries: list[Holding | Waiting] = [*held.values(), *queue.values()]
    for entry in random.sample(entries, len(entries)):
        other.put(entry.key, None, Holding(entry.key, 7, 3, frozenset("gh")))
        other.pass_over(entry.key)
        other.put(entry.key, waiting(f"{'/'.join(entry.key)}+g", 2), None)
        other.pass_over(entry.key)
    for entry in random.sample(entries, len(entries)):
        other.put(entry.key, queue.get(entry.key), held.get(entry.key))
    assert list(other.next()) == list(made.next())
    assert [other.new_turn(namespace, 0) for namespace in "abcd"] == [made.new_turn(ns, 0) for ns in "abcd"]
    assert [other.obstacle(entry) for entry in queue.values()] == [made.obstacle(entry) for entry in queue.values()]
