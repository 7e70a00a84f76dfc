"""What became of an ImageBuild, as the operator writes it."""

from typing import Annotated

from pydantic import Field, StringConstraints

from imagebuild_operator.api.fields import Model
from imagebuild_operator.api.names import Phase
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


class Attempt(Model):
    """One Pod of a run."""

    number: int = Field(description="Counts from 1 within the run.")
    start_time: Time = Field(description="When the attempt was recorded.")


class Run(Model):
    """The latest run: recorded before anything is done for it."""

    number: int = Field(description="Counts from 1 for each ImageBuild.")
    generation: int = Field(description="The metadata.generation the run's inputs were last compared with.")
    inputs_hash: Digest = Field(description="Hash of the fields that decide what is built, with its version.")
    spec_hash: Digest = Field(description="Hash of the whole spec: after a failure, any change builds again.")
    inputs: Annotated[list[InputHash], Field(max_length=16)] | None = Field(
        default=None, description="Hash of each input.", json_schema_extra=atomic_list()
    )
    requested_at: Annotated[str, StringConstraints(max_length=256)] | None = Field(
        default=None, description="The request (annotation imagebuild.dev/requestedAt) that this run answers."
    )
    queued_time: Time | None = Field(
        default=None, description="Since when the run has waited for its turn; decides the order."
    )
    attempt: int = Field(description="Number of the current attempt; 0 while the run is queued.")
    attempts: Annotated[list[Attempt], Field(max_length=8)] | None = Field(
        default=None, description="The latest attempts, newest first.", json_schema_extra=atomic_list()
    )
    pod_name: Annotated[str, StringConstraints(max_length=63)] | None = Field(
        default=None, description="Name of the attempt's Pod."
    )
    start_time: Time | None = Field(default=None, description="When the first attempt was recorded.")
    completion_time: Time | None = Field(default=None, description="When the result was recorded.")
    duration: Annotated[str, StringConstraints(max_length=32)] | None = Field(
        default=None, description="From startTime to completionTime, for people, e.g. 1m32s."
    )


class Failure(Model):
    """Why the latest run failed; absent when it did not."""

    reason: Word = Field(description="One CamelCase word; see the reference of reasons.")
    message: Annotated[str, StringConstraints(max_length=512)] = Field(description="The same in a sentence.")
    hint: Annotated[str, StringConstraints(max_length=256)] | None = Field(
        default=None, description="What to do about it."
    )
    exit_code: int | None = Field(default=None, description="Exit code of the container that failed.")
    log_tail: Annotated[str, StringConstraints(max_length=2048)] | None = Field(
        default=None, description="The last lines of its log."
    )


class BuiltSource(Model):
    """What the latest successful run was built from."""

    commit: Word | None = Field(default=None, description="The git commit.")
    revision: Annotated[str, StringConstraints(max_length=256)] | None = Field(
        default=None, description="The revision it was asked for by."
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
    failure: Failure | None = Field(default=None, description="Why the latest run failed.")
    image: Annotated[str, StringConstraints(max_length=640)] | None = Field(
        default=None, description="The pushed image by digest, repository@sha256:..."
    )
    digest: Digest | None = Field(default=None, description="Digest of the pushed image, sha256:...")
    images: Annotated[list[Annotated[str, StringConstraints(max_length=512)]], Field(max_length=16)] | None = Field(
        default=None, description="The references that were pushed.", json_schema_extra=atomic_list()
    )
    source: BuiltSource | None = Field(default=None, description="What the image was built from.")
    last_handled_request: Annotated[str, StringConstraints(max_length=256)] | None = Field(
        default=None, description="The latest value of the annotation imagebuild.dev/requestedAt that was acted on."
    )
