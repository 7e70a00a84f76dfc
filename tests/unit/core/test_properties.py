"""Properties that hold whatever users, nodes and other programs do, found out by trying everything at once."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from imagebuild_operator.api import names
from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import ImageBuildStatus
from imagebuild_operator.core import inputs
from imagebuild_operator.core.decide import decide
from imagebuild_operator.core.decisions import Decision, DeletePod, FetchBuild, Wait, WriteStatus
from imagebuild_operator.core.observe import Observation
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.queueing import Slot
from imagebuild_operator.core.times import format_time
from imagebuild_operator.pod.manifest import pod_name
from tests.unit.core.kstatus import kstatus
from tests.unit.core.world import DIGEST, UID, World, inline_spec, restarted

Doc = dict[str, Any]
HEX = "0123456789abcdef"

# --- any JSON in the place of a Pod --------------------------------------------------------------------------------

ODD: st.SearchStrategy[object] = st.sampled_from(
    [
        "",
        "\ud800",
        "\x00\x1b[31m",
        "😀" * 300,
        "x" * 5000,
        DIGEST,
        DIGEST + "\n",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "2026-01-01T00:00:00",
        "not a time",
        "OOMKilled",
        "Evicted",
        "Failed",
        "Succeeded",
        "Running",
        '{"message": "\\ud800", "hint": 7}',
        '{"commit": "' + "c" * 300 + '"}',
        '{"message": "' + "m" * 3000 + '"}',
        "[" * 2000,
        0,
        1,
        -1,
        137,
        2**31,
        2**63,
        10**300,
        1e308,
        float("nan"),
        float("inf"),
        True,
        None,
        [],
        {},
    ]
)
LEAF = ODD | st.text(max_size=20) | st.integers() | st.floats()
JSON_VALUE = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def mostly(*plausible: object) -> st.SearchStrategy[object]:
    return st.sampled_from(plausible) | st.sampled_from(plausible) | JSON_VALUE


def document(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    built = st.fixed_dictionaries({}, optional=fields)
    return built | built | built | JSON_VALUE


TIME = mostly("2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z")
CONTAINER_STATE = document(
    waiting=document(reason=mostly("ErrImagePull", "CreateContainerConfigError"), message=mostly("no such secret")),
    running=mostly({}),
    terminated=document(
        exitCode=mostly(0, 1, 137),
        reason=mostly("Completed", "Error", "OOMKilled"),
        message=mostly(DIGEST, "{}"),
        finishedAt=TIME,
    ),
)


def container_statuses(name: str) -> st.SearchStrategy[object]:
    return st.lists(document(name=mostly(name), state=CONTAINER_STATE), max_size=2) | JSON_VALUE


POD_STATUS = document(
    phase=mostly("Pending", "Running", "Succeeded", "Failed"),
    reason=mostly("", "Evicted", "DeadlineExceeded"),
    message=JSON_VALUE,
    containerStatuses=container_statuses(names.CONTAINER_BUILD),
    initContainerStatuses=container_statuses(names.CONTAINER_PREPARE),
    conditions=st.lists(document(type=mostly("PodScheduled"), status=mostly("False"), message=JSON_VALUE), max_size=2)
    | JSON_VALUE,
)
POD = document(
    metadata=document(
        name=mostly("web"),
        namespace=mostly("ns"),
        uid=mostly("pod"),
        annotations=document(**{names.ANNOTATION_RUN: mostly("1", "2")}),
        deletionTimestamp=TIME,
        deletionGracePeriodSeconds=mostly(0, 30, -5, 10**9),
        ownerReferences=JSON_VALUE,
    ),
    spec=document(
        containers=st.lists(
            document(name=mostly(names.CONTAINER_BUILD), args=st.lists(mostly("--destination=a/b:1"), max_size=40)),
            max_size=2,
        )
    ),
    status=POD_STATUS,
)


def recorded() -> World:
    """A build whose run is recorded and whose Pod is expected."""
    world = World()
    world.step()
    return world


def expected(world: World, raw: object) -> Doc:
    """That document, as the Pod the record names, so that it is not set aside as somebody else's."""
    ((name, own),) = world.pods.items()
    given_pod: Doc = raw if isinstance(raw, dict) else {}
    found = given_pod.get("metadata")
    metadata: Doc = found if isinstance(found, dict) else {}
    kept = {key: own["metadata"][key] for key in ("name", "uid", "annotations", "ownerReferences")}
    return {**given_pod, "metadata": {**metadata, **kept, "name": name}}


def acceptable(decision: Decision) -> None:
    """The API server would take it: within the schema, and sendable."""
    if isinstance(decision, WriteStatus):
        stored = decision.status.model_dump(by_alias=True, exclude_none=True, mode="json")
        assert ImageBuildStatus.model_validate(stored) == decision.status
        json.dumps(stored, ensure_ascii=False, allow_nan=False).encode()


@given(raw=JSON_VALUE | POD)
def test_any_json_is_a_pod_that_can_be_looked_at(raw: object) -> None:
    view = PodView.parse(raw if isinstance(raw, dict) else {})
    assert view.live is not (view.terminal or view.gone)
    assert view.asked_to_go is None or view.deletion_timestamp is not None


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    raw=POD,
    gone=st.booleans(),
    looked_up=st.booleans(),
    log=st.none() | ODD.filter(lambda value: isinstance(value, str)) | st.text(),
    warnings=st.none() | st.lists(st.text(), max_size=2),
    seconds=st.sampled_from([0.0, 20.0, 700.0, 4000.0]),
)
@example(raw={"status": {"initContainerStatuses": [{"name": "prepare", "state": {"terminated": {
    "exitCode": 0, "finishedAt": "9999-12-31T23:59:59Z"}}}]}}, gone=False, looked_up=False, log=None, warnings=[],
    seconds=20.0)  # fmt: skip
def test_no_pod_makes_a_decision_fail(
    raw: object, gone: bool, looked_up: bool, log: str | None, warnings: list[str] | None, seconds: float
) -> None:
    world = recorded()
    world.pass_time(seconds)
    pod = PodView.parse(expected(world, raw), gone=gone)
    stray = PodView.parse(raw if isinstance(raw, dict) else {})
    seen = Observation(
        build=world.build,
        pods=(pod, stray),
        fresh=looked_up,
        looked_up=frozenset({pod.name} if looked_up else ()),
        slot=Slot(granted=True),
        log=log,
        warnings=None if warnings is None else tuple(warnings),
    )
    acceptable(decide(seen, world.policy, world.now))


@given(message=st.text() | ODD.map(str), exit_code=st.sampled_from([0, 1, 255]))
def test_garbage_in_a_termination_message_is_never_a_digest(message: str, exit_code: int) -> None:
    world = recorded()
    world.end_pod(exit_code=exit_code, message=message)
    world.step()
    pushed = exit_code == 0 and len(message) == 71 and message[:7] == "sha256:" and set(message[7:]) <= set(HEX)
    assert world.status["phase"] == ("Succeeded" if pushed else "Failed")
    assert world.status.get("digest") == (message if pushed else None)


# --- a whole life, in any order ------------------------------------------------------------------------------------

CONTENTS = st.sampled_from(["FROM a", "FROM b", "FROM scratch\n"])
MEMORY = st.sampled_from(["1Gi", "2Gi", "4Gi"])
WAITING = st.sampled_from(["ErrImagePull", "CreateContainerConfigError", "ContainerCreating", "PodInitializing"])


class Life(RuleBasedStateMachine):
    """A build, its users, its node, other people's programs, and an operator that looks now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(policy=World().policy)
        self.checked = 0
        self.before = ImageBuildStatus.model_validate(self.world.status)
        self.tokens = 0
        self.digests = 0
        self.pushed: dict[str, str] = {}

    # Users

    @rule(content=CONTENTS)
    def other_inputs(self, content: str) -> None:
        self.world.edit(source={"inline": {"files": [{"path": "Dockerfile", "content": content}]}})

    @rule(memory=MEMORY)
    def other_resources(self, memory: str) -> None:
        self.world.edit(resources={"limits": {"memory": memory}})

    @rule(timeout=st.sampled_from(["30m", "2h", 5, "soon", "99999999h"]))
    def other_timeout_maybe_unreadable(self, timeout: object) -> None:
        self.world.edit(timeout=timeout)

    @rule()
    def request(self) -> None:
        self.tokens += 1
        self.world.request(f"token-{self.tokens}")

    @rule()
    def cancel(self) -> None:
        self.tokens += 1
        self.world.cancel(f"token-{self.tokens}")

    @rule()
    def annotations_withdrawn(self) -> None:
        self.world.annotations = {}
        self.world.version += 1

    @rule(suspend=st.booleans())
    def suspend(self, suspend: bool) -> None:
        self.world.edit(suspend=suspend)

    @rule(limit=st.sampled_from([0, 10]), silence=st.sampled_from(["1m", "2h"]))
    def other_patience(self, limit: int, silence: str) -> None:
        self.world.edit(retry={"limit": limit}, noOutputTimeout=silence)

    @rule(group=st.sampled_from(["a", "b"]), priority=st.integers(-1, 1))
    def other_place_in_the_queue(self, group: str, priority: int) -> None:
        self.world.edit(concurrencyGroup=group, priority=priority)

    @rule(ttl=st.sampled_from([60, 99_999]))
    def other_time_to_live(self, ttl: int) -> None:
        self.world.edit(ttlSecondsAfterFinished=ttl)

    @rule()
    def a_newer_build_of_the_group_takes_the_place(self) -> None:
        self.world.superseded_run = self.world.status.get("run", {}).get("number", 0)

    # The node

    @precondition(lambda self: self.world.live_pods())
    @rule(reason=WAITING, prepared=st.booleans())
    def pod_waits(self, reason: str, prepared: bool) -> None:
        pod = self.world.live_pods()[0]
        if PodView.parse(pod).started:
            return
        ended = {"terminated": {"exitCode": 0, "message": "{}", "finishedAt": format_time(self.world.now)}}
        pod["status"] = {
            "phase": "Pending",
            "initContainerStatuses": [{"name": "prepare", "state": ended}] if prepared else [],
            "containerStatuses": [{"name": "build", "state": {"waiting": {"reason": reason, "message": "no"}}}],
        }

    @precondition(lambda self: self.world.live_pods())
    @rule()
    def pod_starts(self) -> None:
        self.world.start_pod()

    @precondition(lambda self: self.world.live_pods())
    @rule(exit_code=st.sampled_from([0, 0, 0, 1, 137]), digest=st.booleans(), oom=st.booleans())
    def pod_ends(self, exit_code: int, digest: bool, oom: bool) -> None:
        self.digests += 1
        message = f"sha256:{self.digests:064x}" if digest else "garbage"
        name = self.world.live_pods()[0]["metadata"]["name"]
        self.world.end_pod(exit_code=exit_code, message=message, reason="OOMKilled" if oom else "Error")
        if exit_code == 0 and digest:
            self.pushed[name] = message

    @precondition(lambda self: self.world.live_pods())
    @rule(reason=st.sampled_from([Reason.REGISTRY_UNAVAILABLE, Reason.RATE_LIMITED, Reason.DISRUPTED]))
    def pod_fails_for_a_while(self, reason: Reason) -> None:
        if self.world.live_pods()[0]["metadata"]["name"] == self.world.status["run"].get("podName"):
            self.world.fail_pod(reason)

    @precondition(lambda self: self.world.live_pods())
    @rule(gated=st.booleans())
    def pod_is_gated(self, gated: bool) -> None:
        pod = self.world.live_pods()[0]
        if not PodView.parse(pod).started:
            pod["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}] if gated else []

    @precondition(lambda self: self.world.live_pods())
    @rule(reason=st.sampled_from(["Evicted", "DeadlineExceeded", "NodeShutdown", "OutOfcpu"]))
    def pod_is_ended_by_its_node(self, reason: str) -> None:
        self.world.live_pods()[0]["status"] = {"phase": "Failed", "reason": reason}

    @rule()
    def pods_asked_to_go_are_gone(self) -> None:
        self.world.kubelet()

    # Other people

    @rule()
    def pods_vanish(self) -> None:
        self.world.remove_pods()

    @precondition(lambda self: self.world.live_pods())
    @rule()
    def somebody_deletes_the_pod(self) -> None:
        self._ask_to_go(self.world.live_pods()[0])

    @rule()
    def somebody_takes_the_next_pods_name(self) -> None:
        run = self.world.status.get("run")
        name = pod_name("web", UID, run["number"] + 1 if run else 1, 1)
        if name not in self.world.pods:
            self.world.pods[name] = {"metadata": {"name": name, "uid": "foreign"}, "status": {"phase": "Running"}}

    @rule()
    def somebodys_pod_ends_with_a_digest(self) -> None:
        state = {"terminated": {"exitCode": 0, "message": DIGEST}}
        for pod in self.world.pods.values():
            if pod["metadata"]["uid"] == "foreign":
                pod["status"] = {"phase": "Succeeded", "containerStatuses": [{"name": "build", "state": state}]}

    @rule()
    def somebody_gives_the_name_back(self) -> None:
        for pod in list(self.world.pods.values()):
            if pod["metadata"]["uid"] == "foreign":
                self._ask_to_go(pod)

    def _ask_to_go(self, pod: Doc) -> None:
        pod["metadata"].setdefault("deletionTimestamp", format_time(self.world.now))

    # The operator and its cluster

    @rule(seconds=st.sampled_from([1, 6, 16, 61, 301, 601, 3700]))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule()
    def operator_restarts(self) -> None:
        restarted(self.world)

    @rule(slot=st.booleans())
    def slots_change(self, slot: bool) -> None:
        self.world.slot = slot

    @rule(refuse=st.sampled_from([None, None, (403, "quota"), (409, "busy"), (422, "no such field")]))
    def admission_changes(self, refuse: tuple[int, str] | None) -> None:
        self.world.refuse = refuse

    @rule()
    def operator_looks(self) -> None:
        rest = self.world.step()
        assert isinstance(rest, Wait)
        done = len(self.world.actions)
        again = self.world.step()
        assert len(self.world.actions) == done, f"deciding again at rest did {self.world.actions[done:]}"
        if not self.world.deleted:
            self.somebody_will_wake_it(again)
            self.what_ended_answers_the_newest_spec()

    def somebody_will_wake_it(self, rest: Decision) -> None:
        """An unfinished run at rest waits for a time, for gates, or for a Pod that was asked to go."""
        assert isinstance(rest, Wait)
        view = self.world.build
        assert view.status.phase is not None
        leaving = any(pod["metadata"].get("deletionTimestamp") for pod in self.world.pods.values())
        gated = any(PodView.parse(pod).gated for pod in self.world.live_pods())
        assert rest.after is not None or view.status.phase.at_rest or leaving or gated or self.world.deleted

    def what_ended_answers_the_newest_spec(self) -> None:
        view = self.world.build
        run, phase = view.status.run, view.status.phase
        if run is None or phase is None or not phase.finished or view.spec is None:
            return
        assert run.inputs_hash == inputs.inputs_hash(view.raw_spec)
        assert view.request in ("", view.status.last_handled_request)
        assert view.cancel in ("", view.status.last_handled_cancel)
        if run.reason != Reason.SUCCEEDED:
            assert run.spec_hash == inputs.spec_hash(view.raw_spec), "after a failure any edit builds again"

    # What always holds

    @invariant()
    def one_live_pod_at_most(self) -> None:
        assert self.world.most_live <= 1

    @invariant()
    def every_write_is_sound(self) -> None:
        for write in self.world.writes[self.checked :]:
            acceptable(write)
            self._follows(self.before, write.status)
            self._reads_well(write.status)
            self.before = write.status
        self.checked = len(self.world.writes)

    def _follows(self, before: ImageBuildStatus, after: ImageBuildStatus) -> None:
        if after.digest != before.digest:
            assert before.run is not None
            assert before.run.completion_time is None
            assert after.digest == self.pushed[before.run.pod_name or ""], "a digest of no Pod of the recorded run"
        if before.run is None or after.run is None:
            assert after.run is not None or before.run is None
            return
        same, finished = after.run.number == before.run.number, before.run.completion_time is not None
        assert same or after.run.number == before.run.number + 1
        if same and finished:
            assert after.run.completion_time == before.run.completion_time
            assert (after.failure, after.digest) == (before.failure, before.digest), "a result that changes"

    def _reads_well(self, status: ImageBuildStatus) -> None:
        found = {condition.type: condition.status for condition in status.conditions or ()}
        assert not {"Reconciling", "Stalled"} <= found.keys()
        assert {condition.observed_generation for condition in status.conditions or ()} == {status.observed_generation}
        stored = status.model_dump(by_alias=True, exclude_none=True, mode="json")
        finished = status.phase is not None and status.phase.finished
        wanted = "InProgress" if not finished else "Current" if found["Succeeded"] == "True" else "Failed"
        assert kstatus(status.observed_generation or 0, stored) == wanted
        if finished and status.run is not None and found["Succeeded"] == "True":
            assert status.digest is not None
            assert status.failure is None
            assert status.run.inputs_hash == inputs.inputs_hash(self.world.spec), "a success of an older spec"

    def teardown(self) -> None:
        """With a working cluster the build ends, and what it ends with answers the newest spec and request."""
        world = self.world
        world.edit(timeout="1h", suspend=False)
        world.slot, world.refuse, world.superseded_run = True, None, 0
        self.somebody_gives_the_name_back()
        for _ in range(12):
            world.kubelet()
            for pod in world.live_pods():
                pod["spec"]["schedulingGates"] = []
            if world.live_pods():
                self.pod_ends(exit_code=0, digest=True, oom=False)
            world.pass_time(301)
            self.operator_looks()
            self.every_write_is_sound()
        if world.deleted:
            return
        view = world.build
        assert view.status.phase is not None
        assert view.status.phase.finished, world.actions
        assert view.status.run is not None
        assert view.status.run.completion_time is not None
        assert view.status.observed_generation == view.generation
        self.one_live_pod_at_most()


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=30)
TestLife = Life.TestCase


@pytest.mark.soak
class TestLifeForLong(Life.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(max_examples=2500, stateful_step_count=60)


# --- deciding is a function ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("finished", [False, True])
def test_the_same_observation_gives_the_same_decision(finished: bool) -> None:
    world = World(spec=inline_spec(target="a"))
    if finished:
        world.built()
    seen = world.observe(slot=Slot(granted=True), fresh=True)
    assert decide(seen, world.policy, world.now) == decide(seen, world.policy, world.now)


def test_a_pod_is_only_made_or_removed_from_a_fresh_copy_of_the_build() -> None:
    world = recorded()
    old = world.build
    unposted = Observation(build=old, pods=())
    assert decide(unposted, world.policy, world.now) == FetchBuild()
    world.edit(target="other")
    world.step()
    world.kubelet()
    world.step()
    ((name, pod),) = world.pods.items()
    assert old.status.run is not None
    assert name != old.status.run.pod_name
    stale = Observation(build=old, pods=(PodView.parse(pod),))
    assert decide(stale, world.policy, world.now) == FetchBuild(), "an older record does not name a newer Pod"
    assert decide(replace(stale, fresh=True), world.policy, world.now) == DeletePod(name, pod["metadata"]["uid"])
