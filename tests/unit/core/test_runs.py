"""When a run is due: what counts as a change, by which hash, and when it is compared at all."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebuild_operator.api.names import Reason, RunCause
from imagebuild_operator.api.v1alpha1 import Run
from imagebuild_operator.core import inputs, runs
from imagebuild_operator.core.queueing import Slot
from tests.unit.core.world import DIGEST, START, World, inline_spec, restarted

FIELDS = [
    ("source", {"git": {"url": "https://git.example.com/a.git"}}, True),
    ("dockerfile", "other/Dockerfile", True),
    ("target", "runtime", True),
    ("buildArgs", [{"name": "A", "value": "1"}], True),
    ("secrets", [{"id": "a"}], True),
    ("output", {"images": ["registry.example.com/team/web:2"]}, True),
    ("executor", {"image": "executor:2"}, True),
    ("executor", {"snapshotMode": "full"}, True),
    ("executor", {"extraArgs": ["--single-snapshot"]}, True),
    ("secrets", [{"id": "a", "secretKeyRef": {"name": "b", "key": "c"}}], True),
    ("executor", {"verbosity": "debug"}, False),
    ("registries", {"insecure": ["r:5000"]}, False),
    ("cache", {"enabled": True}, False),
    ("resources", {"limits": {"memory": "4Gi"}}, False),
    ("sourceResources", {"limits": {"memory": "4Gi"}}, False),
    ("timeout", "2h", False),
    ("startTimeout", "2m", False),
    ("podTemplate", {"nodeSelector": {"disk": "ssd"}}, False),
]
NOT_THE_BUILD = ["suspend", "priority", "concurrencyGroup", "concurrencyPolicy", "ttlSecondsAfterFinished"]


@pytest.mark.parametrize(("field", "value", "decides"), FIELDS)
def test_what_decides_the_image_and_what_only_the_result(field: str, value: object, decides: bool) -> None:
    before, after = inline_spec(), inline_spec(**{field: value})
    assert (inputs.inputs_hash(before) != inputs.inputs_hash(after)) is decides
    assert inputs.spec_hash(before) != inputs.spec_hash(after)


@pytest.mark.parametrize("field", NOT_THE_BUILD)
def test_what_only_decides_when_to_build_is_no_change(field: str) -> None:
    assert inputs.spec_hash(inline_spec()) == inputs.spec_hash(inline_spec(**{field: 5}))
    assert inputs.inputs_hash(inline_spec()) == inputs.inputs_hash(inline_spec(**{field: 5}))


JSON_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=40)
@given(spec=st.dictionaries(st.sampled_from(["source", "output", "target", "resources", "x"]), JSON_VALUE))
def test_the_order_of_keys_and_a_round_trip_change_no_hash(spec: dict[str, Any]) -> None:
    for again in (shuffled(spec), json.loads(json.dumps(spec))):
        assert inputs.inputs_hash(again) == inputs.inputs_hash(spec)
        assert inputs.spec_hash(again) == inputs.spec_hash(spec)


def test_the_order_of_a_list_is_a_change() -> None:
    one, two = {"name": "A", "value": "1"}, {"name": "B", "value": "2"}
    assert inputs.inputs_hash({"buildArgs": [one, two]}) != inputs.inputs_hash({"buildArgs": [two, one]})


def test_hashes_are_of_the_stored_json_fields_of_a_newer_schema_included() -> None:
    newer = inline_spec()
    newer["source"]["inline"]["fieldOfTomorrow"] = 1
    assert inputs.inputs_hash(newer) != inputs.inputs_hash(inline_spec())
    assert inputs.spec_hash(inline_spec(fieldOfTomorrow=1)) != inputs.spec_hash(inline_spec())


def test_a_hash_carries_the_version_of_its_function_and_stays_what_it_is() -> None:
    # Another value for the same spec would rebuild every image of every user after an upgrade.
    assert inputs.inputs_hash({"target": "a", "resources": {"limits": {"cpu": 1}}}) == (
        "v1:5d73d360b95f14f6ae1757986d240a11"
    )
    assert inputs.spec_hash({"target": "a"}) == "v1:32bbeeeef96f3c88fb6cfc844caed1d9"


def recorded(**changes: Any) -> tuple[World, Run]:
    """A build with an active run whose record was changed."""
    world = World()
    world.step()
    world.status["run"] |= changes
    run = world.build.status.run
    assert run is not None
    return world, run


@pytest.mark.parametrize(
    ("inputs_hash", "changed"),
    [("v1:0", True), ("v0:0", False), ("v2:0", False), ("garbage", False), ("", False), (":", False)],
)
def test_a_hash_of_an_unknown_version_counts_as_unchanged(inputs_hash: str, changed: bool) -> None:
    world, run = recorded(inputsHash=inputs_hash, specHash=inputs_hash)
    world.edit(timeout="2h")
    assert inputs.inputs_changed(world.build, run) is changed
    assert inputs.spec_changed(world.build, run) is changed


def test_nothing_is_compared_while_the_generation_is_the_runs() -> None:
    world, run = recorded(inputsHash="v1:0", specHash="v1:0")
    assert not inputs.inputs_changed(world.build, run)
    assert not inputs.spec_changed(world.build, run)


@pytest.mark.parametrize(
    ("annotation", "handled", "new"),
    [("a", None, True), ("a", "a", False), ("b", "a", True), ("", "a", False), ("", None, False)],
)
def test_a_request_is_new_until_it_is_handled(annotation: str, handled: str | None, new: bool) -> None:
    world, run = recorded()
    world.status["lastHandledRequest"] = handled
    world.request(annotation)
    assert runs.new_request(world.build) is new
    assert runs.supersedes(world.build, run) is new


def test_a_finished_run_follows_the_generation_so_that_a_later_operator_compares_nothing_old() -> None:
    world = World().built()
    world.edit(timeout="2h")
    world.step()
    world.status["run"]["inputsHash"] = "v1:made-by-a-function-that-was-wrong"
    writes = len(world.writes)
    world.step()
    assert len(world.writes) == writes
    assert world.status["run"]["number"] == 1


def test_a_request_that_came_with_the_result_is_answered_once() -> None:
    world = World()
    world.step()
    world.start_pod()
    world.end_pod()
    world.request("again")
    world.step()
    assert (world.status["run"]["number"], world.status["lastHandledRequest"]) == (2, "again")
    assert world.status["digest"] == DIGEST
    world.end_pod()
    world.step()
    assert (world.status["run"]["number"], world.status["phase"]) == (2, "Succeeded")


def test_an_edit_that_only_matters_after_a_failure_is_not_lost_when_the_pod_never_starts() -> None:
    world = World()
    world.step()
    pod = world.live_pods()[0]
    prepared = {"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T00:00:05Z"}}
    pulling = {"waiting": {"reason": "ErrImagePull", "message": "denied"}}
    pod["status"] = {
        "phase": "Pending",
        "initContainerStatuses": [{"name": "prepare", "state": prepared}],
        "containerStatuses": [{"name": "build", "state": pulling}],
    }
    world.edit(podTemplate={"imagePullSecrets": [{"name": "login"}]})
    world.step()
    assert world.status["run"]["attempt"] == 1
    world.pass_time(700)
    world.step()
    assert world.status["run"]["number"] == 2
    assert "status Failed" not in world.actions


def test_a_spec_that_became_unreadable_during_the_run_is_told_and_not_passed_off_as_built() -> None:
    world = World()
    world.step()
    world.start_pod()
    world.edit(timeout="soon", target="other")
    world.step()
    world.end_pod()
    world.step()
    assert world.reason() == Reason.INVALID_SPEC
    assert world.status["digest"] == DIGEST
    world.edit(timeout="1h")
    world.step()
    assert world.status["run"]["number"] == 2


def test_a_start_is_told_when_the_pod_is_created_and_once_for_each_pod() -> None:
    world = World()
    world.refuse = (403, "quota")
    world.step()
    assert world.starts == []
    world.refuse = None
    world.edit(resources={"limits": {"memory": "4Gi"}})
    world.step()
    world.step()
    name = world.status["run"]["podName"]
    told = ("run 1 attempt 2", f"Attempt 2 of run 1 started in Pod {name}.")
    assert [(each.about, each.note) for each in world.starts] == [told]


def test_a_start_that_the_process_before_recorded_is_told_by_the_one_that_creates_the_pod() -> None:
    world = World()
    world.refuse = (500, "etcd is away")
    world.step()
    world.refuse = None
    restarted(world).step()
    assert [told.about for told in world.starts] == ["run 1 attempt 1"]


def test_a_recorded_attempt_whose_spec_cannot_be_read_any_more_ends_and_frees_its_slot() -> None:
    world = World()
    world.refuse = (403, "quota")
    world.step()
    world.spec = inline_spec(timeout=5)
    world.step()
    assert world.reason() == Reason.INVALID_SPEC
    assert world.status["run"]["completionTime"]
    world.refuse = None
    world.edit(timeout="1h")
    world.step()
    assert (world.status["run"]["number"], world.status["phase"]) == (2, "Building")


@pytest.mark.parametrize("granted", [False, True])
def test_the_record_of_a_new_run(granted: bool) -> None:
    world = World(spec=inline_spec(target="a", executor={"image": "e:1", "verbosity": "debug"}))
    world.request("token")
    run = runs.recorded(world.build, Slot(granted, turn=7), START)
    assert (run.number, run.generation, run.requested_at, run.turn) == (1, 1, "token", 7)
    assert run.queued_time == "2026-01-01T00:00:00.000000Z"
    assert (run.cause, run.changed) == (RunCause.CREATED, None)
    assert run.attempt == int(granted)
    assert (run.pod_name is None, run.start_time is None, run.attempts is None) == ((not granted,) * 3)
    assert [entry.field for entry in run.inputs or ()] == ["source", "target", "output", "executor.image"]


def test_the_record_of_the_next_attempt_keeps_the_history_of_the_run() -> None:
    world = World()
    world.request("token")
    run = runs.recorded(world.build, Slot(granted=False), START)
    names = set()
    for _ in range(11):
        run = runs.started(world.build, run, START, "")
        names.add(run.pod_name)
    assert len(names) == 11, "every attempt has a Pod of its own"
    assert [entry.number for entry in run.attempts or ()] == [11, 10, 9, 8, 7, 6, 5, 4]
    assert run.requested_at == "token"
    assert run.queued_time == "2026-01-01T00:00:00.000000Z"


def test_an_input_of_a_later_schema_leaves_the_hashes_of_specs_without_it() -> None:
    spec = {"source": {"git": {"url": "https://git.example.com/web.git"}}, "output": {"images": ["a/b:1"]}}
    assert inputs.inputs_hash(spec) == "v1:70840aa6f7355f30224d3f1eb2278f06"
    assert inputs.inputs_hash({**spec, "executor": {"verbosity": "debug"}}) == inputs.inputs_hash(spec)
    extra = {**spec, "executor": {"extraArgs": ["--single-snapshot"]}}
    assert inputs.inputs_hash(extra) != inputs.inputs_hash(spec)
