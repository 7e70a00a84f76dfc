"""What Events say of an attempt or a run that ended, and of an edit after which nothing needs to be built."""

from dataclasses import replace
from typing import assert_never

from imagebuild_operator.api.names import EventReason, Reason
from imagebuild_operator.api.v1alpha1 import Failure, Run
from imagebuild_operator.core import runs, transitions
from imagebuild_operator.core.decisions import Announcement, Decision, WriteStatus
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.outcome import Outcome, Stopped, Success


def result(run: Run, outcome: Outcome) -> Announcement:
    """How a run ended."""
    about = f"run {run.number}"
    match outcome:
        case Success(warning=""):
            return Announcement(Reason.SUCCEEDED, _done(run, outcome), about)
        case Success(warning=warning):
            note = f"{_done(run, outcome)} {warning}"
            return Announcement(EventReason.OUT_OF_MEMORY_SURVIVED, note, about, warning=True)
        case Failure():
            note = f"Run {run.number} failed: {transitions.explained(outcome)}"
            return Announcement(outcome.reason, note, about, warning=True)
        case Stopped():
            return Announcement(outcome.reason, outcome.message, about)
        case _:
            assert_never(outcome)


def _done(run: Run, success: Success) -> str:
    if success.pushed:
        return f"Run {run.number} pushed {success.digest}.{_needed(success)}"
    return f"Run {run.number} built {success.digest} and pushed nothing, as it was asked."


def _needed(success: Success) -> str:
    if success.memory is None:
        return ""
    return f" It had {success.memory.learned} of memory, as later runs will: spec.resources.limits.memory is too small."


def ttl_ignored(build: BuildView, run: Run) -> tuple[Announcement, ...]:
    """That a build which has ended stays, where its spec says otherwise and a GitOps tool would make it anew."""
    if build.spec is None or build.spec.ttl_seconds_after_finished is None or not build.tracked_by:
        return ()
    note = (
        f"spec.ttlSecondsAfterFinished is not acted upon: {build.tracked_by} tracks this ImageBuild and would create "
        "it anew. Take the field out, or let its owner remove the manifest."
    )
    return (Announcement(EventReason.TTL_IGNORED, note, f"run {run.number}", warning=True),)


def up_to_date(build: BuildView, run: Run) -> tuple[Announcement, ...]:
    """That an edit needs no new image, where there is one."""
    if not runs.succeeded(build, run):
        return ()
    note = (
        f"Up to date: generation {build.generation} changes nothing that decides the image of run {run.number}. "
        "Set the annotation imagebuild.dev/requestedAt to build again all the same."
    )
    return (Announcement(EventReason.UP_TO_DATE, note, f"generation {build.generation}"),)


def with_warnings(decision: Decision, run: Run, warnings: tuple[str, ...]) -> Decision:
    """The write that ends an attempt, and an Event for what its init container warned of."""
    if not warnings or not isinstance(decision, WriteStatus):
        return decision
    event = Announcement(EventReason.CREDENTIAL_CLASH, " ".join(warnings), f"run {run.number}", warning=True)
    return replace(decision, announcements=(*decision.announcements, event))
