"""A kubelet of one file: runs build Pods in no time at all, and tells of them as a real one does.

It binds Pods itself, since no scheduler runs, and a Pod without a node would be deleted at once instead of gracefully.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from imagebuild_operator.api import names
from tests.chaos.api import JSON, OUR_PODS, Api, Refused, pods_path

NODE: Final = "node-1"
STOPPING_SECONDS: Final = 0.05
# No kubelet serves logs here: the last lines of a failed build are in its termination message (FallbackToLogsOnError).
NO_STEP: Final = "error building image: error building stage: failed to execute command: exit status 1"
NO_PUSH: Final = (
    "error pushing image: failed to push to destination registry.example.com/web:1: "
    "PUT https://registry.example.com/v2/web/manifests/1: unexpected status code 503 Service Unavailable"
)
# 404: the Pod is gone; 409: it is another one by now, or has changed meanwhile.
GONE: Final = (404, 409)


class End(Enum):
    """How a Pod's build ends."""

    PUSHED = "exit code 0 and the digest"
    EVICTED = "the node is short of memory"
    PREEMPTED = "the scheduler deletes the Pod in favour of another"
    DELETED = "somebody deletes the Pod by hand"
    BROKEN = "a step of the Dockerfile fails"
    REGISTRY_DOWN = "the registry answers 503 to the push"
    NEVER = "it runs until the Pod is deleted"

    @property
    def deletes(self) -> bool:
        """Whether somebody but the operator deletes the Pod."""
        return self in (End.DELETED, End.PREEMPTED)


@dataclass(frozen=True)
class Fate:
    """What is to become of a Pod: how it ends, and after how many seconds."""

    end: End
    seconds: float


def digest_of(uid: str) -> str:
    """The digest that the Pod of this uid pushes, and no other."""
    return f"sha256:{hashlib.sha256(uid.encode()).hexdigest()}"


class Kubelet:
    """Looks after every build Pod of the cluster.

    Args:
        api: the way round the faults.
        fate: of a new Pod.
    """

    def __init__(self, api: Api, fate: Callable[[JSON], Fate]) -> None:
        self._api = api
        self._fate = fate
        self._running: dict[str, asyncio.Task[None]] = {}
        self._stopping: set[str] = set()

    async def run(self) -> None:
        """Follow the Pods, for ever."""
        async with asyncio.TaskGroup() as group:
            async for kind, pod in self._api.watch("/api/v1/pods", labelSelector=OUR_PODS):
                uid = str(pod["metadata"]["uid"])
                if kind == "DELETED":
                    self._forget(uid)
                elif pod["metadata"].get("deletionTimestamp"):
                    if uid not in self._stopping:
                        self._forget(uid)
                        self._stopping.add(uid)
                        group.create_task(self._stop(pod))
                elif uid not in self._running:
                    self._running[uid] = group.create_task(self._start(pod))

    def _forget(self, uid: str) -> None:
        if (task := self._running.pop(uid, None)) is not None:
            task.cancel()

    async def _start(self, pod: JSON) -> None:
        with _unless_gone():
            await self._bind(pod)
            fate = self._fate(pod)
            await self._tell(pod, {"phase": "Running", **_containers(pod, {"running": {"startedAt": _now()}})})
            await asyncio.sleep(fate.seconds)
            await self._finish(pod, fate.end)

    async def _finish(self, pod: JSON, end: End) -> None:
        match end:
            case End.PUSHED:
                message = digest_of(pod["metadata"]["uid"])
                await self._tell(pod, {"phase": "Succeeded", **_containers(pod, _terminated(0, message))})
            case End.EVICTED:
                words = {"reason": "Evicted", "message": "The node was low on resource: memory."}
                disrupted = _disrupted("TerminationByKubelet")
                await self._tell(pod, {"phase": "Failed", **words, **disrupted, **_containers(pod, _terminated(2))})
            case End.PREEMPTED:
                await self._tell(pod, _disrupted("PreemptionByScheduler"))
                await self._delete(pod)
            case End.BROKEN:
                await self._tell(pod, {"phase": "Failed", **_containers(pod, _terminated(1, NO_STEP))})
            case End.REGISTRY_DOWN:
                await self._tell(pod, {"phase": "Failed", **_containers(pod, _terminated(1, NO_PUSH))})
            case End.DELETED:
                await self._delete(pod)
            case End.NEVER:
                await asyncio.Event().wait()

    async def _stop(self, pod: JSON) -> None:
        """End the containers, tell of it, and only then let the Pod go."""
        await asyncio.sleep(STOPPING_SECONDS)
        with _unless_gone():
            if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
                await self._tell(pod, {"phase": "Failed", **_containers(pod, _terminated(2))})
        with _unless_gone():
            await self._delete(pod, gracePeriodSeconds=0)

    async def _bind(self, pod: JSON) -> None:
        if pod["spec"].get("nodeName"):
            return
        metadata = {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
        await self._api.create(_path(pod, "binding"), binding)

    async def _delete(self, pod: JSON, **options: int) -> None:
        await self._api.send("DELETE", _path(pod), {**options, "preconditions": {"uid": pod["metadata"]["uid"]}})

    async def _tell(self, pod: JSON, status: JSON) -> None:
        await self._api.merge(_path(pod, "status"), {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status})


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        if refused.status not in GONE:
            raise


def _path(pod: JSON, part: str = "") -> str:
    return pods_path(pod["metadata"]["namespace"], pod["metadata"]["name"], part)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _terminated(code: int, message: str = "") -> JSON:
    reason = "Error" if code else "Completed"
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, "finishedAt": _now()}}


def _disrupted(reason: str) -> JSON:
    return {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": reason}]}


def _containers(pod: JSON, state: JSON) -> JSON:
    image = {"image": "registry.example.com/kaniko:test", "imageID": "", "ready": False, "restartCount": 0}
    build: Iterable[JSON] = pod["spec"]["containers"]
    statuses = [{"name": each["name"], "state": state, **image} for each in build]
    assert [each["name"] for each in statuses] == [names.CONTAINER_BUILD]
    return {"containerStatuses": statuses}


@asynccontextmanager
async def kubelet(api: Api, fate: Callable[[JSON], Fate]) -> AsyncIterator[None]:
    """Run a kubelet meanwhile; one that fails ends the test."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(Kubelet(api, fate).run())
        yield
        task.cancel()
