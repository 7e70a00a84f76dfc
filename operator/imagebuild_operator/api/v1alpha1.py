"""The `ImageBuild` resource as pydantic models: the only source of its schema and of its documentation.

`crds/imagebuilds.yaml` is generated from here, so every description below is what `kubectl explain` prints and every
bound and rule is what `kubectl apply` enforces. No field of the spec has a schema default: hashes of the spec are
taken over the stored JSON, and a default that changes with an upgrade must not look like an edit by the user.
"""

from typing import Annotated

from pydantic import Field, StringConstraints

from imagebuild_operator.api.build_inputs import ONE_VALUE, BuildArg, BuildSecret, ValueSource
from imagebuild_operator.api.fields import Duration, KeyReference, LocalObjectReference, Model, Path, Quantity
from imagebuild_operator.api.names import ConcurrencyPolicy
from imagebuild_operator.api.output import Output
from imagebuild_operator.api.pod import Executor, PodTemplate, Resources
from imagebuild_operator.api.registries import CABundle, Cache, Mirror, Registries, RegistryLogin
from imagebuild_operator.api.schema import LABEL_VALUE, map_list, rule, rules
from imagebuild_operator.api.source import ONE_KIND, ONE_KIND_TOLD, Source
from imagebuild_operator.api.source_files import InlineFile, InlineSource
from imagebuild_operator.api.source_git import GitSource
from imagebuild_operator.api.status import (
    Attempt,
    BuiltSource,
    Condition,
    Failure,
    ImageBuildStatus,
    InputHash,
    Memory,
    PastRun,
    Retries,
    Run,
)
from imagebuild_operator.api.tags import TAG_RULES

__all__ = [
    "Attempt",
    "BuildArg",
    "BuildSecret",
    "BuiltSource",
    "CABundle",
    "Cache",
    "Condition",
    "Executor",
    "Failure",
    "GitSource",
    "ImageBuild",
    "ImageBuildSpec",
    "ImageBuildStatus",
    "InlineFile",
    "InlineSource",
    "InputHash",
    "KeyReference",
    "LocalObjectReference",
    "Memory",
    "Mirror",
    "Output",
    "PastRun",
    "PodTemplate",
    "Registries",
    "RegistryLogin",
    "Resources",
    "Retries",
    "Retry",
    "Run",
    "Source",
    "ValueSource",
]


class Retry(Model):
    """How often a failed build is tried again."""

    limit: Annotated[int, Field(ge=0, le=10)] | None = Field(
        default=None,
        description="How many further attempts a run has after failures that may pass by themselves, such as a "
        "registry that answers 500. Others end it at once. Attempts after the cluster took the Pod away, and those "
        "with more memory, are counted apart. Default: 2.",
    )
    memory_factor: Annotated[int, Field(ge=1, le=10)] | None = Field(
        default=None,
        description="How many times the memory limit the next attempt gets after one that ran out of it; what was "
        "enough is kept for later runs in status.memory.learned. 1 turns both off. Default: the operator's setting "
        "build.memory.factor, mostly 2.",
    )
    memory_limit: Quantity | None = Field(
        default=None,
        description="Up to which memory limit, e.g. 16Gi. A higher one in spec.resources stays as it is. Default: the "
        "operator's setting build.memory.limit, mostly 8Gi.",
    )


class ImageBuildSpec(Model):
    """What to build, how, and where to push it."""

    source: Source = Field(description=ONE_KIND_TOLD, json_schema_extra=ONE_KIND)
    dockerfile: Path | None = Field(
        default=None, description="The Dockerfile, relative to the context. Default: Dockerfile."
    )
    target: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        default=None,
        description="Stage of the Dockerfile to build, by name or by number from 0. Default: the last one.",
        json_schema_extra=rules(
            rule(
                "self.matches('^[A-Za-z0-9][A-Za-z0-9._-]*$')",
                "must be the name of a stage: letters, digits, '.', '_' and '-', with a letter or digit first",
            )
        ),
    )
    build_args: (
        Annotated[list[Annotated[BuildArg, Field(json_schema_extra=ONE_VALUE)]], Field(max_length=64)] | None
    ) = Field(default=None, description="Values of the Dockerfile's ARGs.", json_schema_extra=map_list("name"))
    secrets: Annotated[list[BuildSecret], Field(max_length=32)] | None = Field(
        default=None,
        description="Files for RUN --mount=type=secret. Needs an executor that has it: osscontainertools v1.26.3 or "
        "newer.",
        json_schema_extra=map_list("id"),
    )
    output: Output = Field(
        description="What is pushed, and where to.",
        json_schema_extra=rules(
            rule(
                "!has(self.compression) || self.compression != 'zstd' || !has(self.reproducible) || !self.reproducible",
                "a reproducible image has gzip layers only: take zstd or reproducible out",
            )
            | {"fieldPath": ".compression"}
        ),
    )
    registries: Registries | None = Field(
        default=None, description="Credentials, certificate authority, mirrors and exceptions for registries."
    )
    cache: Cache | None = Field(
        default=None,
        description="Layer cache in a registry. Default: none.",
        json_schema_extra=rules(
            rule(
                "!has(self.baseImages) || !has(self.enabled) || self.enabled",
                "the executor looks there only with enabled: true; for base images without a layer cache set "
                "runLayers: false instead",
            )
            | {"fieldPath": ".baseImages"}
        ),
    )
    executor: Executor | None = Field(default=None, description="The kaniko executor that runs the build.")
    resources: Resources | None = Field(default=None, description="Compute resources of the build.")
    source_resources: Resources | None = Field(
        default=None, description="Compute resources of the init container that fetches the source."
    )
    timeout: Duration | None = Field(
        default=None, description="How long the build may take from the first Pod on, e.g. 90m. Default: 1h."
    )
    start_timeout: Duration | None = Field(
        default=None,
        description="How long the Pod may fail to start: a missing Secret, no node, an image that cannot be pulled. "
        "Default: 10m.",
    )
    no_output_timeout: Duration | None = Field(
        default=None,
        description="Ends an attempt whose log has no new line for so long, e.g. 30m; the first time in a run, another "
        "with more memory follows. Default: never.",
    )
    retry: Retry | None = Field(default=None, description="How often a failed build is tried again.")
    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = Field(
        default=None, description="Builds that wait with a higher priority start first, in all namespaces. Default: 0."
    )
    concurrency_group: (
        Annotated[str, StringConstraints(min_length=1, max_length=63), Field(json_schema_extra=LABEL_VALUE)] | None
    ) = Field(
        default=None,
        description="Builds of one group in this namespace run one at a time, e.g. all that push to the same tag. "
        "concurrencyPolicy says what a new one does to the older ones. Default: no group.",
    )
    concurrency_policy: ConcurrencyPolicy | None = Field(
        default=None,
        description="Queue: a build of concurrencyGroup waits for the older ones. Replace: it cancels them, waiting or "
        "running, and starts when their Pods are gone. Default: Queue.",
    )
    suspend: bool | None = Field(
        default=None,
        description="true holds the build: nothing starts, and a running Pod is stopped; false goes on with the next "
        "attempt. A finished result stays as it is. Default: false.",
    )
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=2147483647)] | None = Field(
        default=None,
        description="Deletes this ImageBuild so many seconds after its run ended, however it ended. Not acted upon for "
        "objects that Flux or Argo CD tracks, which would create them anew. Default: never.",
    )
    pod_template: PodTemplate | None = Field(
        default=None, description="Scheduling, labels and identity of the build Pod."
    )


class ImageBuild(Model):
    """A container image to build inside the cluster with kaniko and to push to a registry."""

    spec: ImageBuildSpec = Field(
        description="What to build, how, and where to push it.",
        json_schema_extra=rules(
            rule(
                "!has(self.concurrencyPolicy) || has(self.concurrencyGroup)",
                "means nothing without concurrencyGroup: name the group, or take the policy out",
            )
            | {"fieldPath": ".concurrencyPolicy"},
            *TAG_RULES,
        ),
    )
    status: ImageBuildStatus | None = Field(
        default=None, description="What became of it; written by the operator only."
    )
