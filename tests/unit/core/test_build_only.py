"""Builds with `output.push: false`: their success is a digest, and no word of a push."""

import json
from typing import Any

import pytest

from imagebuild_operator.api.names import ConditionType, Phase
from tests.unit.core.world import DIGEST, World, inline_spec

IMAGES = ["registry.example.com:5000/team/web:1"]
BUILD_ONLY: dict[str, Any] = {"output": {"images": IMAGES, "push": False}}
PUSHED: dict[str, Any] = {"output": {"images": IMAGES}}


def test_the_status_has_a_digest_and_no_image() -> None:
    world = World(spec=inline_spec(**BUILD_ONLY)).built()
    assert world.status["phase"] == Phase.SUCCEEDED
    assert world.condition(ConditionType.READY) == "True"
    assert world.status["digest"] == DIGEST
    assert not {"image", "images"} & world.status.keys()
    told = f"Built {DIGEST}. Nothing was pushed: spec.output.push was false."
    assert {condition["message"] for condition in world.status["conditions"]} == {told}
    assert world.status["history"][0]["digest"] == DIGEST


def test_the_event_claims_no_push() -> None:
    world = World(spec=inline_spec(**BUILD_ONLY)).built()
    (told,) = world.writes[-1].announcements
    assert told.note == f"Run 1 built {DIGEST} and pushed nothing, as it was asked."


def test_a_warning_claims_no_push_either() -> None:
    world = World(spec=inline_spec(**BUILD_ONLY)).built(reason="OOMKilled")
    (told,) = world.writes[-1].announcements
    assert told.note.startswith(f"Run 1 built {DIGEST} and pushed nothing, as it was asked. But a process")


def test_the_image_of_an_earlier_push_goes_and_a_later_push_brings_one() -> None:
    world = World(spec=inline_spec(**PUSHED)).built()
    assert world.status["image"] == f"registry.example.com:5000/team/web@{DIGEST}"
    world.edit(**BUILD_ONLY)
    world.built()
    assert world.status["run"]["number"] == 2
    assert not {"image", "images"} & world.status.keys()
    world.edit(**PUSHED)
    world.built()
    assert world.status["images"] == IMAGES
    assert world.status["image"] == f"registry.example.com:5000/team/web@{DIGEST}"


@pytest.mark.parametrize("members", [BUILD_ONLY, PUSHED])
def test_an_edit_of_nothing_that_matters_leaves_what_is_told(members: dict[str, Any]) -> None:
    world = World(spec=inline_spec(**members)).built()
    told = [condition["message"] for condition in world.status["conditions"]]
    world.edit(timeout="2h")
    world.step()
    assert world.status["observedGeneration"] == 2
    assert [condition["message"] for condition in world.status["conditions"]] == told


def test_what_was_pushed_is_read_off_the_pod_not_off_the_spec() -> None:
    world = World(spec=inline_spec(**PUSHED)).begun()
    world.edit(**BUILD_ONLY)
    world.end_pod()
    world.step()
    # The result of run 1 and the record of run 2 are one write.
    assert world.status["run"]["number"] == 2
    assert world.status["images"] == IMAGES


def test_a_failure_of_a_build_that_pushes_nothing_is_a_failure() -> None:
    world = World(spec=inline_spec(**BUILD_ONLY)).built(exit_code=1, reason="Error")
    assert world.status["phase"] == Phase.FAILED
    assert "digest" not in json.loads(json.dumps(world.status))
