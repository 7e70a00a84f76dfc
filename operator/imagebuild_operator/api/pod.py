"""What users decide about the build Pod: the executor in it, its resources, its place."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from imagebuild_operator.api.fields import (
    AnnotationMap,
    LabelKey,
    LabelMap,
    LocalObjectReference,
    Model,
    ObjectName,
    Opaque,
    Quantity,
)
from imagebuild_operator.api.schema import (
    ANNOTATION_SIZE,
    LABEL_VALUES,
    NOT_OURS,
    PULLED_IMAGE,
    QUALIFIED_KEYS,
    Schema,
    atomic_list,
    map_list,
    rule,
    rules,
)

_FLAG: Final[Schema] = rules(
    rule(
        "self.matches('^--[a-z][a-z0-9-]*(=[^[:cntrl:]]*)?$')",
        "must be one flag with its value, --flag or --flag=value, e.g. --single-snapshot",
    )
)


class Executor(Model):
    """The kaniko executor that runs the build."""

    image: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = Field(
        default=None,
        description="Image of the executor. Default: the operator's setting executor.image.",
        json_schema_extra=PULLED_IMAGE,
    )
    variant: Annotated[str, Field(json_schema_extra={"enum": ["osscontainertools", "chainguard", "google"]})] | None = (
        Field(
            default=None,
            description="Whose executor the image is: decides which flags it knows. osscontainertools (maintained), "
            "chainguard or google (archived). Default: the operator's setting; with an image of your own and no "
            "variant, only flags that all of them know are used.",
        )
    )
    version: Annotated[str, StringConstraints(min_length=5, max_length=32)] | None = Field(
        default=None,
        description="Version of the executor in the image, e.g. v1.28.3, where the image's tag does not say it: "
        "flags that came later are left out, and fields that need them refused. Default: the variant's newest known "
        "version.",
        json_schema_extra=rules(
            rule(
                "self.matches('^v?[0-9]+[.][0-9]+[.][0-9]+([-+][0-9A-Za-z.-]+)?$')",
                "must be a version of three numbers, e.g. v1.28.3",
            )
        ),
    )
    verbosity: Annotated[str, Field(json_schema_extra={"enum": ["info", "debug", "trace"]})] | None = Field(
        default=None,
        description="How much the executor logs. Always info with a layer cache and a buildArgs value from a Secret: "
        "more would print it. Default: info.",
    )
    snapshot_mode: Annotated[str, Field(json_schema_extra={"enum": ["redo", "full", "time"]})] | None = Field(
        default=None,
        description="How changed files are found after each step: redo (size, time, owner, mode), full (contents; "
        "slow) or time (may miss changes). Default: redo.",
    )
    extra_args: (
        Annotated[
            list[Annotated[str, StringConstraints(min_length=3, max_length=1024), Field(json_schema_extra=_FLAG)]],
            Field(max_length=32),
        ]
        | None
    ) = Field(
        default=None,
        description="Further arguments of the executor, --flag or --flag=value, of those that the operator's setting "
        "executor.allowedArguments lists. Default: none.",
        json_schema_extra=atomic_list(),
    )


class Resources(Model):
    """Compute resources of a container."""

    requests: Annotated[dict[LabelKey, Quantity], Field(max_length=16)] | None = Field(
        default=None,
        description="Reserved amounts by resource, e.g. {cpu: 500m, memory: 1Gi}.",
        json_schema_extra=rules(QUALIFIED_KEYS),
    )
    limits: Annotated[dict[LabelKey, Quantity], Field(max_length=16)] | None = Field(
        default=None,
        description="Upper bounds by resource. memory and ephemeral-storage are always bounded: where they are absent "
        "the operator's defaults are used.",
        json_schema_extra=rules(QUALIFIED_KEYS),
    )


class PodTemplate(Model):
    """What the build Pod takes over from the user; the rest of it is the operator's."""

    labels: LabelMap | None = Field(
        default=None,
        description="Labels added to the Pod, e.g. for Kueue or network policies.",
        json_schema_extra=rules(NOT_OURS, QUALIFIED_KEYS, LABEL_VALUES),
    )
    annotations: AnnotationMap | None = Field(
        default=None,
        description="Annotations added to the Pod.",
        json_schema_extra=rules(NOT_OURS, QUALIFIED_KEYS, ANNOTATION_SIZE),
    )
    node_selector: LabelMap | None = Field(
        default=None,
        description="Labels a node must have to run the build.",
        json_schema_extra=rules(QUALIFIED_KEYS, LABEL_VALUES),
    )
    tolerations: Annotated[list[Opaque], Field(max_length=32)] | None = Field(
        default=None, description="Taints the build tolerates, as in a Pod.", json_schema_extra=atomic_list()
    )
    affinity: Opaque | None = Field(default=None, description="Affinity of the build, as in a Pod.")
    topology_spread_constraints: Annotated[list[Opaque], Field(max_length=16)] | None = Field(
        default=None,
        description="How builds are spread over the nodes, as in a Pod.",
        json_schema_extra=atomic_list(),
    )
    service_account_name: ObjectName | None = Field(
        default=None,
        description="ServiceAccount of the Pod, for workload identity; its token is mounted only when this is set.",
    )
    priority_class_name: ObjectName | None = Field(default=None, description="PriorityClass of the Pod.")
    runtime_class_name: ObjectName | None = Field(
        default=None, description="RuntimeClass of the Pod, e.g. gvisor or kata."
    )
    scheduler_name: ObjectName | None = Field(default=None, description="Scheduler that places the Pod.")
    image_pull_secrets: Annotated[list[LocalObjectReference], Field(max_length=16)] | None = Field(
        default=None,
        description="Secrets for pulling the Pod's own images; not for base images (see registries.secretRefs). Where "
        "there are any, Kubernetes leaves out those of the ServiceAccount.",
        json_schema_extra=map_list("name"),
    )
    host_users: bool | None = Field(
        default=None,
        description="false runs the build in a user namespace of its own, where the cluster can. Default: the "
        "operator's setting.",
    )
