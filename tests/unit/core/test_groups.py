"""Which concurrency group an attempt is in: the one it was given a slot in, whatever becomes of the spec meanwhile."""

from typing import Any

import pytest

from imagebuild_operator.api import names
from imagebuild_operator.core import groups
from tests.unit.core.world import World, inline_spec

ELSEWHERE = {"podTemplate": {"nodeSelector": {"disk": "ssd"}}}
EDITS = pytest.mark.parametrize(("group", "edited"), [("a", "b"), ("a", None), (None, "b")])


def world_in(group: str | None, *, slot: bool = True, refuse: tuple[int, str] | None = None) -> World:
    world = World(spec=inline_spec(**({"concurrencyGroup": group} if group else {})), slot=slot)
    world.refuse = refuse
    return world


def move(world: World, group: str | None, **changes: Any) -> None:
    """The user edits the group; nobody stores a null."""
    world.edit(concurrencyGroup=group, **changes)
    if group is None:
        del world.spec["concurrencyGroup"]


def pod_groups(world: World) -> list[str | None]:
    """The groups that all Pods were made in, oldest first."""
    pods = {**world.lost, **world.pods}.values()
    return [pod["metadata"]["labels"].get(names.LABEL_CONCURRENCY_GROUP) for pod in pods]


def recorded(world: World) -> str | None:
    return world.build.status.run.concurrency_group if world.build.status.run else None


@pytest.mark.parametrize("group", ["a", None])
def test_an_attempt_and_its_pod_are_in_the_group_of_the_spec(group: str | None) -> None:
    world = world_in(group)
    world.step()
    assert (recorded(world), pod_groups(world)) == (group, [group])
    assert ("concurrencyGroup" in world.status["run"]) == bool(group)


@EDITS
def test_an_edit_between_the_record_and_the_pod_lets_it_into_no_other_group(
    group: str | None, edited: str | None
) -> None:
    world = world_in(group, refuse=(403, "quota"))
    world.step()
    assert (world.pods, recorded(world)) == ({}, group)
    move(world, edited)
    world.step()
    world.refuse = None
    world.pass_time(30)
    world.step()
    assert pod_groups(world) == [group]
    world.start_pod()
    world.end_pod()
    world.step()
    world.edit(target="next")
    world.step()
    assert pod_groups(world) == [group, edited]


@EDITS
def test_the_pod_that_takes_the_place_of_one_that_never_started_has_its_group(
    group: str | None, edited: str | None
) -> None:
    world = world_in(group)
    world.step()
    move(world, edited, **ELSEWHERE)
    world.refuse = (403, "quota")
    world.step()
    world.kubelet()
    world.step()
    # An empty text is told apart from a record that says nothing and follows the spec.
    assert (world.status["run"]["attempt"], recorded(world) or None) == (2, group)
    world.refuse = None
    world.pass_time(30)
    world.step()
    assert pod_groups(world) == [group, group]


@EDITS
def test_a_queued_run_is_in_the_group_of_the_spec(group: str | None, edited: str | None) -> None:
    world = world_in(group, slot=False)
    world.step()
    assert (world.status["phase"], recorded(world)) == ("Queued", None)
    move(world, edited)
    world.slot = True
    world.step()
    assert (recorded(world), pod_groups(world)) == (edited, [edited])


@EDITS
def test_a_back_off_keeps_its_group_and_the_retry_asks_in_that_of_the_spec(
    group: str | None, edited: str | None
) -> None:
    world = world_in(group).backing_off()
    assert recorded(world) == group
    move(world, edited)
    world.step()
    assert recorded(world) == group
    world.slot = False
    world.wait_for_retry()
    assert (world.status["phase"], recorded(world)) == ("Queued", None)
    world.slot = True
    world.step()
    assert (recorded(world), pod_groups(world)) == (edited, [group, edited])


@EDITS
def test_a_resumed_run_asks_in_the_group_of_the_spec(group: str | None, edited: str | None) -> None:
    world = world_in(group).begun()
    world.edit(suspend=True)
    world.step()
    assert (world.status["phase"], recorded(world)) == ("Suspended", None)
    move(world, edited, suspend=False)
    world.kubelet()
    world.step()
    assert (recorded(world), pod_groups(world)) == (edited, [group, edited])


def test_a_slot_that_was_given_before_an_edit_is_used_in_its_group() -> None:
    world = world_in(None)
    build = world.build
    move(world, "b")
    assert groups.to_record(build, "a") == "a"
    assert groups.to_record(build, "") is None
    assert groups.to_record(world.build, "") == ""


@pytest.mark.parametrize(("edited", "group"), [(None, "a"), ("b", None)])
def test_a_record_that_names_no_group_follows_the_spec_until_an_edit(edited: str | None, group: str | None) -> None:
    world = world_in("a", refuse=(403, "quota"))
    world.step()
    # So wrote a version that did not record it.
    del world.status["run"]["concurrencyGroup"]
    if edited is not None:
        move(world, edited)
    world.refuse = None
    world.pass_time(30)
    world.step()
    assert pod_groups(world) == [group]
    assert recorded(world) is None
