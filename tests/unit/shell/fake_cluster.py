"""A cluster in memory that implements `port.Cluster`: with generations, resourceVersions, preconditions and faults.

What people and nodes do are plain methods; what the operator does are the port's coroutines, each of which is
remembered in `requests`. Watch events go to one `Intake`, in order and a little later, as from a real watch.
"""

import asyncio
import copy
import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from imagebuild_operator.api import names
from imagebuild_operator.api.v1alpha1 import ImageBuildStatus
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.times import format_time
from imagebuild_operator.shell.handlers import Intake
from imagebuild_operator.shell.port import JSON, ApiRefusal, Conflict, Missing
from tests.unit.core.world import DIGEST, START, inline_spec

Id = tuple[str, str]
NAMESPACE = "ns"


def pushed_by(name: str) -> str:
    """The digest of the image that a Pod pushes when it ends by itself."""
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


@dataclass
class Fault:
    """What happens to the next requests of a verb instead of an answer: before anything is stored, or after it."""

    verb: str
    when: Literal["before", "after"]
    refusal: ApiRefusal
    times: int


def _is_watched(pod: JSON) -> bool:
    return bool(pod["metadata"].get("labels", {}).get(names.LABEL_MANAGED_BY) == names.OPERATOR)


@dataclass
class FakeCluster:
    """One API server with its watches and a kubelet that does what it is told."""

    now: datetime = START
    requests: list[str] = field(default_factory=list)
    events: list[JSON] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    last_outputs: dict[str, datetime] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    most_live: int = 0
    closed: bool = False
    # Seconds after which a Pod succeeds by itself; None leaves it to the test.
    pods_take: float | None = None

    def __post_init__(self) -> None:
        self._version = 100
        self._builds: dict[Id, JSON] = {}
        self._pods: dict[Id, JSON] = {}
        self._faults: list[Fault] = []
        self._intake: Intake | None = None
        self._undelivered: deque[tuple[str, str | None, JSON]] = deque()
        self.holds_events = False
        self.on_create: Callable[[JSON], None] | None = None

    # Watches

    def attach(self, intake: Intake | None) -> None:
        """Send watch events there from now on; as kopf's, a watch begins with a list of everything."""
        self._intake = intake
        self._undelivered.clear()
        for build in self._builds.values():
            self._tell("build", None, build)
        for pod in self._pods.values():
            if _is_watched(pod):
                self._tell("pod", None, pod)

    def hold_events(self) -> None:
        """Let the watches fall behind."""
        self.holds_events = True

    def release_events(self) -> None:
        """Let them catch up."""
        self.holds_events = False
        self._deliver()

    def lose_events(self) -> None:
        """A gap in the watches: what was held back is never told."""
        self._undelivered.clear()
        self.holds_events = False

    @property
    def quiet(self) -> bool:
        """Whether every watch event was delivered."""
        return self.holds_events or not self._undelivered

    def _tell(self, resource: str, kind: str | None, raw: JSON) -> None:
        if self._intake is not None:
            self._undelivered.append((resource, kind, copy.deepcopy(raw)))
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        while self._undelivered and not self.holds_events and self._intake is not None:
            resource, kind, raw = self._undelivered.popleft()
            (self._intake.build if resource == "build" else self._intake.pod)(kind, raw)

    # People

    def apply(self, name: str = "web", *, namespace: str = NAMESPACE, **changes: Any) -> JSON:
        """Create or edit an ImageBuild; the same manifest again changes nothing."""
        known = self._builds.get((namespace, name))
        if known is None:
            metadata = {
                "namespace": namespace,
                "name": name,
                "uid": f"uid-{self._version}",
                "generation": 1,
                "creationTimestamp": format_time(self.now),
            }
            status = {"observedGeneration": -1, "phase": "Pending"}
            known = {"metadata": metadata, "spec": inline_spec(**changes), "status": status}
            return self._store_build(known, "ADDED")
        spec = {**known["spec"], **changes}
        if spec != known["spec"]:
            known["spec"] = spec
            known["metadata"]["generation"] += 1
            self._store_build(known, "MODIFIED")
        return known

    def request(self, token: str, name: str = "web") -> None:
        """Ask for another run."""
        build = self._builds[NAMESPACE, name]
        build["metadata"].setdefault("annotations", {})[names.ANNOTATION_REQUESTED_AT] = token
        self._store_build(build, "MODIFIED")

    def cancel(self, token: str, name: str = "web") -> None:
        """Ask for the end of the run under way."""
        build = self._builds[NAMESPACE, name]
        build["metadata"].setdefault("annotations", {})[names.ANNOTATION_CANCEL_REQUESTED_AT] = token
        self._store_build(build, "MODIFIED")

    def remove_build(self, name: str = "web", *, orphan: bool = False) -> None:
        """It is deleted; the garbage collector asks its Pods to go, or leaves them without an owner."""
        build = self._builds.pop((NAMESPACE, name))
        for pod in self.pods_of(name):
            if orphan:
                pod["metadata"]["ownerReferences"] = []
                self._store_pod(pod, "MODIFIED")
            else:
                self.ask_to_go(pod["metadata"]["name"])
        self._tell("build", "DELETED", build)

    def build(self, name: str = "web") -> JSON:
        """The stored ImageBuild."""
        return self._builds[NAMESPACE, name]

    def status(self, name: str = "web") -> JSON:
        """Its stored status."""
        status: JSON = self.build(name)["status"]
        return status

    def phases(self) -> list[str]:
        """The phases of all builds, by name."""
        return [str(build["status"]["phase"]) for _, build in sorted(self._builds.items())]

    def _store_build(self, build: JSON, kind: str) -> JSON:
        self._version += 1
        build["metadata"]["resourceVersion"] = str(self._version)
        self._builds[build["metadata"]["namespace"], build["metadata"]["name"]] = build
        self._tell("build", kind, build)
        return build

    # Nodes

    def pods_of(self, name: str = "web") -> list[JSON]:
        """The Pods that a build owns."""
        return [pod for pod in self._pods.values() if PodView.parse(pod).owner_name == name]

    def pod_names(self) -> list[str]:
        """The names of all Pods."""
        return sorted(name for _, name in self._pods)

    def live(self) -> list[JSON]:
        """The Pods that take up room."""
        return [pod for pod in self._pods.values() if PodView.parse(pod).live]

    def start_pod(self, name: str | None = None) -> None:
        """The build container runs."""
        self.set_pod_status(
            name, {"phase": "Running", "containerStatuses": [{"name": "build", "state": {"running": {}}}]}
        )

    def end_pod(self, name: str | None = None, *, exit_code: int = 0, message: str = DIGEST) -> None:
        """The build container has ended."""
        terminated = {"exitCode": exit_code, "message": message, "finishedAt": format_time(self.now)}
        self.set_pod_status(
            name,
            {
                "phase": "Failed" if exit_code else "Succeeded",
                "containerStatuses": [{"name": "build", "state": {"terminated": terminated}}],
            },
        )

    def set_pod_status(self, name: str | None, status: JSON) -> None:
        """Whatever a kubelet reports."""
        pod = self._pod(name)
        pod["status"] = status
        self._store_pod(pod, "MODIFIED")

    def ask_to_go(self, name: str | None = None) -> None:
        """A deletion is asked for: it takes until `remove_pod`."""
        pod = self._pod(name)
        if "deletionTimestamp" not in pod["metadata"]:
            pod["metadata"]["deletionTimestamp"] = format_time(self.now + timedelta(seconds=30))
            pod["metadata"]["deletionGracePeriodSeconds"] = 30
            self._store_pod(pod, "MODIFIED")

    def remove_pod(self, name: str | None = None) -> None:
        """It is gone."""
        pod = self._pod(name)
        del self._pods[pod["metadata"]["namespace"], pod["metadata"]["name"]]
        self._version += 1
        pod["metadata"]["resourceVersion"] = str(self._version)
        if _is_watched(pod):
            self._tell("pod", "DELETED", pod)

    def unlabel_pod(self, name: str | None = None) -> None:
        """Somebody takes its labels away: a watch with a selector calls that a deletion."""
        pod = self._pod(name)
        pod["metadata"]["labels"] = {}
        self._store_pod(pod, "MODIFIED")
        self._tell("pod", "DELETED", pod)

    def remove_leaving_pods(self) -> None:
        """Those that were asked to go are gone."""
        for pod in [pod for pod in self._pods.values() if pod["metadata"].get("deletionTimestamp")]:
            self.remove_pod(pod["metadata"]["name"])

    def put_foreign_pod(self, name: str) -> JSON:
        """A Pod of somebody else, without our label: no watch of ours tells of it."""
        self._version += 1
        metadata = {"namespace": NAMESPACE, "name": name, "uid": "foreign", "resourceVersion": str(self._version)}
        self._pods[NAMESPACE, name] = {"metadata": metadata, "status": {"phase": "Running"}}
        return self._pods[NAMESPACE, name]

    def _pod(self, name: str | None) -> JSON:
        if name is not None:
            return self._pods[NAMESPACE, name]
        (pod,) = self.live() or self._pods.values()
        return pod

    def _store_pod(self, pod: JSON, kind: str) -> JSON:
        self._version += 1
        metadata = pod["metadata"]
        metadata["resourceVersion"] = str(self._version)
        self._pods[metadata["namespace"], metadata["name"]] = pod
        self.most_live = max(self.most_live, len(self.live()))
        if _is_watched(pod):
            self._tell("pod", kind, pod)
        return pod

    # Faults

    def fail(
        self,
        verb: str,
        status: int,
        *,
        when: Literal["before", "after"] = "before",
        times: int = 1,
        message: str = "injected",
    ) -> None:
        """The next so many requests of a verb are refused; status 0 means that the answer is lost."""
        kind = {404: Missing, 409: Conflict}.get(status, ApiRefusal)
        self._faults.append(Fault(verb, when, kind(status=status, reason="Injected", message=message), times))

    def recover(self) -> None:
        """No more faults."""
        self._faults.clear()

    async def _asked(self, verb: str, what: str) -> Fault | None:
        self.requests.append(f"{verb} {what}")
        await asyncio.sleep(0)
        fault = next((fault for fault in self._faults if fault.verb == verb), None)
        if fault is None:
            return None
        fault.times -= 1
        if not fault.times:
            self._faults.remove(fault)
        if fault.when == "before":
            raise fault.refusal
        return fault

    async def _answer(self, fault: Fault | None, document: JSON) -> JSON:
        answer = copy.deepcopy(document)
        await asyncio.sleep(0)
        if fault is not None:
            raise fault.refusal
        return answer

    def asked(self, *verbs: str) -> list[str]:
        """The requests of these verbs, or all but those for Events."""
        return [
            entry for entry in self.requests if (entry.split()[0] in verbs if verbs else not entry.startswith("EVENT"))
        ]

    # The port

    async def get_build(self, namespace: str, name: str) -> JSON | None:
        fault = await self._asked("GET-BUILD", name)
        found = self._builds.get((namespace, name))
        return None if found is None else await self._answer(fault, found)

    async def list_unfinished_builds(self) -> tuple[list[JSON], str]:
        await self._asked("LIST-BUILDS", "")
        found = [build for build in self._builds.values() if not names.Phase(build["status"]["phase"]).finished]
        return copy.deepcopy(found), str(self._version)

    async def list_build_pods(self) -> tuple[list[JSON], str]:
        await self._asked("LIST-PODS", "")
        found = [pod for pod in self._pods.values() if _is_watched(pod)]
        return copy.deepcopy(found), str(self._version)

    async def get_pod(self, namespace: str, name: str) -> JSON | None:
        fault = await self._asked("GET-POD", name)
        found = self._pods.get((namespace, name))
        return None if found is None else await self._answer(fault, found)

    async def write_status(self, *, namespace: str, name: str, uid: str, resource_version: str, status: JSON) -> JSON:
        fault = await self._asked("PATCH", name)
        build = self._builds.get((namespace, name))
        if build is None:
            raise Missing(status=404, reason="NotFound", message=f"{name} not found")
        if (build["metadata"]["uid"], build["metadata"]["resourceVersion"]) != (uid, resource_version):
            raise Conflict(status=409, reason="Conflict", message="the object has been modified")
        ImageBuildStatus.model_validate(status)
        if status != build["status"]:
            build["status"] = copy.deepcopy(status)
            self._store_build(build, "MODIFIED")
        return await self._answer(fault, build)

    async def create_pod(self, namespace: str, manifest: JSON) -> JSON:
        name = manifest["metadata"]["name"]
        fault = await self._asked("POST", name)
        if (namespace, name) in self._pods:
            raise Conflict(status=409, reason="AlreadyExists", message=f'pods "{name}" already exists')
        pod = copy.deepcopy(manifest)
        pod["metadata"] |= {"namespace": namespace, "uid": f"pod-{self._version}"}
        pod["status"] = {"phase": "Pending"}
        self._store_pod(pod, "ADDED")
        if self.on_create is not None:
            self.on_create(pod)
        if self.pods_take is not None:
            asyncio.get_running_loop().call_later(self.pods_take, self._finish, name)
        return await self._answer(fault, pod)

    def _finish(self, name: str) -> None:
        pod = self._pods.get((NAMESPACE, name))
        if pod is not None and PodView.parse(pod).live:
            self.end_pod(name, message=pushed_by(name))

    async def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        fault = await self._asked("DELETE", name)
        pod = self._pods.get((namespace, name))
        if pod is not None and pod["metadata"]["uid"] == uid:
            self.ask_to_go(name)
        if fault is not None:
            raise fault.refusal

    async def delete_build(self, *, namespace: str, name: str, uid: str, resource_version: str) -> None:
        fault = await self._asked("DELETE-BUILD", name)
        build = self._builds.get((namespace, name))
        if build is not None:
            metadata = build["metadata"]
            if (metadata["uid"], metadata["resourceVersion"]) == (uid, resource_version):
                self.remove_build(name)
        if fault is not None:
            raise fault.refusal

    async def read_log(self, namespace: str, name: str, container: str) -> str:
        await self._asked("LOG", f"{name}/{container}")
        return self.logs.get(container, "")

    async def last_output(self, namespace: str, name: str, container: str) -> datetime | None:
        await self._asked("LAST-OUTPUT", f"{name}/{container}")
        return self.last_outputs.get(container)

    async def pod_warnings(self, namespace: str, uid: str) -> list[str]:
        await self._asked("WARNINGS", uid)
        return list(self.warnings)

    async def create_event(self, namespace: str, manifest: JSON) -> None:
        await self._asked("EVENT", manifest["reason"])
        self.events.append(manifest)

    async def may(self, *, verb: str, group: str, resource: str, subresource: str, namespace: str | None) -> bool:
        await self._asked("MAY", f"{verb} {resource}")
        return resource not in self.denied

    async def close(self) -> None:
        self.closed = True
