"""How much memory an attempt gets: more after one that ran out of it, and what was enough the run before."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import Failure, Memory, Run
from imagebuild_operator.core.causes.told import MEMORY_NOT_ALLOWED
from imagebuild_operator.core.observe import BuildView, Observation, Refusal
from imagebuild_operator.core.outcome import MESSAGE_BYTES, clip, failure
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.retry import CLASSES, FailureClass
from imagebuild_operator.core.times import format_time, parse_time
from imagebuild_operator.pod.quantities import amount, quantity
from imagebuild_operator.pod.resources import memory_limit, merged

# What the API server says of a Pod that is too large: of the namespace's LimitRange, by which it never fits
# (kubernetes, plugin/pkg/admission/limitranger/admission.go), and of its ResourceQuota, by which it may fit later
# (staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go).
_BEYOND_RANGE: Final = re.compile(r"maximum memory usage per |memory max limit to request ratio per ")
_BEYOND_QUOTA: Final = re.compile(r"exceeded quota: [^,]+, requested: (\S+), used: \S+, limited: (\S+)")


def limit_of(build: BuildView, run: Run, policy: Policy) -> int | None:
    """The memory limit of the recorded attempt in bytes, where it is more than the spec says; None for the spec's.

    So a limit that the user sets above what was raised or learned counts at once, and so does 0, which means none.
    """
    known, factor = build.status.memory, policy.memory_factor_of(build)
    own = _own_limit(build, policy)
    if known is None or not own or factor == 1:
        return None
    found = _bytes(known.limit) or _start(known, run, policy, factor)
    limit = min(found, policy.memory_limit_of(build))
    return limit if limit > own else None


def _own_limit(build: BuildView, policy: Policy) -> int | None:
    """The limit by the spec or, where it says none, by the operator's setting."""
    return memory_limit(merged(build.spec.resources, policy.pod.resources)) if build.spec is not None else None


def _start(known: Memory, run: Run, policy: Policy, factor: int) -> int:
    """What a run begins with: the learned limit, or one step less when that is old."""
    learned, since, begun = _bytes(known.learned), parse_time(known.learned_time), parse_time(run.start_time)
    if policy.memory_decay is None or since is None or begun is None:
        return learned
    return learned // factor if begun - since >= timedelta(seconds=policy.memory_decay) else learned


def _bytes(text: str | None) -> int:
    return int(amount(text or "") or 0)


def raised(build: BuildView, run: Run, pod: PodView, failed: Failure, policy: Policy) -> Memory | None:
    """The record of the limit that the next attempt gets; None when more memory is no answer, or not to be had."""
    reason = Reason(failed.reason)
    if CLASSES[reason] is not FailureClass.MEMORY or pod.memory_limit is None:
        return None
    if pod.prepare is not None and pod.prepare.exit_code not in (None, 0):
        # The init container has a limit of its own.
        return None
    if reason is Reason.NO_OUTPUT and any(attempt.reason == reason for attempt in run.attempts or ()):
        # Silence is a guess; that it was no help shows by the next silence.
        return None
    limit = min(pod.memory_limit * policy.memory_factor_of(build), policy.memory_limit_of(build))
    if limit <= pod.memory_limit:
        return None
    return (build.status.memory or Memory()).model_copy(update={"limit": quantity(limit)})


def confirmed(seen: Observation, pod: PodView, failed: Failure, now: datetime) -> Observation:
    """What is known, where a Pod with less than the learned limit failed for it: that limit counts as learned now.

    Else a run whose time does not suffice for another attempt would try with less, and fail, every time.
    """
    build, known = seen.build, seen.build.status.memory
    reason = Reason(failed.reason)
    for_memory = CLASSES[reason] is FailureClass.MEMORY or reason is Reason.TIMEOUT
    if known is None or not for_memory or pod.memory_limit is None or pod.memory_limit >= _bytes(known.learned):
        return seen
    status = build.status.model_copy(update={"memory": known.model_copy(update={"learned_time": format_time(now)})})
    return replace(seen, build=replace(build, status=status))


def learned(build: BuildView, run: Run, policy: Policy, now: datetime) -> Memory | None:
    """What is kept of the limit that a run has succeeded with; None for nothing, when the spec's own was enough."""
    known, limit = build.status.memory, limit_of(build, run, policy)
    if known is None or limit is None:
        return None
    again = known.limit is None and _bytes(known.learned) == limit
    return Memory(learned=quantity(limit), learned_time=known.learned_time if again else format_time(now))


def for_next_run(known: Memory | None) -> Memory | None:
    """What a new run takes over: all but the limit of the one before."""
    return known.model_copy(update={"limit": None}) if known is not None and known.learned else None


def refused(refusal: Refusal, limit: int, *, now: datetime, end: datetime) -> Failure | None:
    """Why a Pod with a raised limit will not be taken, where that is so; None where it is something else, or may pass.

    Args:
        refusal: what the API server said of it.
        limit: of its build container, in bytes.
        now: the time.
        end: when its attempt is given up.
    """
    said = refusal.message
    quotas = [fits for pair in _BEYOND_QUOTA.findall(said) if (fits := _fits(*pair)) is not None]
    never = _BEYOND_RANGE.search(said) is not None or False in quotas
    if not never and not (quotas and now >= end):
        return None
    told = MEMORY_NOT_ALLOWED.explain(said, memory=quantity(limit))
    return failure(MEMORY_NOT_ALLOWED.reason, told.message, told.hint)


def _fits(requested: str, limited: str) -> bool | None:
    """Whether an empty namespace's quota has room for so much memory; None where memory is not what is short."""
    wanted, most = (dict(pair.partition("=")[::2] for pair in text.split(",")) for text in (requested, limited))
    short = [(amount(wanted[name]), amount(most.get(name, ""))) for name in wanted if name.endswith("memory")]
    return all(each is not None and bound is not None and each <= bound for each, bound in short) if short else None


def told(given_up: Failure, limit: int) -> Failure:
    """The same failure of a Pod that did not start, which may be for its raised limit."""
    message = f"The build had run out of memory and was to have {quantity(limit)}. {given_up.message}"
    return given_up.model_copy(update={"message": clip(message, MESSAGE_BYTES)})
