"""The status stays small: etcd keeps every version of it, and every watcher receives it."""

import json

import pytest

from imagebuild_operator.api import names
from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import ImageBuildStatus
from imagebuild_operator.core import runs
from imagebuild_operator.core.decide import decide
from imagebuild_operator.core.decisions import WriteStatus
from imagebuild_operator.core.observe import Observation
from imagebuild_operator.core.outcome import clip, failure
from imagebuild_operator.core.transitions import closed
from tests.unit.core.world import DIGEST, World, inline_spec

LIMIT = 8192
IMAGE = "registry.example.com/" + "x" * 485 + ":1.2.3"
EVERY_INPUT = {
    "dockerfile": "Dockerfile",
    "target": "a",
    "buildArgs": [],
    "secrets": [],
    "executor": {"image": "e", "snapshotMode": "redo"},
}


def fullest(letter: str) -> World:
    """A build that has pushed once and been asked for again, every text of its status at its bound."""
    world = World(spec=inline_spec(output={"images": [IMAGE]}, **EVERY_INPUT))
    world.annotations = {names.ANNOTATION_REQUESTED_AT: letter * 256}
    world.built()
    world.pods.clear()
    world.status["source"] = {"commit": "c" * 40, "revision": clip(letter * 256, 256)}
    world.status["run"] |= {"number": 99_999, "generation": 99_999, "podName": "p" * 63, "duration": "8760h59m59s"}
    world.status["run"]["attempts"] = [{"number": n, "startTime": "2026-01-01T00:00:00Z"} for n in range(100, 108)]
    world.status["run"]["queuedTime"] = "2026-01-01T00:00:00.000000Z"
    assert world.status["digest"] == DIGEST
    return world


def size(status: ImageBuildStatus) -> int:
    stored = status.model_dump(by_alias=True, exclude_none=True, mode="json")
    assert ImageBuildStatus.model_validate(stored) == status, "beyond its own schema"
    return len(json.dumps(stored, ensure_ascii=False, separators=(",", ":")).encode())


@pytest.mark.parametrize("letter", ["x", "ä", "語", "😀"])
def test_the_status_of_a_failure_with_every_text_at_its_bound(letter: str) -> None:
    world = fullest(letter)
    run = world.build.status.run
    assert run is not None
    failed = failure(Reason.START_TIMEOUT, letter * 999, letter * 999, exit_code=255, log=letter * 9999)
    decision = closed(world.build, run, failed, world.now)
    assert isinstance(decision, WriteStatus)
    assert decision.status.failure is not None
    assert size(decision.status) <= LIMIT


@pytest.mark.parametrize("letter", ["x", "ä", "語", "😀"])
def test_the_status_of_a_pod_that_cannot_start(letter: str) -> None:
    world = fullest(letter)
    build = world.build
    run = runs.record(build, number=99_999, attempt=1, now=world.now, before=build.status.run)
    world.status["run"] = run.model_dump(by_alias=True, exclude_none=True)
    world.step()
    world.pass_time(60)
    seen = Observation(build=world.build, pods=world.observe().pods, warnings=(letter * 4000,))
    decision = decide(seen, world.policy, world.now)
    assert isinstance(decision, WriteStatus)
    assert letter * 100 in decision.status.model_dump_json()
    assert size(decision.status) <= LIMIT


def test_each_further_image_adds_no_more_than_its_length() -> None:
    world = fullest("x")
    one = size(world.build.status)
    world.status["images"] = [IMAGE] * 16
    assert size(world.build.status) <= one + 15 * (len(IMAGE) + 3)
