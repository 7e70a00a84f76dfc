"""Slots: what is granted and promised beyond the records, who is woken, and what those who wait are told."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebuild_operator.core.queueing import Key, Limits, Slot
from tests.unit.shell.records import Records

A, B, C, D = (("ns", name) for name in "abcd")
ELSEWHERE = ("other", "a")


def queued(limits: Limits, *keys: Key, **spec: Any) -> Records:
    """All of them looked at, in this order."""
    records = Records(limits)
    for key in keys:
        records.apply(key, **spec)
    records.work()
    return records


def test_a_grant_that_was_not_used_is_free_again() -> None:
    records = queued(Limits(1))
    assert records.admission.ask(A) == Slot(granted=True, turn=1)
    assert not records.admission.ask(B).granted
    assert records.admission.ask(A) == Slot(granted=True, turn=1), "who holds it may ask again"
    records.admission.settle(A)
    assert records.admission.ask(B) == Slot(granted=True, turn=2)


def test_who_asked_and_is_not_recorded_yet_is_before_those_who_ask_later() -> None:
    records = queued(Limits(1), A)
    records.apply(B)
    assert not records.admission.ask(B).granted
    records.woken.clear()
    records.end(A)
    records.apply(C)
    assert not records.admission.ask(C).granted
    assert B not in records.woken, "its pass goes on"
    assert records.admission.ask(B).granted


def test_who_is_called_is_woken_once() -> None:
    records = queued(Limits(1), A, B, C)
    records.end(A)
    assert list(records.woken) == [B]
    records.woken.clear()
    records.admission.refresh()
    records.admission.settle(C)
    assert not records.woken
    records.look(B)
    records.end(B)
    assert list(records.woken) == [C]


def test_limits_that_were_lowered_hold_as_soon_as_enough_have_ended() -> None:
    records = queued(Limits(3), A, B, C, D)
    records.limits = Limits(1)
    records.restart()
    records.work()
    assert records.running == [A, B, C]
    for key in (A, B):
        records.end(key)
        records.work()
        assert D not in records.running
    records.end(C)
    records.work()
    assert records.running == [D]


def test_the_gauges_tell_how_many_run_and_wait() -> None:
    records = queued(Limits(2), A, B, C)
    active, waiting = "imagebuild_builds_active", "imagebuild_builds_queued"
    assert (records.sample(active), records.sample(waiting)) == (2, 1)
    records.end(A)
    records.work()
    assert (records.sample(active), records.sample(waiting)) == (2, 0)
    records.restart()
    assert (records.sample(active), records.sample(waiting)) == (2, 0)


# --- namespaces and groups ------------------------------------------------------------------------------------------


def test_a_namespace_at_its_limit_holds_nobody_else_up() -> None:
    records = queued(Limits(3, 1), A, B, C, ELSEWHERE)
    assert records.running == [A, ELSEWHERE]
    assert records.answers[C].why == "waits, 2nd in line, for the running build of its namespace to end"
    records.end(A)
    records.work()
    assert records.running == [ELSEWHERE, B]


def test_a_group_is_one_after_another_and_holds_nobody_else_up() -> None:
    records = queued(Limits(3), A, B, C, concurrencyGroup="web")
    records.apply(D)
    records.apply(ELSEWHERE, concurrencyGroup="web")
    records.work()
    assert records.running == [A, D, ELSEWHERE]
    assert records.answers[B].why == "waits, next in line, for build a of its concurrency group to end"
    assert records.answers[C].why == "waits, 2nd in line, for the builds before it in its concurrency group"
    records.end(A)
    records.work()
    assert records.running == [D, ELSEWHERE, B]


def test_the_pod_of_a_build_that_is_gone_counts_until_it_is_gone_too() -> None:
    records = queued(Limits(2), A, concurrencyGroup="web")
    records.apply(B, concurrencyGroup="web")
    records.apply(C)
    records.apply(D)
    records.work()
    assert records.running == [A, C]
    records.store.drop_build(A)
    del records.builds[A]
    records.admission.settle(A)
    records.restart()
    records.work()
    assert records.running == [A, C]
    assert records.answers[B].why == "waits, next in line, for build a of its concurrency group to end"
    records.store.lose_pod(A, records.pods.pop(A)["metadata"]["uid"])
    records.admission.refresh()
    records.work()
    assert records.running == [C, B]


def test_a_running_build_that_changes_its_group_does_not_run_beside_the_group() -> None:
    records = queued(Limits(9), A, concurrencyGroup="web")
    records.apply(B, concurrencyGroup="api")
    records.work()
    records.apply(A, concurrencyGroup="api")
    slot = records.admission.ask(A)
    assert not slot.granted
    assert slot.why == "waits, next in line, for build b of its concurrency group to end"
    records.apply(A, concurrencyGroup="web")
    assert records.admission.ask(A).granted
    records.apply(A, concurrencyGroup="docs")
    assert records.admission.ask(A).granted
    records.apply(C, concurrencyGroup="docs")
    assert not records.admission.ask(C).granted, "a group that was granted is busy"
    records.apply(D, concurrencyGroup="web")
    assert not records.admission.ask(D).granted, "and so is that of the Pod which still runs"


def test_a_pod_that_is_still_to_come_keeps_the_group_busy_that_let_it_in_though_it_was_edited() -> None:
    records = queued(Limits(9), A, concurrencyGroup="web")
    records.pods.pop(A)
    records.apply(A, concurrencyGroup="api")
    records.restart()
    records.apply(B, concurrencyGroup="web")
    records.apply(C, concurrencyGroup="api")
    records.work()
    assert records.running == [C]
    assert records.answers[B].why == "waits, next in line, for build a of its concurrency group to end"
    assert records.answers[C].group == "api"


def test_a_retry_that_was_moved_to_another_group_waits_there_and_leaves_its_own_to_the_next() -> None:
    records = queued(Limits(9), A, B, concurrencyGroup="web")
    records.apply(C, concurrencyGroup="api")
    records.work()
    records.fail(A)
    records.apply(A, concurrencyGroup="api")
    records.woken.clear()
    records.restart()
    records.look(B)
    assert not records.answers[B].granted, "the retry has not asked yet"
    records.look(A)
    assert records.answers[A].why == "waits, next in line, for build c of its concurrency group to end"
    records.work()
    assert records.running == [C, B]
    records.end(C)
    records.work()
    assert records.running == [B, A]
    assert records.answers[A].group == "api"


def test_priority_decides_in_a_group_too_and_can_be_raised_in_the_line() -> None:
    records = queued(Limits(1), A, B, C)
    records.apply(C, priority=1)
    records.apply(D, priority=1)
    records.work()
    for expected in (C, D, B):
        records.end(records.running[0])
        records.work()
        assert records.running == [expected]


# --- suspended, failed, deleted -------------------------------------------------------------------------------------


def test_who_is_suspended_is_not_in_line() -> None:
    records = queued(Limits(1), A, B, C)
    records.suspend(B)
    records.end(A)
    records.work()
    assert records.running == [C]
    records.resume(B)
    records.work()
    assert records.turn(B) > records.turn(C)
    records.end(C)
    records.work()
    assert records.running == [B]


def test_a_run_that_waits_after_a_failure_neither_waits_nor_holds() -> None:
    records = queued(Limits(1), A, B)
    turn = records.turn(A)
    records.fail(A)
    records.work()
    assert records.running == [B]
    assert records.sample("imagebuild_builds_queued") == 0
    records.apply(C)
    records.work()
    records.look(A)
    assert records.turn(A) == turn
    records.end(B)
    records.work()
    assert records.running == [A], "it kept its turn"


def test_a_build_that_is_being_deleted_holds_nobody_up() -> None:
    records = queued(Limits(1), A, B, C)
    records.builds[B]["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "1000"}
    records.store.see_build(records.builds[B])
    records.end(A)
    records.work()
    assert records.running == [C]


def test_the_next_run_of_a_build_that_has_ended_comes_after_those_who_wait() -> None:
    records = queued(Limits(1), A, ELSEWHERE)
    name = records.pods[A]["metadata"]["name"]
    records._pod(A, phase="Succeeded")
    assert records.store.pods(A)[0].name == name
    slot = records.admission.ask(A)
    assert (slot.granted, slot.turn) == (False, records.turn(ELSEWHERE) + 1)


def test_the_next_run_of_a_build_that_has_ended_comes_after_its_own_turn() -> None:
    records = queued(Limits(1), A, B, C)
    for key in (A, B):
        records.end(key)
        records.work()
    records._pod(C, phase="Succeeded")
    assert records.admission.ask(C) == Slot(granted=True, turn=4)


# --- who does not come when called ----------------------------------------------------------------------------------


def test_a_build_whose_record_is_refused_does_not_keep_its_slot_from_others_for_ever() -> None:
    records = queued(Limits(1), A, B, C, D)
    records.refused = {B}
    records.end(A)
    records.work()
    assert records.running == []
    records.seconds += 59
    records.look(B)
    assert not records.woken
    records.seconds += 1
    records.look(B)
    records.work()
    assert records.running == [C]
    records.end(C)
    records.work()
    assert records.running == [D]
    records.refused = set()
    records.look(B)
    records.end(D)
    records.work()
    assert records.running == [B]


def test_a_build_that_was_passed_over_starts_when_a_slot_is_free() -> None:
    records = queued(Limits(1), A, B, C)
    records.refused = {B}
    records.end(A)
    records.work()
    records.seconds += 60
    records.look(B)
    records.work()
    records.end(C)
    records.work()
    assert records.running == []
    records.refused = set()
    records.look(B)
    assert records.running == [B]


def test_a_refused_build_of_a_group_does_not_keep_the_group_waiting_for_ever() -> None:
    records = queued(Limits(9), A, B, C, concurrencyGroup="web")
    records.refused = {B}
    records.end(A)
    records.work()
    records.seconds += 60
    records.look(B)
    records.work()
    assert records.running == [C]


# --- what they are told ---------------------------------------------------------------------------------------------


def test_what_a_build_is_told_stays_for_a_minute() -> None:
    records = queued(Limits(1), A, B, C, D)
    told = records.answers[D].why
    assert told == "waits, 3rd in line, for the running build to end"
    records.end(A)
    records.work()
    records.seconds += 59
    records.look(D)
    assert records.answers[D].why == told
    records.seconds += 1
    records.look(D)
    assert records.answers[D].why == "waits, 2nd in line, for the running build to end"
    records.end(B)
    records.work()
    records.seconds += 59
    records.look(D)
    assert records.answers[D].why == "waits, 2nd in line, for the running build to end"


def test_what_has_not_changed_for_a_minute_may_change_at_once() -> None:
    records = queued(Limits(1), A, B, C)
    records.seconds += 60
    records.look(C)
    assert records.answers[C].why == "waits, 2nd in line, for the running build to end"
    records.seconds += 1
    records.end(A)
    records.work()
    records.look(C)
    assert records.answers[C].why == "waits, next in line, for the running build to end"


def test_a_long_queue_is_not_written_anew_with_each_step() -> None:
    records = Records(Limits(4))
    keys = [("ns", f"build-{number:03}") for number in range(500)]
    for key in keys:
        records.apply(key)
    records.work()
    writes = 0
    for _ in range(30):
        before = {key: records.answers[key].why for key in records.queued()}
        for key in records.running[:2]:
            records.end(key)
        records.work()
        records.seconds += 60
        for key in records.queued():
            records.look(key)
        writes += sum(records.answers[key].why != told for key, told in before.items() if key in records.queued())
    assert writes <= 30 * (20 + 4 * 2), "the first twenty, and two that pass each of 20, 50, 100 and 200"


# --- replacing ------------------------------------------------------------------------------------------------------


def replacing(records: Records, key: Key, **spec: Any) -> None:
    records.apply(key, concurrencyGroup="web", concurrencyPolicy="Replace", **spec)
    records.look(key)


def test_a_newer_build_that_replaces_takes_the_place_of_all_older_ones() -> None:
    records = queued(Limits(9), A, B, concurrencyGroup="web")
    records.apply(D)
    records.apply(ELSEWHERE, concurrencyGroup="web")
    records.work()
    replacing(records, C)
    assert list(records.woken) == [C, A, B]
    assert [records.admission.superseded_by(key) for key in (A, B, C, D, ELSEWHERE)] == ["c", "c", "", "", ""]
    assert not records.answers[C].granted
    records.end(B)
    records.work()
    assert C not in records.running
    records.end(A)
    records.work()
    assert C in records.running


def test_those_who_are_replaced_are_woken_once() -> None:
    records = queued(Limits(9), A, concurrencyGroup="web")
    replacing(records, C)
    records.woken.clear()
    records.look(C)
    records.admission.refresh()
    assert not records.woken
    replacing(records, D)
    assert set(records.woken) == {A, C, D}
    assert records.admission.superseded_by(A) == records.admission.superseded_by(C) == "d"


def test_a_build_that_queues_or_is_suspended_or_has_ended_replaces_nobody() -> None:
    records = queued(Limits(9), A, B, concurrencyGroup="web")
    assert records.admission.superseded_by(A) == ""
    replacing(records, C)
    records.suspend(C)
    assert records.admission.superseded_by(A) == ""
    records.resume(C)
    assert records.admission.superseded_by(A) == "c"
    records.apply(C, concurrencyPolicy="Queue")
    assert records.admission.superseded_by(A) == ""
    records.apply(C, concurrencyPolicy="Replace")
    for key in (A, B):
        records.end(key)
    records.work()
    records.end(C)
    records.apply(D, concurrencyGroup="web")
    records.work()
    assert records.admission.superseded_by(D) == ""


def test_an_older_build_that_replaces_leaves_newer_ones_alone() -> None:
    records = queued(Limits(9))
    replacing(records, A)
    records.apply(B, concurrencyGroup="web")
    records.work()
    assert [records.admission.superseded_by(key) for key in (A, B)] == ["", ""]
    records.restart()
    assert [records.admission.superseded_by(key) for key in (A, B)] == ["", ""]
    assert records.admission.superseded_by(("ns", "unknown")) == ""


# --- whatever happens -----------------------------------------------------------------------------------------------

Step = tuple[str, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["apply", "apply", "apply", "end", "end", "end", "fail", "suspend", "resume", "refuse", "restart", "wait"]
        ),
        st.integers(0, 11),
    ),
    max_size=60,
)


def do(records: Records, step: str, number: int) -> None:
    key = ("abc"[number % 3], f"build-{number}")
    match step:
        case "apply" if key not in records.builds:
            group = ["", "", "g", "h"][number % 4]
            records.apply(key, priority=number % 2, **({"concurrencyGroup": group} if group else {}))
        case "end" | "fail" if records.running:
            getattr(records, step)(records.running[number % len(records.running)])
        case "suspend" if key in records.queued() or key in records.running:
            records.suspend(key)
        case "resume" if key in records.builds:
            records.resume(key)
        case "refuse" if not records.refused:
            records.refused = {key}
        case "refuse":
            # The back-off of the work queue brings those whose pass failed again.
            records.woken.extend(records.refused)
            records.refused = set()
        case "restart":
            records.restart()
        case "wait":
            records.seconds += 61
            records.woken.extend(records.builds)
    records.work()


def check(records: Records, limits: Limits) -> None:
    """No limit is exceeded, and nobody waits for nothing."""
    running = records.running
    total, most = limits.total or 99, limits.per_namespace or 99
    assert len(running) <= total
    namespaces = [namespace for namespace, _ in running]
    assert all(namespaces.count(namespace) <= most for namespace in namespaces)
    groups = [(key[0], records.builds[key]["spec"].get("concurrencyGroup")) for key in running]
    grouped = [group for group in groups if group[1]]
    assert len(set(grouped)) == len(grouped)
    if records.refused or len(running) == total:
        return
    for key in records.queued():
        group = (key[0], records.builds[key]["spec"].get("concurrencyGroup"))
        assert namespaces.count(key[0]) == most or group in grouped, f"{key} could start"


@settings(deadline=None, max_examples=150)
@given(st.none() | st.integers(1, 4), st.none() | st.integers(1, 2), steps)
def test_no_limit_is_exceeded_and_nobody_waits_for_nothing(
    total: int | None, per_namespace: int | None, happens: list[Step]
) -> None:
    limits = Limits(total, per_namespace)
    records = Records(limits)
    for step, number in happens:
        do(records, step, number)
        check(records, limits)
    records.refused = set()
    for key in records.builds:
        records.resume(key)
        records.look(key)
    records.work()
    while records.running:
        records.end(records.running[0])
        records.work()
    assert {build["status"]["phase"] for build in records.builds.values()} <= {"Succeeded"}, "everybody's turn came"


@pytest.mark.parametrize("limit", [1, 5])
def test_nothing_is_kept_of_builds_that_have_ended(limit: int) -> None:
    records = queued(Limits(limit), A, B, concurrencyGroup="web")
    replacing(records, C)
    records.work()
    while records.running:
        records.end(records.running[0])
        records.work()
    admission = records.admission
    line, groups = admission._line, admission._groups
    for part in (line._ranks, line._waiting, line._holding, line._turns, line._busy, line._running):
        assert not part
    for index in (groups._members, groups._groups, groups._replacing):
        assert not index
    for kept in (admission._asked, admission._granted, admission._called, admission._absent, admission._told):
        assert not kept
    assert not records.store._standings
