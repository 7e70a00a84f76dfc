"""Every name that is part of the API: group, labels, annotations, phases, conditions and reasons.

Users select, alert and script on these strings, so they live in one place, are listed in `docs/reference/names.md`
and `docs/reference/reasons.md`, and a test fails when the two drift apart.
"""

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
ANNOTATION_CLOUD: Final = f"{GROUP}/cloud"
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
    DOCKERFILE_INVALID = "DockerfileInvalid"
    STEP_FAILED = "StepFailed"
    SOURCE_FILE_MISSING = "SourceFileMissing"
    IMAGE_UNUSABLE = "ImageUnusable"
    PUSH_REJECTED = "PushRejected"
    TAG_IMMUTABLE = "TagImmutable"
    REGISTRY_FULL = "RegistryFull"
    EXECUTOR_FAILED = "ExecutorFailed"
    REGISTRY_UNAVAILABLE = "RegistryUnavailable"
    RATE_LIMITED = "RateLimited"
    OUT_OF_MEMORY = "OutOfMemory"
    MEMORY_NOT_ALLOWED = "MemoryNotAllowed"
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
    EXECUTOR_UNSUPPORTED = "ExecutorUnsupported"
    ARGUMENT_NOT_ALLOWED = "ArgumentNotAllowed"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_AUTH_FAILED = "SourceAuthFailed"
    REVISION_NOT_FOUND = "RevisionNotFound"
    SHORT_COMMIT = "ShortCommit"
    HOST_KEY_UNKNOWN = "HostKeyUnknown"
    SUB_PATH_INVALID = "SubPathInvalid"
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    SOURCE_INVALID = "SourceInvalid"
    SOURCE_TOO_LARGE = "SourceTooLarge"
    SOURCE_FAILED = "SourceFailed"
    CERTIFICATE_UNKNOWN = "CertificateUnknown"
    REGISTRY_AUTH_FAILED = "RegistryAuthFailed"
    REGISTRY_NOT_FOUND = "RegistryNotFound"
    IMAGE_NOT_FOUND = "ImageNotFound"
    SECRET_INVALID = "SecretInvalid"  # noqa: S105 - the name of a reason
    CA_BUNDLE_INVALID = "CABundleInvalid"


class EventReason(StrEnum):
    """Reasons of Kubernetes Events that are not also the reason of a condition."""

    STARTED = "Started"
    OUT_OF_MEMORY_SURVIVED = "OutOfMemorySurvived"
    UP_TO_DATE = "UpToDate"
    TTL_IGNORED = "TTLIgnored"
    CREDENTIAL_CLASH = "CredentialClash"


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


class RegistrySecretType(StrEnum):
    """What a Secret with logins for registries holds."""

    DOCKER_CONFIG_JSON = "DockerConfigJSON"
    DOCKER_CONFIG = "DockerConfig"
    BASIC_AUTH = "BasicAuth"
