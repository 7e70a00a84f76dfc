"""Builds through an API server that fails in every way, and an operator that is killed: each ends right, once."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS, Plan
from tests.chaos.proxy import LAST_SECONDS
from tests.chaos.scenario import LIMIT, NAMESPACE_LIMIT, Scenario, staged
from tests.chaos.stories import ALONE, Act, cast
from tests.cluster.handle import ApiHandle

SEED = 4
SHARE = 0.2
Namespaces = Callable[[int], list[str]]
Figures = Callable[[str], None]


async def run(scenario: Scenario, *, kills: int) -> float:
    """All builds to their ends, with so many kills of the operator in equal parts; returns the seconds it took."""
    started = time.monotonic()
    operator = await scenario.start_operator()
    async with asyncio.TaskGroup() as group:
        group.create_task(scenario.users.act())
        for number in range(kills):
            await scenario.until_done((number + 1) / (kills + 1))
            await operator.kill()
    await scenario.until_done()
    return time.monotonic() - started


def assert_ended_right(scenario: Scenario) -> None:
    """What holds with any number of operators."""
    assert not scenario.losses(), "\n".join(scenario.losses())
    assert not scenario.doubles(), "\n".join(scenario.doubles())
    assert [ends for ends in scenario.observer.ends.values() if len(ends) > 1] == []
    for operator in scenario.operators:
        assert not operator.faults(), "\n".join(operator.faults())


def assert_all_is_well(scenario: Scenario, seconds: float) -> None:
    """What holds with one operator."""
    assert_ended_right(scenario)
    assert scenario.observer.breaches == {}
    assert scenario.observer.peak <= LIMIT
    assert max(scenario.observer.peaks.values()) <= NAMESPACE_LIMIT
    writes = scenario.writes()
    assert writes.total() - writes["create events"] <= scenario.budget(seconds), writes


def assert_faults_came(scenario: Scenario) -> None:
    """Every kind that meets single requests came, and what is said to be stored was."""
    expected = {fault.name for fault in FAULTS if not fault.name.startswith("watch-")}
    assert expected <= set(scenario.plan.counts)
    stored = {write.fault for write in scenario.proxy.writes if write.code < 300}
    assert {fault.name for fault in FAULTS if fault.name in expected and fault.stored} <= stored


async def test_every_build_ends_right_whatever_the_api_server_does(
    plane: ApiHandle, new_namespaces: Namespaces, tmp_path: Path, figures: Figures
) -> None:
    # Each of these holds a worker of the operator, or one of its watches, for long.
    most = {"timeout-before": 1, "timeout-after": 1, "watch-gone": 1, "watch-unanswered": 1, "watch-silent": 1}
    plan = Plan(SEED, share=SHARE, watches=1.0, most=most)
    async with staged(plane, cast(50, new_namespaces(3)), plan, tmp_path) as scenario:
        seconds = await run(scenario, kills=2)
    figures(scenario.figures(seconds))
    assert_faults_came(scenario)
    assert_all_is_well(scenario, seconds)


async def test_two_operators_at_once_only_waste_requests(
    plane: ApiHandle, new_namespaces: Namespaces, tmp_path: Path, figures: Figures
) -> None:
    plan = Plan(SEED, share=SHARE, watches=1.0, most={"timeout-before": 0, "timeout-after": 0, "watch-gone": 0})
    async with staged(plane, cast(42, new_namespaces(2), ALONE), plan, tmp_path) as scenario:
        started = time.monotonic()
        first = await scenario.start_operator()
        async with asyncio.TaskGroup() as group:
            group.create_task(scenario.users.act())
            await scenario.until_done(0.1)
            second = await scenario.start_operator()
            await scenario.until_done(0.4)
            await first.kill()
            await scenario.until_done(0.7)
            await second.end()
        await scenario.until_done()
        seconds = time.monotonic() - started
        # A late Pod of an older attempt goes at the next look.
        async with asyncio.timeout(60):
            await scenario.observer.until(lambda: not scenario.observer.any_live())
    figures(scenario.figures(seconds))
    assert_ended_right(scenario)


SILENT = ("watch-silent", "watch-unanswered")


@pytest.mark.parametrize("fault", SILENT)
async def test_watches_that_say_nothing_are_made_up_for_by_the_resync(
    plane: ApiHandle, new_namespaces: Namespaces, tmp_path: Path, fault: str
) -> None:
    plan = Plan(SEED, share=0, watches=1.0, most=none_but(fault))
    often = {"IMAGEBUILD_RESYNC_SECONDS": "1"}
    # What users do to a build that is finished or suspended, only a watch tells.
    stories = [each for each in ALONE if each.act is Act.NOTHING or each.name in ("corrected", "stopped")]
    cases = cast(8, new_namespaces(1), stories)
    async with staged(plane, cases, plan, tmp_path, often) as scenario:
        started = time.monotonic()
        await scenario.start_operator()
        await both_are_dead(plan, fault)
        await scenario.users.act()
        await scenario.until_done()
        seconds = time.monotonic() - started
    assert plan.counts[fault] == 2
    assert_all_is_well(scenario, seconds)


@pytest.mark.soak
@pytest.mark.parametrize("fault", SILENT)
async def test_watches_that_say_nothing_are_given_up(
    plane: ApiHandle, new_namespaces: Namespaces, tmp_path: Path, figures: Figures, fault: str
) -> None:
    plan = Plan(SEED, share=0, watches=1.0, most={**none_but(fault), fault: 2})
    never = {"IMAGEBUILD_RESYNC_SECONDS": "3600"}
    async with staged(plane, cast(8, new_namespaces(1), ALONE), plan, tmp_path, never) as scenario:
        await scenario.start_operator()
        await both_are_dead(plan, fault)
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(scenario.users.act())
            group.create_task(scenario.until_done())
        seconds = time.monotonic() - started
    figures(scenario.figures(seconds))
    assert_all_is_well(scenario, seconds)


def none_but(fault: str) -> dict[str, int]:
    return {other.name: 0 for other in FAULTS if other.name != fault}


async def both_are_dead(plan: Plan, fault: str) -> None:
    """The operator's two watches have met the fault, and will say nothing of what comes now."""
    await plan.until(fault, times=2)
    await asyncio.sleep(LAST_SECONDS)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_a_thousand_builds_end_right_whatever_the_api_server_does(
    plane: ApiHandle, new_namespaces: Namespaces, tmp_path: Path, figures: Figures
) -> None:
    most = {"timeout-before": 20, "timeout-after": 20, "watch-gone": 3, "watch-unanswered": 3, "watch-silent": 3}
    plan = Plan(SEED, share=SHARE, watches=1.0, most=most)
    async with staged(plane, cast(1000, new_namespaces(10)), plan, tmp_path) as scenario:
        seconds = await run(scenario, kills=10)
    figures(scenario.figures(seconds))
    assert set(plan.counts) == {fault.name for fault in FAULTS}
    assert_faults_came(scenario)
    assert_all_is_well(scenario, seconds)
