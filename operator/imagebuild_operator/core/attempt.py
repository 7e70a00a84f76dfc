"""A recorded attempt and its Pod: whose it is, what became of it, and what an edit makes of it."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import Run
from imagebuild_operator.core import announcements, ending, inputs, memory, runs, silence, starting, transitions
from imagebuild_operator.core.causes.told import NAME_TAKEN
from imagebuild_operator.core.decisions import Decision, FetchLog, FetchPod, Wait
from imagebuild_operator.core.observe import Observation
from imagebuild_operator.core.outcome import Success, digest_of, failure, judge, log_container, warnings_of
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.policy import Policy
from imagebuild_operator.core.waiting import start
from imagebuild_operator.pod.source_files import dockerfile_of

FOREIGN_POD_SECONDS: Final = 5.0


def pod_of(seen: Observation, run: Run) -> PodView | None:
    """The copy that tells what became of the recorded Pod, if there is one.

    One of ours that has pushed, above all: another process may have asked for the Pod again when it was gone. Then the
    Pod that exists; then the last copy of ours. Another's that is gone tells nothing.
    """
    found = [pod for pod in seen.pods if pod.name == run.pod_name]
    ours = [pod for pod in found if is_ours(seen, run, pod)]
    pushed = [pod for pod in ours if pod.terminal and digest_of(pod)]
    existing = [pod for pod in found if not pod.gone]
    return next(iter([*pushed, *existing, *ours]), None)


def is_ours(seen: Observation, run: Run, pod: PodView) -> bool:
    """Whether the Pod belongs to this run of this build, and has not only its name."""
    return pod.owner_uid == seen.build.uid and pod.run == run.number


def over(seen: Observation, run: Run, pod: PodView, policy: Policy, now: datetime) -> Decision:
    """The Pod has ended, or seems to be gone."""
    if pod.gone and pod.name not in seen.looked_up:
        return FetchPod(pod.name)
    run = _counted(seen, run, now)
    container = log_container(pod)
    if container is not None and seen.log is None:
        return FetchLog(pod.name, container)
    outcome = judge(pod, seen.log or "", built_from(seen, run), inline=inline(seen))
    if isinstance(outcome, Success):
        kept = replace(outcome, memory=memory.learned(seen.build, run, policy, now))
        decision = ending.close(seen, run, kept, now)
    elif outcome.reason == Reason.TIMEOUT:
        asked = silence.to_ask(seen, pod)
        if asked is not None:
            return asked
        late = silence.hinted(outcome, seen, pod, _ended(pod, now))
        decision = ending.close(memory.confirmed(seen, pod, late, now), run, late, now)
    else:
        decision = ending.failed(seen, run, outcome, policy, now, pod=pod)
    return announcements.with_warnings(decision, run, warnings_of(pod))


def built_from(seen: Observation, run: Run) -> str | None:
    """The Dockerfile that the run is built from, where the spec holds it and is still the same."""
    return None if seen.build.spec is None or inputs.spec_changed(seen.build, run) else dockerfile_of(seen.build.spec)


def inline(seen: Observation) -> bool:
    """Whether the spec holds the files that are built, so that who mends them changes the spec."""
    return seen.build.spec is not None and seen.build.spec.source.inline is not None


def _ended(pod: PodView, now: datetime) -> datetime:
    return (pod.build.finished if pod.build is not None else None) or now


def _counted(seen: Observation, run: Run, now: datetime) -> Run:
    """The record without the time that its Pod was gated, where that end is not noted yet."""
    return runs.released(run, now) if transitions.tells(seen.build, Reason.SCHEDULING_GATED) else run


def foreign(seen: Observation, run: Run, pod: PodView, policy: Policy, now: datetime) -> Decision:
    """Another's Pod has the name: waited for while it goes. No watch tells of it, so it is asked for."""
    end = starting.deadline(run, policy.start_timeout_of(seen.build), now)
    if pod.deleting and now < end:
        return Wait(FOREIGN_POD_SECONDS) if pod.name in seen.looked_up else FetchPod(pod.name)
    told = NAME_TAKEN.explain(pod=pod.name, run=run.number)
    return ending.close(seen, run, failure(NAME_TAKEN.reason, told.message, told.hint), now)


def changed(seen: Observation, run: Run, now: datetime, *, has_started: bool) -> Decision | None:
    """An edit or a request that this attempt does not answer, if there is one."""
    build = seen.build
    if build.spec is None:
        return None
    if runs.supersedes(build, run):
        return start(seen, now, run, left_behind=True)
    if not has_started and inputs.spec_changed(build, run):
        return transitions.attempt(build, runs.replaced(build, _counted(seen, run, now), now), now)
    return None
