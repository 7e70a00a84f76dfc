"""A Pod that does not start: when its Events are asked for, and what conditions and an Event of the build say."""

from datetime import timedelta

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.decide import decide
from imagebuild_operator.core.decisions import Announcement, Decision, FetchWarnings, Wait
from imagebuild_operator.core.starting import MOUNTED_AFTER, TOLD_AFTER
from tests.unit.core.world import World

MISSING = 'MountVolume.SetUp failed for volume "registry-0" : secret "login" not found'
OTHER = 'MountVolume.SetUp failed for volume "registry-1" : secret "mirror" not found'
UNKNOWN = 'MountVolume.SetUp failed for volume "registry-0" : failed to sync secret cache: timed out'
HINT = "Create the secret login in the namespace of the build; the Pod then goes on by itself."
QUOTA = 'pods "web" is forbidden: exceeded quota: tight, requested: pods=1, used: pods={}, limited: pods=1'
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


def events(world: World) -> list[Announcement]:
    return [told for write in world.writes for told in write.announcements]


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


def test_no_event_is_asked_for_while_an_image_may_be_pulled() -> None:
    world = begun(MISSING, ready=None)
    assert first_look(world, EARLY) == Wait(LATE - EARLY)
    assert first_look(world, LATE - 1) == Wait(1)
    assert isinstance(first_look(world, LATE), FetchWarnings)


def test_what_was_missing_is_over_once_the_volumes_are_mounted() -> None:
    """Its Event stays for an hour, and the image may take its time."""
    world = begun(MISSING)
    world.pass_time(EARLY)
    world.step()
    assert world.reason() == Reason.POD_NOT_STARTING
    [pod] = world.pods.values()
    pod["status"]["conditions"][1]["status"] = "True"
    world.pass_time(LATE)
    assert isinstance(world.step(), Wait)
    assert world.reason() == Reason.BUILDING


def test_an_image_that_takes_too_long_is_given_up_without_a_word_of_what_was_missing_before() -> None:
    world = begun(MISSING, ready="True")
    world.pass_time(world.policy.start_timeout)
    world.step()
    failure = world.status["failure"]
    assert failure["message"] == "The Pod could not start within spec.startTimeout."
    assert failure["hint"].startswith("Raise spec.startTimeout, ")


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


# Events of the build


def test_an_event_has_the_words_of_the_condition_and_told_again_it_is_the_same() -> None:
    world = begun(MISSING)
    world.pass_time(EARLY)
    world.step()
    [told] = events(world)
    assert (told.reason, told.warning) == ("PodNotStarting", True)
    assert told.note == messages(world)["Reconciling"] == f"The Pod cannot start: {MISSING}. {HINT}"
    for said in (UNKNOWN, MISSING.replace("SetUp", "SetUp, tried again,"), MISSING):
        world.warnings = (said,)
        world.pass_time(60)
        world.step()
        assert said in messages(world)["Reconciling"], "the condition follows the kubelet's words"
    assert {each.about for each in events(world)} == {told.about}


def test_other_words_for_the_same_obstacle_post_nothing() -> None:
    world = begun(MISSING)
    world.pass_time(EARLY)
    world.step()
    for said in (MISSING.replace("SetUp", "SetUp, tried again,"), UNKNOWN, UNKNOWN.replace("cache", "cache again")):
        world.warnings = (said,)
        world.pass_time(60)
        world.step()
    assert (len(world.writes), len(events(world))) == (5, 1)


def test_each_missing_object_is_an_event_of_its_own() -> None:
    world = begun(MISSING)
    world.pass_time(EARLY)
    world.step()
    world.warnings = (OTHER, MISSING)
    world.pass_time(60)
    world.step()
    first, second = events(world)
    assert first.about != second.about
    assert "Create the secret mirror in the namespace" in second.note


@pytest.mark.parametrize(
    ("reason", "said", "then"),
    [
        ("CreateContainerConfigError", 'secret "login" not found', 'secret "mirror" not found'),
        ("ErrImagePull", "not found", ""),
    ],
)
def test_what_a_container_waits_for_is_told_by_what_there_is_to_do(reason: str, said: str, then: str) -> None:
    world = begun(ready="True", waiting={"reason": reason, "message": said})
    world.step()
    [waiting] = [each["state"]["waiting"] for each in world.live_pods()[0]["status"]["containerStatuses"]]
    for message in (f"{said}: back-off", then or f"{said}: tried again"):
        waiting["message"] = message
        world.pass_time(60)
        world.step()
    assert len(events(world)) == (2 if then else 1)
    assert (then or said) in messages(world)["Reconciling"]


def test_a_build_that_starts_in_time_posts_nothing_of_it() -> None:
    world = begun()
    world.pass_time(LATE)
    world.step()
    world.start_pod()
    world.step()
    assert events(world) == []


def test_an_obstacle_that_passes_posts_nothing_more() -> None:
    world = begun(MISSING)
    world.pass_time(EARLY)
    world.step()
    world.start_pod()
    world.step()
    assert world.reason() == Reason.BUILDING
    assert [told.reason for told in events(world)] == [Reason.POD_NOT_STARTING]


def refused(said: str) -> World:
    world = World()
    world.refuse = (403, said)
    world.step()
    return world


def test_a_refusal_is_an_event_and_its_figures_are_told_once() -> None:
    world = refused(QUOTA.format(1))
    [told] = events(world)
    assert (told.reason, told.warning) == ("PodForbidden", True)
    assert told.note == messages(world)["Reconciling"]
    assert told.note.endswith("Free room in ResourceQuota tight, have it raised, or lower spec.resources.")
    writes = len(world.writes)
    for used in range(2, 5):
        world.refuse = (403, QUOTA.format(used))
        world.pass_time(60)
        world.step()
    assert (len(world.writes), events(world)) == (writes, [told])
    assert len([action for action in world.actions if action.startswith("refused")]) == 4


def test_another_refusal_behind_the_first_is_told_too() -> None:
    world = refused('pods "web" is forbidden: violates PodSecurity "restricted:latest"')
    world.refuse = (403, QUOTA.format(1))
    world.pass_time(60)
    world.step()
    assert "exceeded quota: tight" in messages(world)["Reconciling"]
    first, second = events(world)
    assert first.about != second.about


def test_an_edit_that_leaves_the_refusal_as_it_is_posts_nothing() -> None:
    world = refused(QUOTA.format(1))
    world.edit(ttlSecondsAfterFinished=60)
    world.pass_time(60)
    world.step()
    assert world.status["observedGeneration"] == 2
    assert (world.reason(), len(events(world))) == (Reason.POD_FORBIDDEN, 1)


def test_an_attempt_that_an_edit_makes_tells_anew() -> None:
    world = refused(QUOTA.format(1))
    world.edit(resources={"limits": {"memory": "4Gi"}})
    world.pass_time(60)
    world.step()
    first, second = events(world)
    assert first.note == second.note
    assert first.about != second.about


def test_what_comes_after_an_obstacle_of_another_kind_is_an_event_of_its_own() -> None:
    world = begun(ready=None, waiting={"reason": "CreateContainerError", "message": "no such runtime"})
    world.step()
    world.live_pods()[0]["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ContainerCreating"}}
    world.warnings = (UNKNOWN,)
    world.pass_time(60)
    world.step()
    kinds = ["Container build cannot be created: no such runtime", f"The Pod cannot start: {UNKNOWN}"]
    assert [told.note for told in events(world)] == kinds
    assert len({told.about for told in events(world)}) == len(kinds)


@pytest.mark.parametrize(("length", "whole"), [(253, True), (2000, False)])
def test_however_long_a_name_is_what_to_do_fits_into_the_status(length: int, whole: bool) -> None:
    world = begun(MISSING.replace("login", "a" * length))
    for _ in range(3):
        world.pass_time(60)
        world.step()
    told = messages(world)["Reconciling"]
    assert told.endswith("the Pod then goes on by itself." if whole else "…")
    assert len(told.encode()) <= 512
    assert (len(world.writes), len(events(world))) == (2, 1)


def test_a_refusal_in_unknown_words_takes_the_place_of_a_known_one() -> None:
    world = refused(QUOTA.format(1))
    for said in ('pods "web" is forbidden: no such thing', 'pods "web" is forbidden: nor that'):
        world.refuse = (403, said)
        world.pass_time(60)
        world.step()
        assert messages(world)["Ready"] == f"The API server refuses the Pod: {said}"
    first, second = events(world)
    assert "exceeded quota" in first.note
    assert "no such thing" in second.note


def test_what_a_container_waits_for_now_is_told_where_nobody_knows_what_to_do() -> None:
    world = begun(ready="True", waiting={"reason": "CreateContainerConfigError", "message": 'secret "login" not found'})
    world.step()
    [waiting] = [each["state"]["waiting"] for each in world.live_pods()[0]["status"]["containerStatuses"]]
    waiting |= {"reason": "CreateContainerError", "message": "no such runtime"}
    world.pass_time(60)
    world.step()
    assert messages(world)["Reconciling"] == "Container build cannot be created: no such runtime"
    assert len(events(world)) == 2
