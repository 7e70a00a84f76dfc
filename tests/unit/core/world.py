"""A small model of an API server and a kubelet, to drive `decide` through whole lives of a build in microseconds.

It keeps the rules the core relies on: generation counts spec changes, resourceVersion counts all changes, Pods have
unique names, and deletion is asked for before it happens.
"""

import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from imagebuild_operator.api import names
from imagebuild_operator.api.v1alpha1 import Resources
from imagebuild_operator.core import groups
from imagebuild_operator.core.decide import decide
from imagebuild_operator.core.decisions import (
    Announcement,
    AskSlot,
    CreatePod,
    Decision,
    DeleteBuild,
    DeletePod,
    Effect,
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
from imagebuild_operator.core.observe import BuildView, Observation, Refusal
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.queueing import Slot
from imagebuild_operator.core.reading import JSON
from imagebuild_operator.core.times import format_time, parse_time
from imagebuild_operator.pod.settings import PodSettings

DIGEST = "sha256:" + "a" * 64
START = datetime(2026, 1, 1, tzinfo=UTC)
UID = "uid-1"
_SAID = "error building image: GET https://registry.example.com/v2/a/manifests/1"
LOGS = {
    names.Reason.REGISTRY_UNAVAILABLE: f"{_SAID}: unexpected status code 502 Bad Gateway\n",
    names.Reason.RATE_LIMITED: f"{_SAID}: TOOMANYREQUESTS: slow down\n",
}


def pod_settings() -> PodSettings:
    return PodSettings(
        operator_image="operator:1",
        operator_image_pull_policy="IfNotPresent",
        executor_image="executor:1",
        executor_variant="osscontainertools",
        resources=Resources(limits={"memory": "2Gi", "ephemeral-storage": "10Gi"}),
        source_resources=Resources(limits={"memory": "256Mi", "ephemeral-storage": "10Gi"}),
        host_users=None,
    )


def inline_spec(**changes: Any) -> JSON:
    return {
        "source": {"inline": {"files": [{"path": "Dockerfile", "content": "FROM scratch\n"}]}},
        "output": {"images": ["registry.example.com/team/web:1"]},
        **changes,
    }


@dataclass
class World:
    """One ImageBuild, its Pods, and what the operator did."""

    spec: JSON = field(default_factory=inline_spec)
    policy: Policy = field(default_factory=lambda: Policy(pod=pod_settings()))
    now: datetime = START
    slot: bool = True
    turn: int = 0
    why: str = "waits, 1st in line, for one of the 2 running builds to end"
    superseded_by: str = ""
    last_output: datetime | None = None
    log: str = ""
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.generation = 1
        self.version = 1
        self.annotations: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.deleted = False
        self.deleting = False
        self.told: list[Announcement] = []
        self.starts: list[Announcement] = []
        self.told_at: dict[str, datetime] = {}
        self.status: JSON = {"observedGeneration": -1, "phase": "Pending"}
        self.pods: dict[str, JSON] = {}
        self.lost: dict[str, JSON] = {}
        self.superseded_run = 0
        self.refusal: Refusal | None = None
        self.refuse: tuple[int, str] | None = None
        self.actions: list[str] = []
        self.writes: list[WriteStatus] = []
        self.most_live = 0

    @property
    def build(self) -> BuildView:
        deleting = {"deletionTimestamp": format_time(self.now)} if self.deleting else {}
        return BuildView.parse(
            {
                "metadata": {
                    "namespace": "ns",
                    "name": "web",
                    "uid": UID,
                    "generation": self.generation,
                    "resourceVersion": str(self.version),
                    "annotations": self.annotations,
                    "labels": self.labels,
                    **deleting,
                },
                "spec": self.spec,
                "status": self.status,
            }
        )

    # What users and the cluster do

    def edit(self, **changes: Any) -> None:
        changed = {**copy.deepcopy(self.spec), **changes}
        if changed != self.spec:
            self.spec = changed
            self.generation += 1
            self.version += 1

    def request(self, token: str) -> None:
        self.annotations = {**self.annotations, names.ANNOTATION_REQUESTED_AT: token}
        self.version += 1

    def cancel(self, token: str) -> None:
        self.annotations = {**self.annotations, names.ANNOTATION_CANCEL_REQUESTED_AT: token}
        self.version += 1

    def start_pod(self) -> None:
        self._only_pod()["status"] = {
            "phase": "Running",
            "containerStatuses": [
                {"name": names.CONTAINER_BUILD, "state": {"running": {"startedAt": format_time(self.now)}}}
            ],
        }

    def end_pod(
        self, exit_code: int = 0, message: str = DIGEST, reason: str = "Completed", pod_reason: str = ""
    ) -> None:
        terminated = {
            "exitCode": exit_code,
            "reason": reason,
            "message": message,
            "finishedAt": format_time(self.now),
        }
        self._only_pod()["status"] = {
            "phase": "Succeeded" if exit_code == 0 else "Failed",
            "reason": pod_reason,
            "containerStatuses": [{"name": names.CONTAINER_BUILD, "state": {"terminated": terminated}}],
        }

    def fail_pod(self, reason: names.Reason = names.Reason.REGISTRY_UNAVAILABLE) -> None:
        """The Pod ends as it does after a failure of that kind."""
        self.log = LOGS.get(reason, "error building image: it broke\n")
        match reason:
            case names.Reason.DISRUPTED:
                self.end_pod(exit_code=143, message="", reason="Error")
                pod = self._only_pod()
                pod["metadata"] |= {"deletionTimestamp": format_time(self.now), "deletionGracePeriodSeconds": 0}
                pod["status"]["conditions"] = [
                    {"type": "DisruptionTarget", "status": "True", "message": "Eviction API: evicting"}
                ]
            case names.Reason.OUT_OF_MEMORY:
                self.end_pod(exit_code=137, message="", reason="OOMKilled")
            case _:
                self.end_pod(exit_code=1, message="", reason="Error")

    def gate_pod(self, *gates: str) -> None:
        """Something like Kueue holds the Pod, or lets it go on when no gate is named."""
        self._only_pod()["spec"]["schedulingGates"] = [{"name": gate} for gate in gates]

    def remove_pods(self) -> None:
        """The kubelet has stopped them and the API server let them go."""
        self.lost.update(self.pods)
        self.pods.clear()

    def kubelet(self) -> None:
        """Pods that were asked to go are gone."""
        for name in [name for name, pod in self.pods.items() if pod["metadata"].get("deletionTimestamp")]:
            self.lost[name] = self.pods.pop(name)

    def live_pods(self) -> list[JSON]:
        """The Pods of this build that take up room."""
        return [pod for pod in self.pods.values() if _owned(pod) and PodView.parse(pod).live]

    def _only_pod(self) -> JSON:
        recorded = self.status.get("run", {}).get("podName")
        if recorded in self.pods:
            return self.pods[recorded]
        (pod,) = self.live_pods() or self.pods.values()
        return pod

    # What the operator does

    def observe(self, **gathered: Any) -> Observation:
        views = [PodView.parse(pod) for pod in self.pods.values()]
        pods = [replace(view, told=self.told_at.get(view.uid)) for view in views]
        gone = [PodView.parse(pod, gone=True) for pod in self.lost.values()]
        return Observation(
            build=self.build,
            pods=(*pods, *gone),
            refusal=self.refusal,
            superseded_by=self._superseded_by(),
            **gathered,
        )

    def _superseded_by(self) -> str:
        run = self.build.status.run
        return "newer" if run is not None and run.number <= self.superseded_run else self.superseded_by

    def step(self) -> Decision:
        """One pass, as the reconciler does it; returns the decision it came to rest with."""
        gathered: dict[str, Any] = {"fresh": False, "looked_up": frozenset()}
        for _ in range(20):
            if self.deleted:
                return Wait()
            decision = decide(self.observe(**gathered), self.policy, self.now)
            if isinstance(decision, Wait):
                return decision
            self._carry_out(decision, gathered)
        raise AssertionError(f"no rest: {self.actions[-8:]}")

    def _carry_out(self, decision: Look | Effect, gathered: dict[str, Any]) -> None:
        match decision:
            case WriteStatus(status):
                self.status = status.model_dump(by_alias=True, exclude_none=True, mode="json")
                self.version += 1
                self.writes.append(decision)
                self.actions.append(f"status {status.phase}")
                gathered.update(fresh=True, slot=None, log=None, last_output=None, warnings=None)
            case Tell(pod_uid, announcement):
                self.told.append(announcement)
                self.told_at[pod_uid] = self.now
            case CreatePod(name, manifest, announcement):
                if self._create(name, manifest):
                    self.starts.append(announcement)
            case DeletePod(name, uid):
                assert _owned(self.pods[name]), "a Pod of somebody else is never deleted"
                assert self.pods[name]["metadata"]["uid"] == uid
                self.pods[name]["metadata"]["deletionTimestamp"] = format_time(self.now + timedelta(seconds=30))
                self.pods[name]["metadata"]["deletionGracePeriodSeconds"] = 30
                self.actions.append(f"delete {name}")
            case DeleteBuild():
                assert gathered["fresh"], "only what was just read is deleted"
                self.deleted = True
                self.actions.append("delete build")
            case _:
                self._find_out(decision, gathered)

    def _find_out(self, at: Look, gathered: dict[str, Any]) -> None:
        match at:
            case AskSlot():
                group = groups.wanted(self.build)
                gathered["slot"] = Slot(self.slot, self.turn, "" if self.slot else self.why, group=group)
            case FetchBuild():
                gathered["fresh"] = True
            case FetchPod(name):
                gathered["looked_up"] |= {name}
            case FetchLog():
                gathered["log"] = self.log
            case FetchLastOutput(since=since):
                gathered["last_output"] = self.last_output or since
            case FetchWarnings():
                gathered["warnings"] = self.warnings

    def _create(self, name: str, manifest: JSON) -> bool:
        if self.refuse is not None:
            self.refusal = Refusal(name, *self.refuse, retry_at=self.now + timedelta(seconds=5))
            self.actions.append(f"refused {name}")
            return False
        if name in self.pods:
            self.refusal = Refusal(name, 409, "exists", retry_at=self.now)
            self.actions.append(f"taken {name}")
            return False
        self.refusal = None
        pod = copy.deepcopy(manifest)
        pod["metadata"] |= {"namespace": "ns", "uid": f"pod-{len(self.actions)}"}
        pod["status"] = {"phase": "Pending"}
        self.pods[name] = pod
        self.actions.append(f"create {name}")
        self.most_live = max(self.most_live, len(self.live_pods()))
        return True

    # What can be read off

    def condition(self, kind: names.ConditionType) -> str | None:
        found = [c for c in self.status.get("conditions", []) if c["type"] == kind]
        return str(found[0]["status"]) if found else None

    def reason(self) -> str:
        return str(self.status["conditions"][0]["reason"])

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def built(self, **result: Any) -> "World":
        """Run it to its end."""
        self.step()
        self.start_pod()
        self.pass_time(60)
        self.step()
        self.end_pod(**result)
        self.step()
        return self

    def begun(self) -> "World":
        """Run it until its build container runs."""
        self.step()
        self.start_pod()
        self.step()
        return self

    def backing_off(self, reason: names.Reason = names.Reason.REGISTRY_UNAVAILABLE) -> "World":
        """Run it until its first attempt has failed and the next one is not due."""
        self.begun().fail_pod(reason)
        self.step()
        assert self.reason() == names.Reason.RETRYING
        return self

    def wait_for_retry(self) -> None:
        """Until the next attempt is due, and starts."""
        due = parse_time(self.status["run"]["nextAttemptTime"])
        assert due is not None
        self.now = max(self.now, due)
        self.kubelet()
        self.step()


def _owned(pod: JSON) -> bool:
    return PodView.parse(pod).owner_uid == UID


def restarted(world: World) -> World:
    """The same cluster seen by a new process: what was lost before it started, it never saw."""
    world.lost.clear()
    world.refusal = None
    return world


__all__ = ["DIGEST", "START", "UID", "World", "inline_spec", "pod_settings", "restarted"]
