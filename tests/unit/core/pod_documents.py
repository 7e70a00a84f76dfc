"""Documents of Pods in the states that a kubelet reports, for tables of outcomes."""

from typing import Any

from imagebuild_operator.api import names
from imagebuild_operator.core.pods import PodView
from tests.unit.core.world import UID

Doc = dict[str, Any]

IMAGES = ("registry.example.com:5000/team/web:1", "registry.example.com/team/web:latest")


def terminated(exit_code: int, *, message: str = "", reason: str = "", at: str = "2026-01-01T00:10:00Z") -> Doc:
    state = {"exitCode": exit_code, "message": message, "reason": reason or ("Error" if exit_code else "Completed")}
    return {"terminated": {**state, "finishedAt": at}}


def pod_document(
    *,
    phase: str = "Failed",
    reason: str = "",
    message: str = "",
    build: Doc | None = None,
    prepare: Doc | None = None,
    metadata: Doc | None = None,
    conditions: list[Doc] | None = None,
) -> Doc:
    def statuses(name: str, state: Doc | None) -> list[Doc]:
        return [] if state is None else [{"name": name, "state": state}]

    owner = {"apiVersion": names.API_VERSION, "kind": names.KIND, "name": "web", "uid": UID, "controller": True}
    return {
        "metadata": {
            "namespace": "ns",
            "name": "web-1-1",
            "uid": "pod-1",
            "annotations": {names.ANNOTATION_RUN: "1"},
            "ownerReferences": [owner],
            **(metadata or {}),
        },
        "spec": {"containers": [{"name": "build", "args": ["--x=y", *(f"--destination={i}" for i in IMAGES)]}]},
        "status": {
            "phase": phase,
            "reason": reason,
            "message": message,
            "conditions": conditions or [],
            "containerStatuses": statuses("build", build),
            "initContainerStatuses": statuses("prepare", prepare),
        },
    }


def pod(*, gone: bool = False, **fields: Any) -> PodView:
    return PodView.parse(pod_document(**fields), gone=gone)


DELETED = {"deletionTimestamp": "2026-01-01T00:10:30Z", "deletionGracePeriodSeconds": 30}
