"""Sees every change of every Pod and every build, and keeps what must never be.

It watches the API server itself, from before the first build on and without a gap, so nothing it judges is sampled.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from imagebuild_operator.api import names
from imagebuild_operator.core.queueing import Key
from tests.chaos.api import BUILDS, JSON, OUR_PODS, Api

ENDED: Final = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Attempt:
    """One attempt of one build: of a build that was made anew under its name, another one."""

    build_uid: str
    run: int
    attempt: int


@dataclass
class SeenPod:
    """A Pod, as it was when it was last seen."""

    document: JSON
    key: Key
    attempt: Attempt
    group: str
    live: bool = True
    deleted: bool = False

    @property
    def name(self) -> str:
        """Of the Pod."""
        return str(self.document["metadata"]["name"])

    @property
    def running(self) -> bool:
        """Whether the kubelet says so."""
        return bool(self.document["status"].get("phase") == "Running")

    def __str__(self) -> str:
        metadata, phase = self.document["metadata"], self.document["status"].get("phase")
        going = f", to go by {metadata['deletionTimestamp']}" if self.deleted else ""
        return f"{self.name} ({phase}, made {metadata['creationTimestamp']}{going})"


@dataclass
class Observer:
    """The books; `observing` keeps them.

    Attributes:
        pods: every Pod there ever was, by its uid.
        builds: the builds as they are now.
        recorded_pods: every name of a Pod that a status ever held.
        queued: build, run and attempt of every wait for a turn that was recorded.
        ends: what was ever told of the end of a run.
        peak: the most live Pods at any moment.
        peaks: the same of each namespace.
        breaches: two Pods of one build, or two builds of one group, that lived at the same moment, and the first time.
    """

    pods: dict[str, SeenPod] = field(default_factory=dict)
    builds: dict[Key, JSON] = field(default_factory=dict)
    recorded_pods: set[str] = field(default_factory=set)
    queued: set[tuple[Key, int, int]] = field(default_factory=set)
    ends: dict[tuple[Key, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    peak: int = 0
    peaks: Counter[str] = field(default_factory=Counter)
    breaches: dict[str, str] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _finished: set[Key] = field(default_factory=set)
    _live: dict[str, SeenPod] = field(default_factory=dict)

    async def follow_pods(self, api: Api) -> None:
        """Take in every change of a build Pod."""
        async for kind, pod in api.watch("/api/v1/pods", labelSelector=OUR_PODS):
            self._see_pod(kind, pod)
            self._measure()
            self._wake()

    async def follow_builds(self, api: Api) -> None:
        """Take in every change of a build."""
        async for kind, build in api.watch(f"{BUILDS}/{names.PLURAL}"):
            self._see_build(kind, build)
            self._wake()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until something is so, looking at every change."""
        while not reached():
            await self.changed.wait()

    def status(self, key: Key) -> JSON:
        """The status of a build, empty while there is none."""
        status: JSON = self.builds.get(key, {}).get("status") or {}
        return status

    def finished(self) -> int:
        """How many builds have come to an end that stands for their spec as it is now."""
        return len(self._finished)

    def live(self, key: Key) -> list[SeenPod]:
        """The Pods of a build that have not ended."""
        return [pod for pod in self._live.values() if pod.key == key]

    def any_live(self) -> bool:
        """Whether there is a Pod that has not ended."""
        return bool(self._live)

    def doubles(self, by_hand: Collection[Key]) -> list[str]:
        """Pods that should not have been made: a second one of an attempt, or one that no status ever named.

        Args:
            by_hand: builds whose Pods somebody deletes, so that a second one is right.
        """
        pods = (pod for pod in self.pods.values() if not (pod.deleted and pod.key in by_hand))
        made = Counter(pod.attempt for pod in pods)
        twice = [f"{attempt} has {count} Pods" for attempt, count in made.items() if count > 1]
        unknown = {pod.name for pod in self.pods.values()} - self.recorded_pods
        return twice + [f"{name} was never recorded" for name in sorted(unknown)]

    def further_attempts(self) -> int:
        """How many attempts there were beyond the first of each run."""
        runs = {(pod.attempt.build_uid, pod.attempt.run) for pod in self.pods.values()}
        return len({pod.attempt for pod in self.pods.values()}) - len(runs)

    def deletions(self) -> int:
        """How many Pods were asked to go."""
        return sum(pod.deleted for pod in self.pods.values())

    def _see_pod(self, kind: str, pod: JSON) -> None:
        metadata = pod["metadata"]
        phase = (pod.get("status") or {}).get("phase")
        seen = self.pods.get(metadata["uid"])
        if seen is None:
            seen = self.pods[metadata["uid"]] = _new(pod)
        seen.document, seen.live = pod, kind != "DELETED" and phase not in ENDED
        seen.deleted = seen.deleted or bool(metadata.get("deletionTimestamp"))
        if seen.live:
            self._live[metadata["uid"]] = seen
        else:
            self._live.pop(metadata["uid"], None)

    def _see_build(self, kind: str, build: JSON) -> None:
        key = (build["metadata"]["namespace"], build["metadata"]["name"])
        if kind == "DELETED":
            self.builds.pop(key, None)
            self._finished.discard(key)
            return
        self.builds[key] = build
        (self._finished.add if _is_finished(build) else self._finished.discard)(key)
        status = self.status(key)
        for past in status.get("history") or ():
            self.ends[key, past["number"]].add(f"{past['reason']} {past.get('digest')} {past['completionTime']}")
        run = status.get("run") or {}
        if "podName" in run:
            self.recorded_pods.add(run["podName"])
        elif run and status["phase"] == names.Phase.QUEUED:
            self.queued.add((key, run["number"], run["attempt"]))

    def _measure(self) -> None:
        """Judge the live Pods of this very moment."""
        builds: dict[str, list[SeenPod]] = defaultdict(list)
        groups: dict[tuple[str, str], set[str]] = defaultdict(set)
        for pod in self._live.values():
            builds[pod.attempt.build_uid].append(pod)
            if pod.group:
                groups[pod.key[0], pod.group].add(pod.key[1])
        self.peak = max(self.peak, len(self._live))
        # Of two counters, `|` takes the larger count of each.
        self.peaks |= Counter(pod.key[0] for pod in self._live.values())
        for two in builds.values():
            if len(two) > 1:
                self.breaches.setdefault(str(sorted(pod.name for pod in two)), ", ".join(map(str, two)))
        for (namespace, group), members in groups.items():
            if len(members) > 1:
                self.breaches.setdefault(str(sorted(members)), f"of group {group} in {namespace}")

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


def _new(pod: JSON) -> SeenPod:
    metadata, labels = pod["metadata"], pod["metadata"]["labels"]
    [owner] = metadata["ownerReferences"]
    attempt = Attempt(owner["uid"], int(labels[names.LABEL_RUN]), int(labels[names.LABEL_ATTEMPT]))
    group = labels.get(names.LABEL_CONCURRENCY_GROUP, "")
    return SeenPod(pod, (metadata["namespace"], owner["name"]), attempt, group)


def _is_finished(build: JSON) -> bool:
    status, tokens = build.get("status") or {}, build["metadata"].get("annotations") or {}
    answered = (
        status.get("observedGeneration") == build["metadata"]["generation"]
        and status.get("lastHandledRequest") == tokens.get(names.ANNOTATION_REQUESTED_AT)
        and status.get("lastHandledCancel") == tokens.get(names.ANNOTATION_CANCEL_REQUESTED_AT)
    )
    return answered and names.Phase(status["phase"]).finished


@asynccontextmanager
async def observing(api: Api) -> AsyncIterator[Observer]:
    """Keep the books meanwhile; a watch that fails ends the test."""
    observer = Observer()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(observer.follow_pods(api)), group.create_task(observer.follow_builds(api))]
        yield observer
        for task in tasks:
            task.cancel()
