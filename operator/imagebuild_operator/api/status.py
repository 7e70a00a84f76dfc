"""What became of an ImageBuild, as the operator writes it."""

from typing import Annotated

from pydantic import Field, StringConstraints

from imagebuild_operator.api.fields import Model
from imagebuild_operator.api.names import Phase, RunCause
from imagebuild_operator.api.schema import atomic_list, map_list

Message = Annotated[str, StringConstraints(max_length=1024)]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Word = Annotated[str, StringConstraints(max_length=64)]
Digest = Annotated[str, StringConstraints(max_length=128)]


class Condition(Model):
    """A standard Kubernetes condition."""

    type: Word = Field(description="Succeeded, Ready, Reconciling or Stalled.")
    status: Annotated[str, Field(json_schema_extra={"enum": ["True", "False", "Unknown"]})] = Field(
        description="True, False or Unknown."
    )
    reason: Word = Field(description="One CamelCase word; see the reference of reasons.")
    message: Message = Field(default="", description="The same in a sentence.")
    last_transition_time: Time = Field(description="When the status last changed.")
    observed_generation: int = Field(description="The metadata.generation this condition speaks of.")


class InputHash(Model):
    """Hash of one input of a run."""

    field: Word = Field(description="The field of the spec.")
    hash: Digest = Field(description="Hash of its stored JSON.")
    value: Word | None = Field(
        default=None, description="Its beginning, for source.git.revision, target and executor.image only."
    )


class Attempt(Model):
    """One Pod of a run."""

    number: int = Field(description="Counts from 1 within the run.")
    start_time: Time = Field(description="When the attempt was recorded, or is to start.")
    completion_time: Time | None = Field(default=None, description="When its end was recorded.")
    reason: Word | None = Field(default=None, description="Why it ended; see the reference of reasons.")


class Retries(Model):
    """How much of its budgets a run has used up."""

    failures: int | None = Field(default=None, description="Attempts after a failure, of at most spec.retry.limit.")
    disruptions: int | None = Field(default=None, description="Attempts after the cluster took the Pod away, of 3.")
    memory: int | None = Field(default=None, description="Attempts with a raised memory limit.")


class Run(Model):
    """The latest run: recorded before anything is done for it."""

    number: int = Field(description="Counts from 1 for each ImageBuild.")
    generation: int = Field(description="The metadata.generation the run's inputs were last compared with.")
    inputs_hash: Digest = Field(description="Hash of the fields that decide what is built, with its version.")
    spec_hash: Digest = Field(
        description="Hash of all that can change a result: after a failure, a change of it builds again."
    )
    inputs: Annotated[list[InputHash], Field(max_length=16)] | None = Field(
        default=None, description="Hash of each input.", json_schema_extra=atomic_list()
    )
    requested_at: Annotated[str, StringConstraints(max_length=256)] | None = Field(
        default=None, description="The request (annotation imagebuild.dev/requestedAt) that this run answers."
    )
    cause: RunCause | None = Field(
        default=None, description="What started it: Created, InputsChanged, SpecChanged (after a failure) or Requested."
    )
    changed: Annotated[list[Annotated[str, StringConstraints(max_length=192)]], Field(max_length=16)] | None = Field(
        default=None, description="The inputs that differ from the run before.", json_schema_extra=atomic_list()
    )
    queued_time: Time | None = Field(
        default=None,
        description="When the run was recorded: the order within a turn, and who is newer in a concurrency group.",
    )
    turn: int | None = Field(
        default=None,
        description="Its turn in the fair order between namespaces, lower first; given when it is recorded.",
    )
    attempt: int = Field(description="Number of the latest attempt; 0 before the first.")
    attempts: Annotated[list[Attempt], Field(max_length=8)] | None = Field(
        default=None, description="The latest attempts, newest first.", json_schema_extra=atomic_list()
    )
    pod_name: Annotated[str, StringConstraints(max_length=63)] | None = Field(
        default=None, description="Name of the attempt's Pod; absent while the run waits for its turn or is suspended."
    )
    concurrency_group: Annotated[str, StringConstraints(max_length=63)] | None = Field(
        default=None,
        description="The concurrency group that the latest attempt was let into, also when spec.concurrencyGroup was "
        "edited since; absent while the run waits for its turn or is suspended. Without a group: absent, or empty.",
    )
    next_attempt_time: Time | None = Field(
        default=None, description="When the attempt starts, while it waits after a failed one."
    )
    retries: Retries | None = Field(
        default=None, description="Further attempts so far, by what they are counted against."
    )
    start_time: Time | None = Field(
        default=None, description="When the time of the run began: with its first attempt, anew when it is resumed."
    )
    completion_time: Time | None = Field(default=None, description="When the result was recorded.")
    duration: Annotated[str, StringConstraints(max_length=32)] | None = Field(
        default=None, description="From startTime to completionTime, for people, e.g. 1m32s."
    )
    reason: Word | None = Field(default=None, description="Why the run ended: Succeeded, or the reason of its failure.")


class PastRun(Model):
    """One finished run."""

    number: int = Field(description="Number of the run.")
    cause: RunCause | None = Field(default=None, description="What started it.")
    digest: Digest | None = Field(default=None, description="Digest of the image it built.")
    reason: Word = Field(description="Why it ended: Succeeded, or the reason of its failure.")
    start_time: Time | None = Field(default=None, description="When its first attempt was recorded.")
    completion_time: Time = Field(description="When its result was recorded.")


class Failure(Model):
    """Why the latest attempt that failed did; absent when none of the latest run has."""

    reason: Word = Field(description="One CamelCase word; see the reference of reasons.")
    message: Annotated[str, StringConstraints(max_length=512)] = Field(description="The same in a sentence.")
    hint: Annotated[str, StringConstraints(max_length=256)] | None = Field(
        default=None, description="What to do about it."
    )
    exit_code: int | None = Field(default=None, description="Exit code of the container that failed.")
    instruction: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None,
        description="The instruction of the Dockerfile that was at work, on one line, variables not replaced, "
        "credentials masked; absent where the log does not tell.",
    )
    line: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="The line of the Dockerfile that it starts on; absent where that cannot be told for sure.",
    )
    log_tail: Annotated[str, StringConstraints(max_length=2048)] | None = Field(
        default=None, description="The last lines of its log, at most 20, credentials masked."
    )


class BuiltSource(Model):
    """What the latest successful run was built from."""

    commit: Word | None = Field(default=None, description="The git commit.")
    revision: Annotated[str, StringConstraints(max_length=256)] | None = Field(
        default=None, description="The revision it was asked for by."
    )
    digest: Digest | None = Field(
        default=None, description="Digest of an archive or image that was fetched as source, sha256:..."
    )


class Memory(Model):
    """What became of the memory limit; absent while nothing was raised or learned."""

    limit: Word | None = Field(
        default=None,
        description="Limit of the attempts of this run since one ran out of memory, e.g. 4Gi; absent before, and once "
        "the run has succeeded.",
    )
    learned: Word | None = Field(
        default=None,
        description="What the latest successful run was given where that is more than the spec says: later runs start "
        "with it.",
    )
    learned_time: Time | None = Field(
        default=None, description="Since when; after a time, a run tries with less: once divided by memoryFactor."
    )


class ImageBuildStatus(Model):
    """What became of it. image, digest, images and source describe the latest successful run, together."""

    observed_generation: int | None = Field(
        default=None, description="The metadata.generation this status speaks of; -1 before the operator saw it."
    )
    phase: Phase | None = Field(
        default=None, description="Summary for people and field selectors; scripts use the conditions."
    )
    conditions: Annotated[list[Condition], Field(max_length=8)] | None = Field(
        default=None,
        description="Succeeded and Ready always, Reconciling and Stalled only while True.",
        json_schema_extra=map_list("type"),
    )
    run: Run | None = Field(default=None, description="The latest run.")
    failure: Failure | None = Field(
        default=None, description="Why the latest attempt of the run failed; absent once the run succeeds."
    )
    image: Annotated[str, StringConstraints(max_length=640)] | None = Field(
        default=None,
        description="The pushed image by digest, repository@sha256:...; absent where spec.output.push is false.",
    )
    digest: Digest | None = Field(default=None, description="Digest of the image, sha256:...")
    images: Annotated[list[Annotated[str, StringConstraints(max_length=512)]], Field(max_length=16)] | None = Field(
        default=None, description="The references that were pushed.", json_schema_extra=atomic_list()
    )
    source: BuiltSource | None = Field(default=None, description="What the image was built from.")
    memory: Memory | None = Field(
        default=None, description="Memory limit that the operator raised above the spec's; see spec.retry.memoryFactor."
    )
    last_handled_request: Annotated[str, StringConstraints(max_length=256)] | None = Field(
        default=None, description="The latest value of the annotation imagebuild.dev/requestedAt that was acted on."
    )
    last_handled_cancel: Annotated[str, StringConstraints(max_length=256)] | None = Field(
        default=None,
        description="The latest value of the annotation imagebuild.dev/cancelRequestedAt that was acted on.",
    )
    history: Annotated[list[PastRun], Field(max_length=5)] | None = Field(
        default=None, description="The latest finished runs, newest first.", json_schema_extra=atomic_list()
    )
