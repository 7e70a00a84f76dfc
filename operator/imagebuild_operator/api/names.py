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
LABEL_CONCURRENCY_GROUP: Final = f"{GROUP}/concurrency-group"

ANNOTATION_PREFIX: Final = f"{GROUP}/"
ANNOTATION_RUN: Final = f"{GROUP}/run"
ANNOTATION_REQUESTED_AT: Final = f"{GROUP}/requestedAt"
ANNOTATION_CANCEL_REQUESTED_AT: Final = f"{GROUP}/cancelRequestedAt"
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
    CANCELLED = "Cancelled"
    SUSPENDED = "Suspended"

    @property
    def finished(self) -> bool:
        """Whether the latest run has ended, and nothing is due."""
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED)

    @property
    def at_rest(self) -> bool:
        """Whether nothing more happens until the user changes something."""
        return self.finished or self is Phase.SUSPENDED


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
    POD_TERMINATING = "PodTerminating"
    SCHEDULING_GATED = "SchedulingGated"
    RETRYING = "Retrying"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    CANCELLED = "Cancelled"
    SUPERSEDED = "Superseded"
    BUILD_FAILED = "BuildFailed"
    REGISTRY_UNAVAILABLE = "RegistryUnavailable"
    RATE_LIMITED = "RateLimited"
    OUT_OF_MEMORY = "OutOfMemory"
    OUT_OF_STORAGE = "OutOfStorage"
    TIMEOUT = "Timeout"
    START_TIMEOUT = "StartTimeout"
    NO_OUTPUT = "NoOutput"
    DISRUPTED = "Disrupted"
    EVICTED = "Evicted"
    POD_LOST = "PodLost"
    POD_REJECTED = "PodRejected"
    NAME_CONFLICT = "NameConflict"
    INVALID_SPEC = "InvalidSpec"


class EventReason(StrEnum):
    """Reasons of Kubernetes Events that are not also the reason of a condition."""

    STARTED = "Started"
    OUT_OF_MEMORY_SURVIVED = "OutOfMemorySurvived"
    UP_TO_DATE = "UpToDate"
    TTL_IGNORED = "TTLIgnored"


class AttemptReason(StrEnum):
    """Why an attempt ended, where that is never the reason of a condition."""

    SPEC_CHANGED = "SpecChanged"


class RunCause(StrEnum):
    """What a run was started by."""

    CREATED = "Created"
    INPUTS_CHANGED = "InputsChanged"
    SPEC_CHANGED = "SpecChanged"
    REQUESTED = "Requested"


class ConcurrencyPolicy(StrEnum):
    """What a new build of a concurrency group does to the older ones."""

    QUEUE = "Queue"
    REPLACE = "Replace"


@dataclass(frozen=True)
class ReasonDoc:
    """One row of the reference: what a reason means, who mends it and how."""

    meaning: str
    who: str
    how: str


REASON_DOCS: Final[dict[Reason, ReasonDoc]] = {
    Reason.QUEUED: ReasonDoc(
        "The build waits for its turn: a limit of running builds is reached, or another build of its "
        "`spec.concurrencyGroup` runs. The message says which, and its place.",
        "nobody",
        "Wait, raise `spec.priority`, or ask the platform team to raise `limits.maxConcurrentBuilds`.",
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
    Reason.POD_TERMINATING: ReasonDoc(
        "The Pod was asked to go but does not: its node is lost, or a finalizer holds it. The operator never deletes a "
        "Pod by force, since its containers may still run. Of a run that is over or held, an Event with this reason "
        "tells.",
        "platform team",
        "Bring the node back, or make sure that it is off and remove the Node; the build then goes on by itself.",
    ),
    Reason.SCHEDULING_GATED: ReasonDoc(
        "The Pod has scheduling gates: a queueing system such as Kueue has not admitted it yet. No timeout runs.",
        "nobody",
        "Wait, or look at the queue that holds it.",
    ),
    Reason.RETRYING: ReasonDoc(
        "An attempt failed for a reason that may pass by itself; the next one starts at `status.run.nextAttemptTime`.",
        "nobody",
        "Wait; `status.failure` says what the last attempt failed with.",
    ),
    Reason.SUSPENDED: ReasonDoc(
        "`spec.suspend` is true: what was due does not start, and what ran was stopped.",
        "user",
        "Set `spec.suspend` to false.",
    ),
    Reason.SUCCEEDED: ReasonDoc("The image was pushed; its digest is in `status.digest`.", "nobody", "-"),
    Reason.CANCELLED: ReasonDoc(
        "The run was ended by `imagebuild.dev/cancelRequestedAt`.",
        "user",
        "Set `imagebuild.dev/requestedAt`, or change the spec, to build again.",
    ),
    Reason.SUPERSEDED: ReasonDoc(
        "A newer build of the same `spec.concurrencyGroup`, with the policy `Replace`, took this one's place.",
        "nobody",
        "Nothing, or set `imagebuild.dev/requestedAt` to build this one after all.",
    ),
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
    Reason.REGISTRY_UNAVAILABLE: ReasonDoc(
        "A registry answered with an error of its own (5xx) or not at all.",
        "platform team",
        "Tried again by itself, `spec.retry.limit` times; then mend the registry and set `imagebuild.dev/requestedAt`.",
    ),
    Reason.RATE_LIMITED: ReasonDoc(
        "A registry refused further requests for now (429).",
        "platform team",
        "Tried again by itself, `spec.retry.limit` times; log in, or pull through a mirror.",
    ),
    Reason.OUT_OF_STORAGE: ReasonDoc(
        "The build went over its limit of ephemeral storage.",
        "user",
        "Raise `spec.resources.limits.ephemeral-storage`; that alone builds again.",
    ),
    Reason.TIMEOUT: ReasonDoc(
        "The build did not end within `spec.timeout`.", "user", "Raise `spec.timeout`, or make the build faster."
    ),
    Reason.START_TIMEOUT: ReasonDoc(
        "The Pod could not start within `spec.startTimeout`; the message says what it waited for.",
        "user",
        "Create what is missing, then change the spec or set `imagebuild.dev/requestedAt`.",
    ),
    Reason.NO_OUTPUT: ReasonDoc(
        "The build logged nothing for `spec.noOutputTimeout`.",
        "user",
        "Find out what hangs in the last step of the log, or raise `spec.noOutputTimeout`.",
    ),
    Reason.DISRUPTED: ReasonDoc(
        "The cluster took the Pod away: a drain, a preemption, a taint, a full node; the message is its own.",
        "nobody",
        "Tried again by itself, at most 3 times a run; then set `imagebuild.dev/requestedAt`.",
    ),
    Reason.EVICTED: ReasonDoc(
        "The kubelet evicted the Pod because its node ran short of memory, disk or processes.",
        "platform team",
        "Tried again by itself, at most 3 times a run; give the nodes more room, or the build higher requests.",
    ),
    Reason.POD_LOST: ReasonDoc(
        "The Pod was deleted, or its node went away, before the build ended.",
        "user or platform team",
        "Tried again by itself, at most 3 times a run; then set `imagebuild.dev/requestedAt`.",
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

ATTEMPT_REASON_DOCS: Final[dict[AttemptReason, ReasonDoc]] = {
    AttemptReason.SPEC_CHANGED: ReasonDoc(
        "The spec was edited before a container of the attempt's Pod had started: the next attempt of the same run "
        "took its place.",
        "nobody",
        "-",
    ),
}
