"""The status stays small: etcd keeps every version of it, and every watcher receives it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from imagebuild_operator.api.crd import openapi_schema
from imagebuild_operator.api.names import Reason, RunCause
from imagebuild_operator.api.v1alpha1 import Failure, ImageBuildStatus, Run
from imagebuild_operator.core import ending, inputs, runs, transitions
from imagebuild_operator.core.bounds import END_BYTES
from imagebuild_operator.core.conditions import InProgress
from imagebuild_operator.core.decisions import Wait, WriteStatus
from imagebuild_operator.core.instruction import Place
from imagebuild_operator.core.outcome import clip, failure
from imagebuild_operator.core.queueing import Slot
from imagebuild_operator.core.reading import JSON
from tests.unit.core.world import DIGEST, World, inline_spec

LIMIT = 8192
IMAGE = "registry.example.com/" + "x" * 485 + ":1.2.3"
LETTERS = ["x", "ä", "語", "😀"]
TIME = "2026-01-01T00:00:00Z"
LONGEST_REASON = max(Reason, key=len)
LONGEST_CAUSE = max(RunCause, key=len)


def spec(letter: str) -> JSON:
    """Every input there is, those whose values are shown longer than what is shown of them."""
    return inline_spec(
        source={"git": {"url": f"https://git.example.com/{len(letter)}.git", "revision": f"r{letter * 99}"}},
        output={"images": [IMAGE]},
        dockerfile="Dockerfile",
        target=f"t{letter * 99}",
        buildArgs=[],
        secrets=[],
        executor={"image": f"e{letter * 99}", "snapshotMode": "redo", "extraArgs": []},
    )


def fullest(letter: str) -> World:
    """A build that has pushed, and whose open run has had many attempts; every field of its status at its bound."""
    world = World(spec=spec(letter)).built()
    world.pods.clear()
    world.edit(**{**spec("y" + letter), "dockerfile": "other", "buildArgs": [{"name": "A"}], "secrets": [{"id": "a"}]})
    executor = {"image": f"f{letter * 99}", "snapshotMode": "full", "extraArgs": ["--single-snapshot"]}
    world.edit(output={"images": [IMAGE], "labels": {"a": "b"}}, executor=executor)
    world.request(letter * 999)
    world.cancel(letter * 999)
    run = runs.recorded(world.build, Slot(granted=True, turn=99_999), world.now, world.build.status.run)
    attempt = {"startTime": TIME, "completionTime": TIME, "reason": LONGEST_REASON.value}
    past = {"cause": LONGEST_CAUSE.value, "digest": DIGEST, "reason": LONGEST_REASON.value, **TIMES}
    world.status["run"] = stored(run) | {
        "number": 99_999,
        "generation": 99_999,
        "cause": LONGEST_CAUSE.value,
        "attempt": 107,
        "attempts": [{"number": n, **attempt} for n in range(107, 99, -1)],
        "podName": "p" * 63,
        "concurrencyGroup": "g" * 63,
        "retries": {"failures": 10, "disruptions": 3, "memory": 5},
    }
    world.status["memory"] = {"limit": "1023999999Ki", "learned": "1023999999Ki", "learnedTime": TIME}
    world.status["history"] = [{"number": n, **past} for n in range(99_998, 99_993, -1)]
    world.status["source"] = {"commit": "c" * 64, "revision": clip(letter * 256, 256), "digest": DIGEST}
    world.status["failure"] = stored(full_failure(letter))
    world.status["lastHandledRequest"] = world.build.request
    world.status["lastHandledCancel"] = world.build.cancel
    world.generation = 99_999
    return world


TIMES = {"startTime": TIME, "completionTime": TIME}


def full_failure(letter: str) -> Failure:
    at = Place(letter * 999, 99_999)
    return failure(LONGEST_REASON, letter * 999, letter * 999, exit_code=255, log=f"a{letter * 9999}b", at=at)


def stored(model: ImageBuildStatus | Run | Failure) -> JSON:
    return model.model_dump(by_alias=True, exclude_none=True, mode="json")


def size(status: ImageBuildStatus) -> int:
    document = stored(status)
    assert ImageBuildStatus.model_validate(document) == status, "beyond its own schema"
    return bytes_of(document)


def bytes_of(document: Any) -> int:
    return len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())


Write = Callable[[World, Run, str], object]


def _told(reason: Reason) -> Write:
    def write(world: World, run: Run, letter: str) -> object:
        message = clip(letter * 999, 512)
        return transitions.in_progress(world.build, run, world.now, after=None, waits=InProgress(reason, message))

    return write


def _failed(world: World, run: Run, letter: str) -> object:
    return ending.close(world.observe(), run, full_failure(letter), world.now)


def _retrying(world: World, run: Run, letter: str) -> object:
    later = run.model_copy(update={"pod_name": None, "next_attempt_time": TIME})
    return transitions.retrying(world.build, later, full_failure(letter), world.now)


def _queued(world: World, run: Run, letter: str) -> object:
    later = run.model_copy(update={"pod_name": None})
    return transitions.queued(world.build, later, letter * 999, world.now)


def _suspended(world: World, run: Run, letter: str) -> object:
    return transitions.suspended(world.build, runs.held(run, world.now), world.now, stopped=True)


def _unreadable(world: World, run: Run, letter: str) -> object:
    world.edit(timeout=letter * 999)
    return transitions.invalid_spec(world.build, world.now)


WRITES: dict[str, Write] = {
    "failed": _failed,
    "retrying": _retrying,
    "queued": _queued,
    "suspended": _suspended,
    "unreadable": _unreadable,
    **{reason.value: _told(reason) for reason in (Reason.POD_NOT_STARTING, Reason.POD_TERMINATING)},
}


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("kind", WRITES)
def test_the_status_with_every_field_at_its_bound(kind: str, letter: str) -> None:
    world = fullest(letter)
    run = world.build.status.run
    assert run is not None
    decision = WRITES[kind](world, run, letter)
    assert isinstance(decision, WriteStatus)
    assert size(decision.status) <= LIMIT
    assert decision.status.failure is not None
    assert decision.status.failure.log_tail is not None, "the end of the log is there even then"


def fields(schema: Any, path: str = "") -> set[str]:
    """Paths of all fields of a schema."""
    found: set[str] = set()
    for name, member in schema.get("properties", {}).items():
        found |= {f"{path}{name}"} | fields(member.get("items", member), f"{path}{name}.")
    return found


def filled(document: Any, path: str = "") -> set[str]:
    """Paths of all fields that a status has."""
    found: set[str] = set()
    for name, member in document.items():
        found.add(f"{path}{name}")
        for each in member if isinstance(member, list) else [member]:
            found |= filled(each, f"{path}{name}.") if isinstance(each, dict) else set()
    return found


def test_every_field_there_is_counts() -> None:
    """One that is added to the status belongs into the fullest there can be."""
    written: set[str] = set()
    for write in WRITES.values():
        world = fullest("x")
        run = world.build.status.run
        assert run is not None
        decision = write(world, run, "x")
        assert isinstance(decision, WriteStatus)
        written |= filled(stored(decision.status))
    assert written == fields(openapi_schema()["properties"]["status"])


def test_every_input_there_is_counts() -> None:
    run = fullest("x").build.status.run
    assert run is not None
    assert run.inputs is not None
    assert {entry.field for entry in run.inputs} == {*map(".".join, inputs._INPUTS), "source.git.revision"}
    assert len(run.changed or ()) == len(run.inputs)


def fullest_failed() -> tuple[ImageBuildStatus, Failure]:
    """The fullest status there can be, once its run has failed, and that failure."""
    world = fullest("x")
    run = world.build.status.run
    assert run is not None
    decision = _failed(world, run, "x")
    assert isinstance(decision, WriteStatus)
    assert decision.status.failure is not None
    return decision.status, decision.status.failure


def test_what_gives_way_is_the_beginning_of_the_logs_tail_and_only_as_much_as_must() -> None:
    status, kept = fullest_failed()
    assert (kept.message, kept.hint) == (full_failure("x").message, full_failure("x").hint)
    assert (kept.log_tail or "").endswith("xb")
    assert size(status) > LIMIT - 8


def test_the_text_of_the_instruction_gives_way_before_the_end_of_the_log_and_its_line_stays() -> None:
    _, kept = fullest_failed()
    assert (kept.instruction, kept.line) == (None, 99_999)
    assert len(kept.log_tail or "") > 100


def test_the_oldest_runs_give_way_before_the_end_of_the_log_and_no_more_of_them_than_must() -> None:
    world = fullest("x")
    run = world.build.status.run
    assert run is not None
    before = [past["number"] for past in world.status["history"]]
    decision = _told(Reason.POD_NOT_STARTING)(world, run, "x")
    assert isinstance(decision, WriteStatus)
    kept = [past.number for past in decision.status.history or []]
    assert kept == before[: len(kept)]
    assert 0 < len(kept) < len(before)
    assert decision.status.failure is not None
    end = len((decision.status.failure.log_tail or "").encode())
    oldest = bytes_of(world.status["history"][-1])
    assert END_BYTES <= end < END_BYTES + oldest, "there is no room for one run more"


@pytest.mark.parametrize("log", ['{"a":"b"}\n' * 999, "\\" * 9999, "\t\n" * 9999])
def test_what_json_makes_of_a_log_counts(log: str) -> None:
    world = fullest("x")
    run = world.build.status.run
    assert run is not None
    failed = failure(LONGEST_REASON, "m" * 999, "h" * 999, exit_code=255, log=f"a{log}b")
    decision = ending.close(world.observe(), run, failed, world.now)
    assert isinstance(decision, WriteStatus)
    assert size(decision.status) <= LIMIT


def test_a_status_that_was_shortened_is_not_written_again() -> None:
    world = fullest("x")
    run = world.build.status.run
    assert run is not None
    for _ in range(2):
        decision = _told(Reason.POD_NOT_STARTING)(world, run, "x")
        if isinstance(decision, WriteStatus):
            world.status = stored(decision.status)
    assert decision == Wait()


def test_an_ordinary_failure_keeps_the_whole_tail_of_its_log() -> None:
    world = World(log=f"{'0123456789' * 10}\n" * 500)
    world.built(exit_code=1, message="", reason="Error")
    assert len(world.status["failure"]["logTail"]) > 2000


def test_each_further_image_adds_no_more_than_its_length() -> None:
    world = fullest("x")
    run = world.build.status.run
    assert run is not None
    one = _failed(world, run, "x")
    world.status["images"] = [IMAGE] * 16
    many = _failed(world, run, "x")
    assert isinstance(one, WriteStatus)
    assert isinstance(many, WriteStatus)
    assert size(many.status) <= size(one.status) + 15 * (len(IMAGE) + 3)
    assert many.status.failure == one.status.failure
