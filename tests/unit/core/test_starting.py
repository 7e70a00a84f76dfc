"""A Pod that does not start: when its Events are asked for, and what the conditions say."""

from datetime import timedelta

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.decide import decide
from imagebuild_operator.core.decisions import Decision, FetchWarnings, Wait
from imagebuild_operator.core.starting import MOUNTED_AFTER, TOLD_AFTER
from tests.unit.core.world import World

MISSING = 'MountVolume.SetUp failed for volume "registry-0" : secret "login" not found'
UNKNOWN = 'MountVolume.SetUp failed for volume "registry-0" : failed to sync secret cache: timed out'
HINT = "Create the secret login in the namespace of the build; the Pod then goes on by itself."
EARLY, LATE = MOUNTED_AFTER.total_seconds(), TOLD_AFTER.total_seconds()


def begun(*warnings: str, ready: str | None = "False", waiting: dict[str, str] | None = None) -> World:
    """A Pod that its node has taken, whose volumes and network are `ready` or of which that is not known."""
    world = World(warnings=warnings)
    world.step()
    [pod] = world.pods.values()
    conditions = [{"type": "PodScheduled", "status": "True"}]
    if ready is not None:
        conditions.append({"type": "PodReadyToStartContainers", "status": ready})
    state = {"waiting": waiting or {"reason": "ContainerCreating"}}
    pod["status"] = {
        "phase": "Pending",
        "conditions": conditions,
        "containerStatuses": [{"name": "build", "state": state}],
    }
    return world


def first_look(world: World, seconds: float) -> Decision:
    """What is decided so long after the run was recorded, before anything was looked at."""
    return decide(world.observe(), world.policy, world.now + timedelta(seconds=seconds))


def messages(world: World) -> dict[str, str]:
    return {each["type"]: each["message"] for each in world.status["conditions"]}


def test_a_volume_that_cannot_be_mounted_is_told_early() -> None:
    world = begun(MISSING)
    world.pass_time(EARLY - 1)
    assert world.step() == Wait(1)
    assert world.reason() == Reason.BUILDING
    world.pass_time(1)
    assert world.step() == Wait(LATE - EARLY)
    assert world.reason() == Reason.POD_NOT_STARTING
    told = f"The Pod cannot start: {MISSING}. {HINT}"
    assert messages(world) == {"Succeeded": told, "Ready": told, "Reconciling": told}


@pytest.mark.parametrize("ready", ["True", None])
def test_no_event_is_asked_for_while_an_image_may_be_pulled(ready: str | None) -> None:
    world = begun(MISSING, ready=ready)
    assert first_look(world, EARLY) == Wait(LATE - EARLY)
    assert first_look(world, LATE - 1) == Wait(1)
    assert isinstance(first_look(world, LATE), FetchWarnings)


def test_no_event_is_asked_for_of_a_pod_whose_volumes_are_mounted_at_once() -> None:
    assert first_look(begun(MISSING), EARLY - 1) == Wait(1)
    assert isinstance(first_look(begun(MISSING), EARLY), FetchWarnings)


def test_what_may_pass_by_itself_is_told_later() -> None:
    world = begun(UNKNOWN)
    world.pass_time(EARLY)
    assert world.step() == Wait(LATE - EARLY)
    assert world.reason() == Reason.BUILDING
    world.pass_time(LATE - EARLY)
    world.step()
    assert messages(world)["Reconciling"] == f"The Pod cannot start: {UNKNOWN}"


def test_what_was_told_early_is_not_taken_back_for_words_that_nobody_knows() -> None:
    world = begun(MISSING)
    world.pass_time(EARLY)
    world.step()
    world.warnings = (UNKNOWN, MISSING)
    world.pass_time(1)
    world.step()
    assert messages(world)["Reconciling"] == f"The Pod cannot start: {UNKNOWN}"


def test_a_pod_that_goes_on_is_no_longer_told_of() -> None:
    world = begun(MISSING)
    world.pass_time(EARLY)
    world.step()
    writes = len(world.writes)
    world.start_pod()
    world.step()
    assert (world.reason(), len(world.writes)) == (Reason.BUILDING, writes + 1)


def test_what_to_do_stands_in_ready_however_long_the_clusters_words_are() -> None:
    said = "failed to pull and unpack image: " + "x" * 900
    world = begun(ready="True", waiting={"reason": "ErrImagePull", "message": said})
    world.step()
    told, hint = messages(world), "the container prepare has the operator's own image."
    assert told["Ready"].endswith(hint)
    assert told["Reconciling"].endswith(hint)
    assert len(told["Ready"].encode()) <= 256 < len(told["Reconciling"].encode())
    assert not told["Succeeded"].endswith(hint), "the cluster's own words have more room there"
    writes = len(world.writes)
    world.live_pods()[0]["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] = "ImagePullBackOff"
    world.pass_time(60)
    world.step()
    assert (len(world.writes), messages(world)) == (writes, told)


def test_once_it_was_given_up_ready_has_the_whole_of_what_to_do() -> None:
    world = begun(ready="True", waiting={"reason": "ErrImagePull", "message": "x" * 900})
    world.pass_time(601)
    world.step()
    assert world.reason() == Reason.START_TIMEOUT
    assert messages(world)["Ready"].startswith("Run 1 failed: The Pod could not start within")
    assert messages(world)["Ready"].endswith(world.status["failure"]["hint"])
