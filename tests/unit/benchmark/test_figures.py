from dataclasses import replace
from typing import Any

import pytest

from tests.benchmark.figures import (
    CHANGED,
    COLD,
    GOAL,
    KINDS,
    UNCHANGED,
    Sample,
    builds_table,
    count,
    line,
    ratios,
    ratios_table,
    short_of_goal,
    spread,
    table,
)


def sample(kind: str, seconds: float, **more: Any) -> Sample:
    plain = Sample("one stage", 1, kind, seconds, round(seconds), 9.0, 4.0, 2.0, 0, 2, 1, 3, 2)
    return replace(plain, **more)


def rounds(*durations: tuple[float, float, float], case: str = "one stage") -> list[Sample]:
    """Samples of rounds, each given as the durations of its three builds."""
    return [
        sample(kind, seconds, round=number, case=case)
        for number, each in enumerate(durations, 1)
        for kind, seconds in zip(KINDS, each, strict=True)
    ]


def cells(text: str) -> list[list[str]]:
    """A table's rows, the titles and the line below them left out."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def test_a_spread_is_the_median_and_both_ends() -> None:
    assert spread([3.04, 1.0, 12.0]) == "3.0 (1.0-12.0)"
    assert spread([4.0, 2.0], 0) == "3 (2-4)"


@pytest.mark.parametrize(("values", "told"), [([3, 3, 3], "3"), ([3], "3"), ([3, 4, 3], "3 / 4 / 3")])
def test_a_count_that_differs_between_rounds_is_told_in_full(values: list[int], told: str) -> None:
    assert count(values) == told


def test_a_line_tells_of_one_build() -> None:
    told = line(sample(UNCHANGED, 12.34, round=2, cpu=8.76, elsewhere=3.21, hits=1))
    assert told == f"round 2, one stage, {UNCHANGED}: 12.3 s, 8.8 CPU s (3.2 elsewhere), 1 steps from the cache"


def test_ratios_are_of_builds_of_one_round_and_one_case() -> None:
    samples = [*rounds((40, 10, 20), (90, 10, 30)), *rounds((1, 1, 1), case="another")]
    assert ratios(samples, "one stage", UNCHANGED, lambda each: each.seconds) == [4.0, 9.0]
    assert ratios(samples, "one stage", CHANGED, lambda each: each.seconds) == [2.0, 3.0]
    assert ratios(reversed(samples), "one stage", CHANGED, lambda each: each.seconds) == [2.0, 3.0]


def test_a_table_is_markdown() -> None:
    assert table(("a", "b"), [("1", "2"), ("3", "4")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |"


def test_the_builds_table_has_a_row_for_each_case_and_kind() -> None:
    samples = [*rounds((40, 10, 20), (60, 12, 20), (50, 11, 20)), *rounds((2, 1, 1), case="another")]
    found = cells(builds_table(samples))
    assert [row[:3] for row in found] == [
        ["one stage", COLD, "50.0 (40.0-60.0)"],
        ["one stage", UNCHANGED, "11.0 (10.0-12.0)"],
        ["one stage", CHANGED, "20.0 (20.0-20.0)"],
        ["another", COLD, "2.0 (2.0-2.0)"],
        ["another", UNCHANGED, "1.0 (1.0-1.0)"],
        ["another", CHANGED, "1.0 (1.0-1.0)"],
    ]


def test_each_figure_has_its_column() -> None:
    counts = {"hits": 1, "misses": 3, "pods": 5, "writes": 6, "events": 7}
    cold = sample(COLD, 50.4, stated=51, container=48, cpu=30.5, elsewhere=7.2, **counts)
    samples = [cold, sample(UNCHANGED, 1), sample(CHANGED, 1)]
    titles = [cell.strip() for cell in builds_table(samples).splitlines()[0].strip("|").split("|")]
    assert dict(zip(titles, cells(builds_table(samples))[0], strict=True)) == {
        "example": "one stage",
        "build": "cold",
        "duration, s": "50.4 (50.4-50.4)",
        "in whole seconds": "51 (51-51)",
        "build container, s": "48 (48-48)",
        "CPU of the Pod, s": "30.5 (30.5-30.5)",
        "other CPU, s": "7.2 (7.2-7.2)",
        "steps from the cache": "1 of 4",
        "Pods": "5",
        "API writes": "6",
        "Events": "7",
    }


def test_the_ratios_table_has_each_round_and_the_medians() -> None:
    samples = rounds((40, 10, 20), (90, 10, 30), (50, 10, 10))
    samples = [replace(each, cpu=20.0) if each.kind == COLD else each for each in samples]
    assert cells(ratios_table(samples)) == [
        ["one stage", UNCHANGED, "4.0, 9.0, 5.0", "5.0", "5.0"],
        ["one stage", CHANGED, "2.0, 3.0, 5.0", "3.0", "5.0"],
    ]


def test_the_goal_is_asked_of_the_median_of_each_warm_build() -> None:
    assert short_of_goal(rounds((35, 10, 10), (10, 10, 10), (70, 10, 10)), "one stage") == []
    assert short_of_goal(rounds((34, 10, 5)), "one stage") == [f"one stage, {UNCHANGED}: 3.40, not {GOAL}"]
    assert short_of_goal(rounds((34, 5, 10)), "one stage") == [f"one stage, {CHANGED}: 3.40, not {GOAL}"]
