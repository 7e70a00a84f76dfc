"""Which failures are tried again, how often and when.

The class of a failure follows from its reason, here and nowhere else; `docs/reference/reasons.md` shows it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import Retries, Run


class FailureClass(StrEnum):
    """What a failure calls for."""

    TRANSIENT = "transient"
    DISRUPTION = "disruption"
    MEMORY = "memory"
    MISSING = "missing object"
    THEIRS = "theirs"


CLASSES: Final[Mapping[Reason, FailureClass]] = {
    Reason.REGISTRY_UNAVAILABLE: FailureClass.TRANSIENT,
    Reason.RATE_LIMITED: FailureClass.TRANSIENT,
    Reason.SOURCE_UNREACHABLE: FailureClass.TRANSIENT,
    Reason.DISRUPTED: FailureClass.DISRUPTION,
    Reason.EVICTED: FailureClass.DISRUPTION,
    Reason.POD_LOST: FailureClass.DISRUPTION,
    Reason.OUT_OF_MEMORY: FailureClass.MEMORY,
    # A limit that is only a little too small kills nothing: the build crawls, and says nothing for long.
    Reason.NO_OUTPUT: FailureClass.MEMORY,
    Reason.MEMORY_NOT_ALLOWED: FailureClass.THEIRS,
    # The Pod itself has waited for what was missing, as long as it may.
    Reason.START_TIMEOUT: FailureClass.MISSING,
    Reason.BUILD_FAILED: FailureClass.THEIRS,
    Reason.DOCKERFILE_INVALID: FailureClass.THEIRS,
    Reason.STEP_FAILED: FailureClass.THEIRS,
    Reason.SOURCE_FILE_MISSING: FailureClass.THEIRS,
    Reason.IMAGE_UNUSABLE: FailureClass.THEIRS,
    Reason.PUSH_REJECTED: FailureClass.THEIRS,
    Reason.TAG_IMMUTABLE: FailureClass.THEIRS,
    Reason.REGISTRY_FULL: FailureClass.THEIRS,
    Reason.EXECUTOR_FAILED: FailureClass.THEIRS,
    Reason.OUT_OF_STORAGE: FailureClass.THEIRS,
    Reason.TIMEOUT: FailureClass.THEIRS,
    Reason.POD_REJECTED: FailureClass.THEIRS,
    Reason.NAME_CONFLICT: FailureClass.THEIRS,
    Reason.INVALID_SPEC: FailureClass.THEIRS,
    Reason.EXECUTOR_UNSUPPORTED: FailureClass.THEIRS,
    Reason.ARGUMENT_NOT_ALLOWED: FailureClass.THEIRS,
    Reason.SOURCE_NOT_FOUND: FailureClass.THEIRS,
    Reason.SOURCE_AUTH_FAILED: FailureClass.THEIRS,
    Reason.REVISION_NOT_FOUND: FailureClass.THEIRS,
    Reason.SHORT_COMMIT: FailureClass.THEIRS,
    Reason.HOST_KEY_UNKNOWN: FailureClass.THEIRS,
    Reason.SUB_PATH_INVALID: FailureClass.THEIRS,
    Reason.CHECKSUM_MISMATCH: FailureClass.THEIRS,
    Reason.SOURCE_INVALID: FailureClass.THEIRS,
    Reason.SOURCE_TOO_LARGE: FailureClass.THEIRS,
    Reason.SOURCE_FAILED: FailureClass.THEIRS,
    Reason.CERTIFICATE_UNKNOWN: FailureClass.THEIRS,
    Reason.REGISTRY_AUTH_FAILED: FailureClass.THEIRS,
    Reason.REGISTRY_NOT_FOUND: FailureClass.THEIRS,
    Reason.IMAGE_NOT_FOUND: FailureClass.THEIRS,
    Reason.SECRET_INVALID: FailureClass.THEIRS,
    Reason.CA_BUNDLE_INVALID: FailureClass.THEIRS,
}

DISRUPTIONS: Final = 3
LONGEST_SECONDS: Final = 300.0
# A registry needs time to mend; what took the Pod away has mostly done so already, and the next one goes elsewhere.
FIRST_SECONDS: Final[Mapping[FailureClass, float]] = {
    FailureClass.TRANSIENT: 10.0,
    FailureClass.DISRUPTION: 2.0,
    FailureClass.MEMORY: 2.0,
}


@dataclass(frozen=True)
class Retry:
    """The attempt that follows a failed one."""

    counts: Retries
    at: datetime


def following(run: Run, reason: Reason, *, limit: int, raises: int, seed: str, now: datetime) -> Retry | None:
    """The next attempt of a run after a failure; None when its class has none, or its budget is used up.

    Args:
        run: with what it has used up so far.
        reason: of the failure.
        limit: attempts after transient failures that a run may have; disruptions have a budget of their own.
        raises: attempts with more memory that a run may have; 0 where there is no more to be had.
        seed: any text that differs between attempts. The jitter comes from it, so that deciding twice gives the same.
        now: the time.
    """
    used = run.retries or Retries()
    failures, disruptions, memory = used.failures or 0, used.disruptions or 0, used.memory or 0
    match CLASSES[reason]:
        case FailureClass.TRANSIENT if failures < limit:
            counts, times = {"failures": failures + 1}, failures
        case FailureClass.DISRUPTION if disruptions < DISRUPTIONS:
            counts, times = {"disruptions": disruptions + 1}, disruptions
        case FailureClass.MEMORY if memory < raises:
            counts, times = {"memory": memory + 1}, 0
        case _:
            return None
    seconds = min(FIRST_SECONDS[CLASSES[reason]] * 2**times, LONGEST_SECONDS)
    return Retry(used.model_copy(update=counts), now + timedelta(seconds=seconds * (0.75 + 0.5 * _fraction(seed))))


def _fraction(seed: str) -> float:
    """A number in [0, 1) that looks random and is the same for the same seed."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") / 2**32
