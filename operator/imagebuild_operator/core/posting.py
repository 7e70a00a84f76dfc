"""A recorded attempt whose Pod is still to come: it is asked for, once nothing stands in its way."""

import re
from datetime import datetime
from typing import Final

from imagebuild_operator.api.names import EventReason, Reason
from imagebuild_operator.api.v1alpha1 import Failure, ImageBuildSpec, Run
from imagebuild_operator.core import attempt, ending, groups, memory, runs, starting, transitions
from imagebuild_operator.core.causes.told import POD_INVALID, SPEC_INVALID
from imagebuild_operator.core.decisions import Announcement, CreatePod, Decision, FetchBuild, FetchPod
from imagebuild_operator.core.observe import Observation, Refusal
from imagebuild_operator.core.outcome import failure
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.waiting import refused_by
from imagebuild_operator.pod.manifest import build_pod
from imagebuild_operator.pod.settings import AttemptIdentity, BuildIdentity
from imagebuild_operator.pod.spec_error import SpecError

# The answers to a document that is malformed, too large or invalid: the same one gets no other.
_NEVER_TAKEN: Final = (400, 413, 422)
# A policy or webhook may answer with any of these, and may think otherwise by and by (k8s.io/apiserver,
# pkg/admission/plugin/policy/validating/dispatcher.go and plugin/webhook/errors/statuserror.go).
_DENIED: Final = re.compile(r"\bdenied (?:the )?request\b")
# What etcd says of an object beyond its limit comes as a 500 (etcd, server/etcdserver/errors/errors.go).
_TOO_LARGE: Final = "request is too large"


def ask(seen: Observation, run: Run, policy: Policy, now: datetime) -> Decision:
    """The record names a Pod this process has never seen: ask for it, once no other Pod of the build is left."""
    build, name = seen.build, run.pod_name or ""
    if build.spec is None:
        return ending.close(seen, run, transitions.unreadable(build), now)
    refusal = seen.refusal if seen.refusal and seen.refusal.pod_name == name else None
    if refusal is not None and refusal.status == 409 and name not in seen.looked_up:
        return FetchPod(name)
    other = attempt.changed(seen, run, now, has_started=False)
    if other is not None:
        return other
    if transitions.tells(seen.build, Reason.SCHEDULING_GATED):
        return transitions.in_progress(build, runs.released(run, now), now, after=None)
    waiting = refused_by(build.spec, policy) or _held_up(seen, run, refusal, policy, now)
    if isinstance(waiting, Failure):
        return ending.close(seen, run, waiting, now)
    return waiting or _create(seen, run, name, build.spec, policy, now)


def _refused_for_good(refusal: Refusal) -> bool:
    """Whether the API server will never take the Pod as it is."""
    if _DENIED.search(refusal.message):
        return False
    return refusal.status in _NEVER_TAKEN or _TOO_LARGE in refusal.message


def _held_up(
    seen: Observation, run: Run, refusal: Refusal | None, policy: Policy, now: datetime
) -> Decision | Failure | None:
    """What keeps the Pod from being asked for: an answer that was no, or a Pod of before."""
    if refusal is not None and _refused_for_good(refusal):
        return failure(POD_INVALID.reason, refusal.message, POD_INVALID.doc.hint)
    end = starting.deadline(run, policy.start_timeout_of(seen.build), now)
    limit = memory.limit_of(seen.build, run, policy) if refusal is not None else None
    too_large = memory.refused(refusal, limit, now=now, end=end) if refusal is not None and limit is not None else None
    if too_large is not None:
        return too_large
    # By name: the Pod of a build that was deleted and made anew counts, too.
    others = [pod for pod in seen.pods if pod.owner_name == seen.build.name]
    for pod in others:
        # A watch with a selector also calls it a deletion when somebody takes a Pod's label away.
        if pod.gone and not pod.terminal and pod.name not in seen.looked_up:
            return FetchPod(pod.name)
    others = [pod for pod in others if pod.live or pod.leaving]
    if others:
        return starting.blocked(seen, run, others[0], end, now)
    return starting.forbidden(seen, run, refusal, end, now) if refusal is not None else None


def _create(seen: Observation, run: Run, name: str, spec: ImageBuildSpec, policy: Policy, now: datetime) -> Decision:
    """Ask for the Pod: the one write that no precondition guards, so never from a copy that may be stale."""
    if not seen.fresh:
        return FetchBuild()
    build = seen.build
    remaining = (policy.deadline(build, run, now) - now).total_seconds()
    if remaining <= 0:
        message = "spec.timeout ended before the Pod could be created."
        return ending.close(seen, run, failure(Reason.TIMEOUT, message, "Raise spec.timeout."), now)
    try:
        manifest = build_pod(
            build=BuildIdentity(name=build.name, namespace=build.namespace, uid=build.uid),
            attempt=AttemptIdentity(
                run.number,
                run.attempt,
                name,
                run.generation,
                groups.granted(build, run),
                memory.limit_of(build, run, policy),
            ),
            spec=spec,
            settings=policy.pod,
            deadline_seconds=int(remaining),
        )
    except SpecError as error:
        return ending.close(seen, run, failure(SPEC_INVALID.reason, str(error), SPEC_INVALID.doc.hint), now)
    except (ValueError, ArithmeticError) as error:
        # A spec that no rule of the schema stopped must end its run all the same, not hold a slot for ever.
        message = f"The spec makes no Pod: {error}"
        return ending.close(seen, run, failure(POD_INVALID.reason, message, POD_INVALID.doc.hint), now)
    return CreatePod(name, manifest, _started(run, name))


def _started(run: Run, name: str) -> Announcement:
    what = f"Run {run.number}" if run.attempt == 1 else f"Attempt {run.attempt} of run {run.number}"
    about = f"run {run.number} attempt {run.attempt}"
    return Announcement(EventReason.STARTED, f"{what} started in Pod {name}.", about)
