"""Builds as nothing but their documents, and an operator's queue that knows only those: it can be restarted anywhere.

Each look at a build does what a pass of the reconciler does about the queue, without I/O: ask, record the answer in
the status, settle. What is recorded is all that a new process gets to see.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from imagebuild_operator.api import names
from imagebuild_operator.core.queueing import Key, Limits, Slot
from imagebuild_operator.core.reading import JSON
from imagebuild_operator.shell.admission import Admission
from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.store import Store
from tests.unit.core.world import inline_spec

RUN: JSON = {"generation": 1, "inputsHash": "v1:0", "specHash": "v1:0"}


@dataclass
class Records:
    """Make builds, let them end, and restart the operator; `started` and `ended` tell the order."""

    limits: Limits = field(default_factory=Limits)
    seconds: float = 0.0
    builds: dict[Key, JSON] = field(default_factory=dict)
    pods: dict[Key, JSON] = field(default_factory=dict)
    started: list[Key] = field(default_factory=list)
    ended: list[Key] = field(default_factory=list)
    answers: dict[Key, Slot] = field(default_factory=dict)
    # Builds whose record the API server refuses.
    refused: set[Key] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._version = 0
        self.restart()

    def restart(self) -> None:
        """A new process: all it knows is what is recorded."""
        self.woken: deque[Key] = deque()
        self.metrics = Metrics("test")
        self.store = Store()
        self.admission = Admission(self.store, self.limits, self.woken.append, self.metrics, clock=lambda: self.seconds)
        for raw in self.builds.values():
            if raw["status"].get("phase") not in ("Succeeded", "Suspended"):
                self.store.see_build(raw)
        for pod in self.pods.values():
            self.store.see_pod(pod)
        self.admission.refresh()
        self.woken.extend(self.builds)

    def apply(self, key: Key, **spec: Any) -> None:
        """Create a build, or change its spec."""
        known = self.builds.get(key)
        status = known["status"] if known else {}
        self._write(key, {**(known["spec"] if known else inline_spec()), **spec}, status)
        self.woken.append(key)

    def work(self) -> None:
        """Look at everything that was woken."""
        while self.woken:
            self.look(self.woken.popleft())

    def look(self, key: Key) -> None:
        """One pass over one build."""
        run = self._run(key)
        waits = run is None or "completionTime" in run or "podName" not in run
        if key in self.builds and not self.builds[key]["spec"].get("suspend") and waits and not self._done(key):
            slot = self.admission.ask(key)
            self.answers[key] = slot
            if key not in self.refused:
                self._record(key, slot)
        self.admission.settle(key)

    def _record(self, key: Key, slot: Slot) -> None:
        run = self._run(key) or {**RUN, "number": 1, "attempt": 0, "queuedTime": self._moment()}
        run = {**run, "turn": slot.turn}
        run = {name: value for name, value in run.items() if name not in ("nextAttemptTime", "concurrencyGroup")}
        if slot.granted:
            attempt = run["attempt"] + 1
            run |= {"attempt": attempt, "podName": f"{key[1]}-1-{attempt}", "concurrencyGroup": slot.group}
            self.started.append(key)
        self._set(key, "Building" if slot.granted else "Queued", run)
        if slot.granted:
            self._post(key, run["podName"], slot.group)

    def end(self, key: Key) -> None:
        """Its run is over, and its Pod has ended if it had one."""
        if key in self.pods:
            self._pod(key, phase="Succeeded")
        self._set(key, "Succeeded", {**(self._run(key) or {}), "completionTime": "2026-01-01T01:00:00Z"})
        self.ended.append(key)
        self.store.forget(key)
        self.admission.settle(key)

    def fail(self, key: Key) -> None:
        """Its Pod has ended, and another attempt is to follow later."""
        self._pod(key, phase="Failed")
        run = {**(self._run(key) or {}), "nextAttemptTime": "2026-01-01T01:00:00Z"}
        run.pop("podName")
        self._set(key, "Pending", run)
        self.admission.settle(key)

    def suspend(self, key: Key) -> None:
        """`spec.suspend`, and all that the operator does about it."""
        self.apply(key, suspend=True)
        run = self._run(key)
        if key in self.pods:
            self._pod(key, phase="Failed")
        if run is not None:
            gone = ("podName", "nextAttemptTime", "concurrencyGroup")
            run = {name: value for name, value in run.items() if name not in gone}
            self._set(key, "Suspended", run)
        self.store.forget(key)
        self.admission.settle(key)

    def resume(self, key: Key) -> None:
        """`spec.suspend` is over."""
        self.apply(key, suspend=False)

    @property
    def running(self) -> list[Key]:
        """The builds that have a Pod, in the order they got it."""
        return list(self.pods)

    def turn(self, key: Key) -> int:
        """The turn that is recorded."""
        return int((self._run(key) or {})["turn"])

    def queued(self) -> list[Key]:
        """The builds that are recorded as waiting."""
        return [key for key, build in self.builds.items() if build["status"].get("phase") == "Queued"]

    def sample(self, metric: str) -> float:
        """The value of a metric."""
        return self.metrics.registry.get_sample_value(metric) or 0.0

    def _run(self, key: Key) -> JSON | None:
        run: JSON | None = self.builds[key]["status"].get("run") if key in self.builds else None
        return run

    def _done(self, key: Key) -> bool:
        return bool(self.builds[key]["status"].get("phase") == "Succeeded")

    def _moment(self) -> str:
        return f"2026-01-01T00:00:00.{self._version:06}Z"

    def _set(self, key: Key, phase: str, run: JSON) -> None:
        self._write(key, self.builds[key]["spec"], {"phase": phase, "run": run})

    def _write(self, key: Key, spec: JSON, status: JSON) -> None:
        self._version += 1
        metadata = {
            "namespace": key[0],
            "name": key[1],
            "uid": f"uid-{key[0]}-{key[1]}",
            "generation": 1,
            "resourceVersion": str(self._version),
        }
        self.builds[key] = {"metadata": metadata, "spec": spec, "status": status}
        self.store.see_build(self.builds[key])

    def _post(self, key: Key, name: str, group: str) -> None:
        self._version += 1
        owner = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": key[1],
            "uid": self.builds[key]["metadata"]["uid"],
            "controller": True,
        }
        self.pods[key] = {
            "metadata": {
                "namespace": key[0],
                "name": name,
                "uid": f"pod-{self._version}",
                "resourceVersion": str(self._version),
                "labels": {names.LABEL_CONCURRENCY_GROUP: group} if group else {},
                "ownerReferences": [owner],
            },
            "status": {"phase": "Running"},
        }
        self.store.see_pod(self.pods[key])

    def _pod(self, key: Key, phase: str) -> None:
        """The Pod has ended; it is kept for a while, and holds nothing."""
        self._version += 1
        pod = self.pods.pop(key)
        pod["metadata"]["resourceVersion"] = str(self._version)
        pod["status"]["phase"] = phase
        self.store.see_pod(pod)
