"""Every name that is part of the API: group, labels, annotations, phases, conditions and reasons.

Users select, alert and script on these strings, so they live in one place, are listed in `docs/reference/names.md`
and `docs/reference/reasons.md`, and a test fails when the two drift apart.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

GROUP: Final = "imagebuild.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "ImageBuild"
PLURAL: Final = "imagebuilds"
SINGULAR: Final = "imagebuild"
SHORT_NAME: Final = "imb"
CATEGORY: Final = "builds"

OPERATOR: Final = "imagebuild-operator"
FIELD_MANAGER: Final = OPERATOR

LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_BUILD: Final = f"{GROUP}/build"
LABEL_RUN: Final = f"{GROUP}/run"
LABEL_ATTEMPT: Final = f"{GROUP}/attempt"

ANNOTATION_PREFIX: Final = f"{GROUP}/"
ANNOTATION_RUN: Final = f"{GROUP}/run"
ANNOTATION_REQUESTED_AT: Final = f"{GROUP}/requestedAt"
ANNOTATION_FILE_PREFIX: Final = f"{GROUP}/file-"
ANNOTATION_SAFE_TO_EVICT: Final = "cluster-autoscaler.kubernetes.io/safe-to-evict"

CONTAINER_BUILD: Final = "build"
CONTAINER_PREPARE: Final = "prepare"


class Phase(StrEnum):
    """The one-word summary for people, printer columns and field selectors; always derived from the conditions."""

    PENDING = "Pending"
    QUEUED = "Queued"
    BUILDING = "Building"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def finished(self) -> bool:
        """Whether nothing more happens until the user changes something."""
        return self in (Phase.SUCCEEDED, Phase.FAILED)


class ConditionType(StrEnum):
    """The four conditions; `Reconciling` and `Stalled` are present only while True (kstatus)."""

    SUCCEEDED = "Succeeded"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """Why a condition has its status; also the `reason` of failures, Events and the metric label."""

    QUEUED = "Queued"
    BUILDING = "Building"
    POD_NOT_STARTING = "PodNotStarting"
    POD_FORBIDDEN = "PodForbidden"
    SUCCEEDED = "Succeeded"
    BUILD_FAILED = "BuildFailed"
    OUT_OF_MEMORY = "OutOfMemory"
    TIMEOUT = "Timeout"
    START_TIMEOUT = "StartTimeout"
    EVICTED = "Evicted"
    POD_LOST = "PodLost"
    POD_REJECTED = "PodRejected"
    NAME_CONFLICT = "NameConflict"
    INVALID_SPEC = "InvalidSpec"


class EventReason(StrEnum):
    """Reasons of Kubernetes Events that are not also the reason of a condition."""

    STARTED = "Started"
    OUT_OF_MEMORY_SURVIVED = "OutOfMemorySurvived"


@dataclass(frozen=True)
class ReasonDoc:
    """One row of the reference: what a reason means, who mends it and how."""

    meaning: str
    who: str
    how: str


REASON_DOCS: Final[dict[Reason, ReasonDoc]] = {
    Reason.QUEUED: ReasonDoc(
        "The build waits because the operator's limit of running builds is reached.",
        "nobody",
        "Wait, or ask the platform team to raise `limits.maxConcurrentBuilds`.",
    ),
    Reason.BUILDING: ReasonDoc("The build Pod was asked for, or runs.", "nobody", "Wait."),
    Reason.POD_NOT_STARTING: ReasonDoc(
        "The Pod exists but cannot start: a Secret or ConfigMap is missing, an image cannot be pulled, no node fits. "
        "The message is the cluster's own.",
        "user",
        "Create what is missing; the Pod then goes on by itself. After `spec.startTimeout` the run fails.",
    ),
    Reason.POD_FORBIDDEN: ReasonDoc(
        "The API server refuses the Pod for now: quota, Pod Security, a policy, a missing ServiceAccount, or an "
        "error of its own.",
        "user or platform team",
        "Free quota, let the namespace admit Pods at the `baseline` level, or create what is missing. Tried again "
        "until `spec.startTimeout`.",
    ),
    Reason.SUCCEEDED: ReasonDoc("The image was pushed; its digest is in `status.digest`.", "nobody", "-"),
    Reason.BUILD_FAILED: ReasonDoc(
        "Fetching the source, the Dockerfile, or the push failed; the message and `status.failure.logTail` say where.",
        "user",
        "Mend what the log names, then change the spec or set `imagebuild.dev/requestedAt`.",
    ),
    Reason.OUT_OF_MEMORY: ReasonDoc(
        "A container of the Pod was killed at its memory limit.",
        "user",
        "Raise `spec.resources.limits.memory` (or `spec.sourceResources` when the message names the source); a raised "
        "limit alone builds again.",
    ),
    Reason.TIMEOUT: ReasonDoc(
        "The build did not end within `spec.timeout`.", "user", "Raise `spec.timeout`, or make the build faster."
    ),
    Reason.START_TIMEOUT: ReasonDoc(
        "The Pod could not start within `spec.startTimeout`; the message says what it waited for.",
        "user",
        "Create what is missing, then change the spec or set `imagebuild.dev/requestedAt`.",
    ),
    Reason.EVICTED: ReasonDoc(
        "The kubelet evicted the Pod, mostly for going over its ephemeral storage.",
        "user or platform team",
        "Raise `spec.resources.limits.ephemeral-storage`, or give the nodes more room.",
    ),
    Reason.POD_LOST: ReasonDoc(
        "The Pod was deleted, or its node went away, before the build ended.",
        "user",
        "Set `imagebuild.dev/requestedAt` to build again.",
    ),
    Reason.POD_REJECTED: ReasonDoc(
        "The API server or the kubelet refuses the Pod as it is; the message is its own.",
        "user",
        "Correct the field the message names, mostly below `spec.podTemplate` or `spec.resources`.",
    ),
    Reason.NAME_CONFLICT: ReasonDoc(
        "A Pod that is not ours has the name the build's Pod needs.",
        "user",
        "Delete or rename that Pod, then set `imagebuild.dev/requestedAt`.",
    ),
    Reason.INVALID_SPEC: ReasonDoc(
        "The stored spec does not fit this version of the operator, as after an upgrade of the schema.",
        "user",
        "Apply the manifest again with the field that the message names corrected.",
    ),
}
