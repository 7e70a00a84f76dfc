"""A watch beside a test: every change of the objects, in the order of the API server, none of them missed."""

import json
import os
import subprocess
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self

from tests.cluster.handle import ClusterHandle
from tests.cluster.programs import program
from tests.e2e.team import FINISHED, JSON

BUILD_PODS: Final = "/api/v1/pods?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dimagebuild-operator"
SECONDS: Final = 7200
BEGIN_SECONDS: Final = 30.0
# So that the API server sends what there is first, and says when that was all.
INITIAL: Final = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


def builds_path(namespace: str) -> str:
    """The ImageBuilds of a namespace."""
    return f"/apis/imagebuild.dev/v1alpha1/namespaces/{namespace}/imagebuilds?"


@dataclass(frozen=True)
class Change:
    """One event of a watch."""

    kind: Literal["ADDED", "MODIFIED", "DELETED"]
    object: JSON


class Watch:
    """Notes all changes of the objects of a path while the block runs."""

    def __init__(self, cluster: ClusterHandle, path: str) -> None:
        self._cluster = cluster
        self._path = f"{path}&watch=true&timeoutSeconds={SECONDS}&{INITIAL}"
        self._changes: list[Change] = []
        self._begun = threading.Event()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [str(program("kubectl")), "get", "--raw", self._path],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "KUBECONFIG": str(self._cluster.kubeconfig)},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._begun.wait(BEGIN_SECONDS), f"no watch of {self._path}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cut = self._process.poll() is not None
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert kind is not None or not cut, "the watch ended before its time: changes were missed"

    @property
    def changes(self) -> list[Change]:
        """What was seen up to now."""
        return list(self._changes)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                event = json.loads(line)
                if event["type"] == "BOOKMARK":
                    self._begun.set()
                else:
                    assert event["type"] != "ERROR", line
                    event["object"]["metadata"].pop("managedFields", None)
                    self._changes.append(Change(event["type"], event["object"]))


def most_live(changes: Iterable[Change], of: Callable[[JSON], str] = lambda pod: "") -> Counter[str]:
    """The most Pods that were live at a time, of each kind that `of` tells apart."""
    live: defaultdict[str, set[str]] = defaultdict(set)
    most: Counter[str] = Counter()
    for change in changes:
        pod = change.object
        kind, uid = of(pod), pod["metadata"]["uid"]
        if change.kind == "DELETED" or pod["status"].get("phase") in FINISHED:
            live[kind].discard(uid)
        else:
            live[kind].add(uid)
            most[kind] = max(most[kind], len(live[kind]))
    return most
