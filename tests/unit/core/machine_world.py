"""A cluster that fails and operators that crash, one decision at a time: the ground of the state machine.

The API server keeps the rules of the real one (resourceVersions guard status writes, names are unique, deletion is
asked for before it happens), and tells of every change in two watches, one of builds and one of Pods, that each
operator reads at its own pace. An operator does what the reconciler does, with the real store and the real refusals.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, TypeVar

from imagebuild_operator.api import names
from imagebuild_operator.api.v1alpha1 import ImageBuildStatus
from imagebuild_operator.core import groups
from imagebuild_operator.core.decide import decide
from imagebuild_operator.core.decisions import (
    AskSlot,
    CreatePod,
    Decision,
    DeleteBuild,
    DeletePod,
    FetchBuild,
    FetchLastOutput,
    FetchLog,
    FetchPod,
    FetchWarnings,
    Look,
    Tell,
    Wait,
    WriteStatus,
)
from imagebuild_operator.core.observe import BuildView, Observation
from imagebuild_operator.core.outcome import digest_of
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.queueing import Slot
from imagebuild_operator.core.reading import JSON
from imagebuild_operator.core.times import format_time
from imagebuild_operator.shell.port import ApiRefusal, Conflict, Missing
from imagebuild_operator.shell.refusals import Refusals
from imagebuild_operator.shell.store import Store
from tests.unit.core.world import START, UID, inline_spec, pod_settings

KEY = ("ns", "web")
NEWER = "web-of-tomorrow"
VERBS: dict[type[object], str] = {
    WriteStatus: "PATCH",
    CreatePod: "POST",
    DeletePod: "DELETE",
    DeleteBuild: "DELETE",
    FetchBuild: "GET",
    FetchPod: "GET",
}
Answer = TypeVar("Answer")


class Fault(Enum):
    """What becomes of one request: UNDONE and LATE get no answer, UNANSWERED was done and gets none either."""

    NONE = auto()
    UNDONE = auto()
    UNANSWERED = auto()
    LATE = auto()


@dataclass(frozen=True)
class Written:
    """A status that was stored, what stood there before, and a digest that its writer knew of for the open run."""

    before: ImageBuildStatus
    after: ImageBuildStatus
    spec: JSON
    witness: str | None


class Server:
    """The API server, and the time."""

    def __init__(self) -> None:
        self.now: datetime = START
        self.version = 1
        self.spec: JSON = inline_spec()
        self.generation = 1
        self.build_version = 1
        self.annotations: dict[str, str] = {}
        self.status: JSON = {"observedGeneration": -1, "phase": "Pending"}
        self.deleted = False
        self.pods: dict[str, JSON] = {}
        self.build_events: list[JSON | None] = []
        self.pod_events: list[tuple[bool, JSON]] = []
        self.in_flight: list[Callable[[], object]] = []
        self.written: list[Written] = []
        self.slots = True
        # The concurrency groups that the build was given a slot in.
        self.let_into: set[str] = set()
        self.superseded_run = 0
        self.refuse: tuple[int, str] | None = None
        self.log = ""
        self.made = 0

    # The build

    @property
    def raw_build(self) -> JSON:
        metadata = {
            "namespace": KEY[0],
            "name": KEY[1],
            "uid": UID,
            "generation": self.generation,
            "resourceVersion": str(self.build_version),
            "annotations": dict(self.annotations),
        }
        return {"metadata": metadata, "spec": copy.deepcopy(self.spec), "status": copy.deepcopy(self.status)}

    def _build_changed(self) -> None:
        self.version += 1
        self.build_version = self.version
        self.build_events.append(None if self.deleted else self.raw_build)

    def edit(self, **changes: Any) -> None:
        changed = {**copy.deepcopy(self.spec), **changes}
        if changed != self.spec and not self.deleted:
            self.spec, self.generation = changed, self.generation + 1
            self._build_changed()

    def annotate(self, annotations: dict[str, str]) -> None:
        if annotations != self.annotations and not self.deleted:
            self.annotations = annotations
            self._build_changed()

    def get_build(self) -> JSON | None:
        return None if self.deleted else self.raw_build

    def write_status(self, resource_version: str, status: ImageBuildStatus, witness: str | None) -> JSON:
        if self.deleted:
            raise Missing(status=404, reason="NotFound", message="gone")
        if resource_version != str(self.build_version):
            raise Conflict(status=409, reason="Conflict", message="the object has been modified")
        before = ImageBuildStatus.model_validate(self.status)
        self.status = status.model_dump(by_alias=True, exclude_none=True, mode="json")
        self.written.append(Written(before, status, copy.deepcopy(self.spec), witness))
        self._build_changed()
        return self.raw_build

    def delete_build(self, resource_version: str) -> None:
        if resource_version != str(self.build_version) or self.deleted:
            return
        self.deleted = True
        self._build_changed()
        for name in list(self.pods):
            self.remove_pod(name)

    # Pods

    def live_pods(self) -> list[JSON]:
        """Those of the build that take up room."""
        return [pod for pod in self.pods.values() if _owned(pod) and PodView.parse(pod).live]

    def change_pod(self, name: str, status: JSON | None = None, *, spec: JSON | None = None, **metadata: Any) -> None:
        pod = copy.deepcopy(self.pods[name])
        self.version += 1
        pod["metadata"] |= {**metadata, "resourceVersion": str(self.version)}
        pod["status"] = pod["status"] if status is None else status
        pod["spec"] = {**pod.get("spec", {}), **(spec or {})}
        self.pods[name] = pod
        self._tell(pod, gone=False)

    def _tell(self, pod: JSON, *, gone: bool) -> None:
        if _owned(pod):
            self.pod_events.append((gone, copy.deepcopy(pod)))

    def get_pod(self, name: str) -> JSON | None:
        return copy.deepcopy(self.pods.get(name))

    def create_pod(self, manifest: JSON) -> JSON:
        name = manifest["metadata"]["name"]
        if self.refuse is not None:
            raise ApiRefusal(status=self.refuse[0], reason="Refused", message=self.refuse[1])
        if name in self.pods:
            raise Conflict(status=409, reason="AlreadyExists", message=f"pods {name!r} already exists")
        group = manifest["metadata"]["labels"].get(names.LABEL_CONCURRENCY_GROUP, "")
        assert group in self.let_into, "a Pod in a group that its build was never let into"
        pod = copy.deepcopy(manifest)
        self.made += 1
        self.pods[name] = pod
        pod["metadata"] |= {"namespace": KEY[0], "uid": f"pod-{self.made}"}
        pod["status"] = {"phase": "Pending"}
        self.change_pod(name)
        return copy.deepcopy(self.pods[name])

    def ask_to_go(self, name: str, uid: str | None = None, seconds: int = 30) -> None:
        pod = self.pods.get(name)
        if pod is None or uid not in (None, pod["metadata"]["uid"]) or pod["metadata"].get("deletionTimestamp"):
            return
        by = format_time(self.now + timedelta(seconds=seconds))
        self.change_pod(name, deletionTimestamp=by, deletionGracePeriodSeconds=seconds)

    def unwanted(self, name: str, uid: str) -> None:
        """What an operator asks for: that a Pod goes. What a Pod is recorded by is older than the Pod."""
        run = ImageBuildStatus.model_validate(self.status).run
        recorded = run.pod_name if run is not None and run.completion_time is None and not self.deleted else None
        assert name != recorded, "an operator deletes the Pod that the record names"
        self.ask_to_go(name, uid)

    def hide_for_a_moment(self, name: str) -> None:
        """Somebody takes its label away and puts it back: to a watch with a selector it was deleted and made."""
        self._tell(self.pods[name], gone=True)
        self.change_pod(name)

    def remove_pod(self, name: str) -> None:
        pod = self.pods.pop(name)
        self.version += 1
        pod["metadata"]["resourceVersion"] = str(self.version)
        self._tell(pod, gone=True)

    # Requests on their way

    def call(self, request: Callable[[], Answer], fault: Fault = Fault.NONE) -> Answer:
        """Carry out a request, or whatever becomes of it."""
        if fault is Fault.LATE:
            self.in_flight.append(request)
        if fault in (Fault.LATE, Fault.UNDONE):
            raise ApiRefusal(status=0, reason="Timeout", message="no answer")
        answer = request()
        if fault is Fault.UNANSWERED:
            raise ApiRefusal(status=0, reason="Timeout", message="no answer")
        return answer

    def arrive(self) -> None:
        """The oldest request that was on its way gets there; nobody waits for its answer."""
        request = self.in_flight.pop(0)
        try:
            request()
        except ApiRefusal:
            return


def _owned(pod: JSON) -> bool:
    return PodView.parse(pod).owner_uid == UID


@dataclass
class _Pass:
    fresh: bool = False
    known: frozenset[str] = frozenset()
    looked_up: set[str] = field(default_factory=set)
    evidence: dict[str, Any] = field(default_factory=dict)
    steps: int = 0

    def changed(self, known: frozenset[str]) -> None:
        self.fresh, self.known, self.evidence = True, known, {}


class Operator:
    """One process: copies of its own, a clock of its own, and a pass that may be under way."""

    def __init__(self, server: Server, skew: float = 0.0) -> None:
        self.server = server
        self.skew = timedelta(seconds=skew)
        self.policy = Policy(pod=pod_settings())
        self.store = Store()
        self.refusals = Refusals()
        self.wake_at: datetime | None = None
        self.read = {"builds": 0, "pods": 0}
        self._pass: _Pass | None = None
        self.relist()

    @property
    def clock(self) -> datetime:
        return self.server.now + self.skew

    # What it hears

    def relist(self) -> None:
        """What a start and a resync do: read everything, and go on watching from there."""
        server = self.server
        self.read = {"builds": len(server.build_events), "pods": len(server.pod_events)}
        if server.deleted:
            self.store.drop_build(KEY)
        else:
            self.store.see_build(server.raw_build)
        for pod in server.pods.values():
            if _owned(pod):
                self.store.see_pod(copy.deepcopy(pod))
        present = {pod["metadata"]["uid"] for pod in server.pods.values()}
        for _, uid, _ in list(self.store.existing_pods()):
            if uid not in present:
                self.store.lose_pod(KEY, uid)
        self.due = True

    def behind(self, watch: str) -> int:
        """How many events it has not heard of yet."""
        events = self.server.build_events if watch == "builds" else self.server.pod_events
        return len(events) - self.read[watch]

    def hear(self, watch: str, count: int | None = None) -> None:
        """The next events of a watch, or all of them."""
        behind = self.behind(watch)
        for _ in range(behind if count is None else min(count, behind)):
            position = self.read[watch]
            self.read[watch] += 1
            self.due = True
            if watch == "builds":
                self._hear_of_build(self.server.build_events[position])
            else:
                self._hear_of_pod(*self.server.pod_events[position])

    def _hear_of_build(self, raw: JSON | None) -> None:
        if raw is None:
            self.store.drop_build(KEY, UID)
        else:
            self.store.see_build(raw)

    def _hear_of_pod(self, gone: bool, pod: JSON) -> None:
        if gone:
            self.store.lose_pod(KEY, pod["metadata"]["uid"], pod)
        else:
            self.store.see_pod(pod)

    @property
    def wakes(self) -> bool:
        """Whether its queue would have it look now."""
        return self.due or self._pass is not None or (self.wake_at is not None and self.wake_at <= self.clock)

    # What it does

    def look(self, fault: Fault = Fault.NONE, at: str = "") -> None:
        """One whole pass, or the rest of the one under way; requests of one verb may meet a fault."""
        while self.act(fault, at):
            pass

    def act(self, fault: Fault = Fault.NONE, at: str = "") -> bool:
        """One decision and its effect, as in the reconciler; whether the pass goes on.

        Args:
            fault: what becomes of the effect's request.
            at: the only verb that meets the fault; any when it is empty.
        """
        if self._pass is None:
            self._pass, self.due, self.wake_at = _Pass(), False, None
        gathered = self._pass
        gathered.steps += 1
        assert gathered.steps <= 20, "no rest"
        try:
            build = self.store.build(KEY) or self._unknown(gathered)
            if build is None:
                return self._rest(None, Wait())
            decision = decide(self._observe(build, gathered), self.policy, self.clock)
            if isinstance(decision, Wait):
                return self._rest(build, decision)
            met = fault if at in ("", VERBS.get(type(decision))) else Fault.NONE
            self._execute(build, decision, gathered, met)
        except ApiRefusal:
            self._pass, self.due = None, True
        return self._pass is not None

    def _unknown(self, gathered: _Pass) -> BuildView | None:
        live = any(pod.live and not pod.deleting for pod in self.store.pods(KEY))
        return self._read_build(gathered) if live else None

    def _read_build(self, gathered: _Pass, fault: Fault = Fault.NONE) -> BuildView | None:
        raw = self.server.call(self.server.get_build, fault)
        gathered.changed(self._known())
        if raw is None:
            self.store.drop_build(KEY)
            return None
        return self.store.see_build(raw)

    def _known(self) -> frozenset[str]:
        return frozenset(pod.uid for pod in self.store.pods(KEY))

    def _observe(self, build: BuildView, gathered: _Pass) -> Observation:
        run = build.status.run
        superseded = run is not None and run.number <= self.server.superseded_run
        return Observation(
            build=build,
            pods=self.store.pods(KEY),
            fresh=gathered.fresh and self._known() <= gathered.known,
            looked_up=frozenset(gathered.looked_up),
            superseded_by=NEWER if superseded else "",
            refusal=self.refusals.of(KEY),
            **gathered.evidence,
        )

    def _rest(self, build: BuildView | None, wait: Wait) -> bool:
        self._pass = None
        if wait.after is not None:
            self.wake_at = self.clock + timedelta(seconds=wait.after)
        elif build is None or (build.at_rest and not self._has_pod()):
            self.refusals.forget(KEY)
            self.store.forget(KEY)
        return False

    def _has_pod(self) -> bool:
        return any(pod.live and pod.owner_uid == UID for pod in self.store.pods(KEY))

    def _execute(self, build: BuildView, decision: Decision, gathered: _Pass, fault: Fault) -> None:
        server = self.server
        match decision:
            case WriteStatus(status):
                self._write(build, status, gathered, fault)
            case Tell(pod_uid):
                self.store.note_told(KEY, pod_uid, self.clock)
            case CreatePod(name, manifest):
                self._create(name, manifest, fault)
            case DeletePod(name, uid):
                server.call(lambda: server.unwanted(name, uid), fault)
                self.store.request_delete(KEY, uid)
            case DeleteBuild():
                server.call(lambda: server.delete_build(build.resource_version), fault)
                self._read_build(gathered)
            case Wait():
                raise AssertionError("a wait is no effect")
            case _:
                self._find_out(build, decision, gathered, fault)

    def _find_out(self, build: BuildView, at: Look, gathered: _Pass, fault: Fault) -> None:
        evidence = gathered.evidence
        match at:
            case AskSlot():
                evidence["slot"] = self._slot(build)
            case FetchBuild():
                self._read_build(gathered, fault)
            case FetchPod(name):
                self._look_up(name, gathered, fault)
            case FetchLog():
                evidence["log"] = self.server.log if fault is Fault.NONE else ""
            case FetchLastOutput(since=since):
                evidence["last_output"] = since if fault is Fault.NONE else self.clock
            case FetchWarnings():
                evidence["warnings"] = ('secret "login" not found',)

    def _slot(self, build: BuildView) -> Slot:
        if not self.server.slots:
            return Slot(granted=False, turn=1, why="waits, 1st in line")
        group = groups.wanted(build)
        self.server.let_into.add(group)
        return Slot(granted=True, turn=1, group=group)

    def _look_up(self, name: str, gathered: _Pass, fault: Fault) -> None:
        raw = self.server.call(lambda: self.server.get_pod(name), fault)
        gathered.looked_up.add(name)
        found = raw["metadata"]["uid"] if raw else None
        for pod in self.store.pods(KEY):
            if pod.name == name and pod.uid != found:
                self.store.lose_pod(KEY, pod.uid)
        if raw is not None:
            self.store.see_pod(raw, KEY)

    def _write(self, build: BuildView, status: ImageBuildStatus, gathered: _Pass, fault: Fault) -> None:
        witness = self._witness(build)
        try:
            raw = self.server.call(lambda: self.server.write_status(build.resource_version, status, witness), fault)
        except (Conflict, Missing):
            self._read_build(gathered)
            return
        self.store.see_build(raw)
        gathered.changed(self._known())

    def _witness(self, build: BuildView) -> str | None:
        """The digest that a Pod of the open run ended with, if this process knows of one."""
        run = build.status.run
        if run is None or run.completion_time is not None:
            return None
        ours = [pod for pod in self.store.pods(KEY) if pod.name == run.pod_name and pod.owner_uid == UID]
        return next((digest_of(pod) for pod in ours if pod.terminal and digest_of(pod)), None)

    def _create(self, name: str, manifest: JSON, fault: Fault) -> None:
        try:
            raw = self.server.call(lambda: self.server.create_pod(manifest), fault)
        except ApiRefusal as refusal:
            if self.refusals.passing(KEY, refusal):
                raise
            self.refusals.note(KEY, name, refusal, self.clock)
            return
        self.refusals.forget(KEY)
        self.store.see_pod(raw, KEY)
