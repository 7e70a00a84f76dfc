"""A finished build: what starts nothing, what is written of it, and when the ImageBuild itself may go."""

from typing import Any

import pytest

from imagebuild_operator.api.names import Phase
from imagebuild_operator.core.decide import decide
from imagebuild_operator.core.decisions import DeleteBuild, FetchBuild, Wait
from tests.unit.core.kstatus import kstatus
from tests.unit.core.world import World, inline_spec

FAILED: dict[str, Any] = {"exit_code": 1, "message": "", "reason": "Error"}
# None of these decides what is built, nor what becomes of it.
NOT_THE_BUILD: list[dict[str, Any]] = [
    {"priority": 5},
    {"suspend": False},
    {"concurrencyGroup": "web"},
    {"ttlSecondsAfterFinished": 99_999},
]
# These decide whether a build succeeds, not what its image holds.
ONLY_THE_RESULT: list[dict[str, Any]] = [
    {"resources": {"limits": {"memory": "4Gi"}}},
    {"timeout": "2h"},
    {"noOutputTimeout": "5m"},
    {"retry": {"limit": 5}},
    {"podTemplate": {"nodeSelector": {"disk": "ssd"}}},
]


def events(world: World, since: int = 0) -> list[str]:
    return [told.reason for write in world.writes[since:] for told in write.announcements]


@pytest.mark.parametrize("result", [{}, FAILED])
def test_a_label_or_an_annotation_of_others_writes_nothing(result: dict[str, Any]) -> None:
    world = World().built(**result)
    writes = len(world.writes)
    world.labels = {"team": "shop"}
    world.annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    world.version += 1
    assert world.step() == Wait()
    assert len(world.writes) == writes


@pytest.mark.parametrize("change", [*NOT_THE_BUILD, *ONLY_THE_RESULT])
def test_an_edit_that_changes_no_image_costs_one_write_and_one_event(change: dict[str, Any]) -> None:
    world = World().built()
    before, writes = world.status, len(world.writes)
    world.edit(**change)
    rest = world.step()
    assert isinstance(rest, Wait)
    assert len(world.writes) == writes + 1
    (told,) = world.writes[-1].announcements
    assert (told.reason, told.about, told.warning) == ("UpToDate", "generation 2", False)
    assert "run 1" in told.note
    assert world.status["observedGeneration"] == world.status["run"]["generation"] == 2
    assert {condition["observedGeneration"] for condition in world.status["conditions"]} == {2}
    same = {**world.status, "observedGeneration": 1, "run": {**world.status["run"], "generation": 1}}
    same["conditions"] = [{**condition, "observedGeneration": 1} for condition in world.status["conditions"]]
    assert same == before
    assert kstatus(2, world.status) == "Current"
    world.pass_time(3600)
    world.step()
    assert len(world.writes) == writes + 1


@pytest.mark.parametrize("change", NOT_THE_BUILD)
def test_after_a_failure_an_edit_of_nothing_that_matters_is_noted_without_an_event(change: dict[str, Any]) -> None:
    world = World().built(**FAILED)
    writes = len(world.writes)
    world.edit(**change)
    world.step()
    assert len(world.writes) == writes + 1
    assert events(world, writes) == []
    assert world.status["phase"] == Phase.FAILED
    assert kstatus(2, world.status) == "Failed"


@pytest.mark.parametrize("change", ONLY_THE_RESULT)
def test_after_a_failure_an_edit_that_may_mend_it_builds_again(change: dict[str, Any]) -> None:
    world = World().built(**FAILED)
    world.edit(**change)
    world.step()
    assert world.status["run"]["number"] == 2


# --- spec.ttlSecondsAfterFinished ----------------------------------------------------------------------------------


def finished(ttl: int = 600, **result: Any) -> World:
    return World(spec=inline_spec(ttlSecondsAfterFinished=ttl)).built(**result)


@pytest.mark.parametrize("result", [{}, FAILED])
def test_a_finished_build_lives_for_the_time_given(result: dict[str, Any]) -> None:
    world = finished(600, **result)
    assert world.step() == Wait(600.0)
    world.pass_time(599)
    assert world.step() == Wait(1.0)
    assert not world.deleted
    world.pass_time(1)
    world.step()
    assert world.deleted


def test_a_build_without_the_field_stays() -> None:
    world = World().built()
    world.pass_time(10**9)
    assert world.step() == Wait()


def test_a_time_of_zero_deletes_at_once() -> None:
    world = finished(0)
    assert world.deleted
    assert world.status["phase"] == Phase.SUCCEEDED, "the result is recorded before"


def test_only_a_copy_that_was_just_read_is_deleted() -> None:
    world = finished(600)
    world.pass_time(600)
    assert decide(world.observe(), world.policy, world.now) == FetchBuild()
    assert decide(world.observe(fresh=True), world.policy, world.now) == DeleteBuild()


def test_a_cancelled_build_goes_too_and_an_unfinished_or_suspended_one_does_not() -> None:
    world = World(spec=inline_spec(ttlSecondsAfterFinished=600)).begun()
    world.pass_time(1200)
    world.step()
    world.edit(suspend=True)
    world.step()
    world.kubelet()
    world.pass_time(10**6)
    assert world.step() == Wait()
    world.cancel("now")
    world.step()
    world.pass_time(600)
    world.step()
    assert world.deleted


def test_a_finished_build_with_a_run_due_is_not_deleted() -> None:
    world = finished(600)
    world.pass_time(600)
    world.edit(suspend=True, target="other")
    assert world.step() == Wait()
    assert not world.deleted
    world.edit(suspend=False)
    world.step()
    assert world.status["run"]["number"] == 2


def test_a_ttl_that_is_set_later_counts_from_the_end_of_the_run() -> None:
    world = World().built()
    world.pass_time(500)
    world.edit(ttlSecondsAfterFinished=600)
    assert world.step() == Wait(100.0)
    assert events(world)[-1] == "UpToDate"


def test_a_clock_that_jumped_back_deletes_nothing_too_early() -> None:
    world = finished(600)
    world.pass_time(-3600)
    assert world.step() == Wait(4200.0)


TRACKED = [
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux"),
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD"),
    ("labels", "argocd.argoproj.io/instance", "Argo CD"),
    ("labels", "app.kubernetes.io/instance", "Argo CD"),
]


@pytest.mark.parametrize(("where", "key", "who"), TRACKED)
@pytest.mark.parametrize("result", [{}, FAILED])
def test_a_build_that_a_gitops_controller_tracks_is_never_deleted_and_that_is_said_once(
    where: str, key: str, who: str, result: dict[str, Any]
) -> None:
    world = World(spec=inline_spec(ttlSecondsAfterFinished=0))
    setattr(world, where, {key: "shop"})
    world.built(**result)
    assert world.step() == Wait()
    world.pass_time(10**6)
    assert world.step() == Wait()
    assert not world.deleted
    told = [told for write in world.writes for told in write.announcements if told.reason == "TTLIgnored"]
    assert [(event.warning, who in event.note) for event in told] == [(True, True)]


def test_a_tracked_build_without_a_ttl_says_nothing() -> None:
    world = World()
    world.labels = {"kustomize.toolkit.fluxcd.io/name": "shop"}
    world.built()
    assert events(world) == ["Succeeded"]


def test_a_ttl_that_a_tracked_build_gets_later_is_told_with_the_edit() -> None:
    world = World()
    world.labels = {"kustomize.toolkit.fluxcd.io/name": "shop"}
    world.built()
    world.edit(ttlSecondsAfterFinished=600)
    world.step()
    assert events(world)[-2:] == ["UpToDate", "TTLIgnored"]
    writes = len(world.writes)
    world.pass_time(600)
    assert world.step() == Wait()
    assert len(world.writes) == writes
