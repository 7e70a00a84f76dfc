"""The `ImageBuild` resource as pydantic models: the only source of its schema and of its documentation.

`crds/imagebuilds.yaml` is generated from here, so every description below is what `kubectl explain` prints and every
bound and rule is what `kubectl apply` enforces. No field of the spec has a schema default: hashes of the spec are
taken over the stored JSON, and a default that changes with an upgrade must not look like an edit by the user.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from imagebuild_operator.api.names import Phase
from imagebuild_operator.api.schema import (
    ANNOTATION_SIZE,
    DURATION,
    ENDPOINTS,
    HOST,
    IMAGE,
    INT_OR_STRING,
    LABEL_VALUES,
    NOT_OURS,
    OBJECT_KEY,
    OBJECT_NAME,
    PRESERVE,
    PULLED_IMAGE,
    QUALIFIED_KEYS,
    RELATIVE_PATH,
    REPOSITORY,
    atomic_list,
    map_list,
    rule,
    rules,
)


class Model(BaseModel):
    """Base of every model: camelCase on the wire, immutable, and tolerant of fields of newer versions."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253), Field(json_schema_extra=OBJECT_NAME)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=253), Field(json_schema_extra=OBJECT_KEY)]
Path = Annotated[str, StringConstraints(min_length=1, max_length=255), Field(json_schema_extra=RELATIVE_PATH)]
Duration = Annotated[str, StringConstraints(min_length=2, max_length=32), Field(json_schema_extra=DURATION)]
Image = Annotated[str, StringConstraints(min_length=1, max_length=512), Field(json_schema_extra=IMAGE)]
Host = Annotated[str, StringConstraints(min_length=1, max_length=260), Field(json_schema_extra=HOST)]
Quantity = Annotated[int | str, Field(json_schema_extra=INT_OR_STRING)]
Opaque = Annotated[dict[str, Any], Field(json_schema_extra=PRESERVE)]
# JSON Schema's propertyNames has no counterpart in a CRD: the maps bound their keys by a CEL rule.
LabelKey = str


class LocalObjectReference(Model):
    """Reference to an object in the same namespace."""

    name: ObjectName = Field(description="Name of the object, in the namespace of the ImageBuild.")


class KeyReference(Model):
    """Reference to one key of a ConfigMap or Secret in the same namespace."""

    name: ObjectName = Field(description="Name of the object, in the namespace of the ImageBuild.")
    key: Key = Field(description="Key whose value is used, e.g. ca.crt.")


class GitSource(Model):
    """A git repository, cloned shallow by the init container."""

    url: Annotated[str, StringConstraints(min_length=9, max_length=2048)] = Field(
        description="Address of the repository over https, without credentials, "
        "e.g. https://github.com/acme/web.git. A private certificate authority goes to spec.registries.caBundle.",
        json_schema_extra=rules(
            rule("self.startsWith('https://')", "must start with https://"),
            rule(
                "!self.matches('^https://[^/]*@')",
                "must not hold credentials: put them in a Secret of type kubernetes.io/basic-auth and name it in "
                "source.git.secretRef",
                reason="FieldValueForbidden",
            ),
            rule(
                "isURL(self) && url(self).getHostname() != '' && !self.matches('[[:cntrl:] #]')",
                "must be a URL with a host, without white space and without '#': a branch or tag goes to "
                "source.git.revision",
            ),
        ),
    )
    revision: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = Field(
        default=None,
        description="Branch, tag, full reference (refs/...) or full commit (40 hexadecimal digits) to build. "
        "Default: the repository's default branch. What was built is told in status.source.commit.",
        json_schema_extra=rules(
            rule(
                "!self.startsWith('-') && !self.matches('[ ~^:?*\\\\[\\\\\\\\]|\\\\.\\\\.|@\\\\{|[[:cntrl:]]')",
                "must be the name of a branch or tag, a reference, or a full commit: no white space, no leading "
                "dash, none of ~^:?*[\\ and neither '..' nor '@{'",
            )
        ),
    )
    secret_ref: LocalObjectReference | None = Field(
        default=None,
        description="Secret of type kubernetes.io/basic-auth (keys username and password; a token is the password) "
        "used to clone. Build steps never see it.",
    )


class InlineFile(Model):
    """One file of an inline source."""

    path: Path = Field(description="Path below the context, relative, e.g. Dockerfile or src/main.py.")
    content: Annotated[str, StringConstraints(max_length=196608)] = Field(description="The file's text, as it is.")
    mode: Annotated[int, Field(ge=0, le=511)] | None = Field(
        default=None,
        description="Permission bits, as an octal number in YAML (0755) or a decimal one in JSON (493). Default: 0644.",
    )


class InlineSource(Model):
    """Files written in the manifest itself."""

    files: Annotated[list[InlineFile], Field(min_length=1, max_length=64)] = Field(
        description="The files of the context: at most 64, and 192 KiB in all.",
        json_schema_extra=map_list("path")
        | rules(
            rule(
                "self.map(f, size(bytes(f.content))).sum() <= 196608",
                "all files together may hold 196608 bytes; put larger contexts in a git repository",
            ),
            rule(
                "self.all(f, !self.exists(g, g.path.startsWith(f.path + '/')))",
                "a path is used both as a file and as a folder of another file: rename one of them",
            ),
        ),
    )


class Source(Model):
    """Where the build context comes from: exactly one of the members beside subPath."""

    git: GitSource | None = Field(
        default=None,
        description="A git repository, fetched over https before the build starts: only the commit to build, "
        "not the history before it.",
    )
    inline: InlineSource | None = Field(
        default=None, description="Files written in this manifest, for small builds without a repository."
    )
    sub_path: Path | None = Field(
        default=None,
        description="Folder inside the source that is the build context, e.g. services/web. Default: its root.",
    )


class BuildArg(Model):
    """One build argument (ARG in the Dockerfile)."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        description="Name of the argument, as in the Dockerfile's ARG.",
        json_schema_extra=rules(
            rule(
                "self.matches('^[A-Za-z_][A-Za-z0-9_]*$')",
                "must be the name of an ARG: letters, digits and '_', not starting with a digit",
            )
        ),
    )
    value: Annotated[str, StringConstraints(max_length=8192)] = Field(
        description="Its value. Not for secrets: it is visible in this object and in the Pod."
    )


class Output(Model):
    """What is pushed, and where to."""

    images: Annotated[list[Image], Field(min_length=1, max_length=16)] = Field(
        description="References to push to, [registry/]repository[:tag], e.g. registry.example.com/shop/web:1.4.2; "
        "all get the same digest. Without a tag: latest.",
        json_schema_extra=atomic_list()
        | rules(
            rule(
                "self.all(a, self.exists_one(b, (a.matches(':[^/]+$') ? a : a + ':latest') == "
                "(b.matches(':[^/]+$') ? b : b + ':latest')))",
                "the same reference stands there twice (no tag means latest): take one out",
            )
        ),
    )
    labels: (
        Annotated[dict[LabelKey, Annotated[str, StringConstraints(max_length=1024)]], Field(max_length=64)] | None
    ) = Field(
        default=None,
        description="Labels of the image, e.g. org.opencontainers.image.source.",
        json_schema_extra=rules(
            rule(
                "self.all(k, k.matches('^[A-Za-z0-9][A-Za-z0-9._/-]{0,315}$'))",
                "names of labels hold letters, digits, '.', '_', '-' and '/', and start with a letter or digit",
            )
        ),
    )


class CABundle(Model):
    """PEM certificates trusted in addition to the system's own."""

    config_map_ref: KeyReference | None = Field(default=None, description="Key of a ConfigMap that holds the PEM.")
    secret_ref: KeyReference | None = Field(default=None, description="Key of a Secret that holds the PEM.")


class Mirror(Model):
    """Where images of one registry are pulled from instead."""

    registry: Host = Field(description="Registry whose images are looked for elsewhere, e.g. docker.io.")
    endpoints: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=512)]], Field(min_length=1, max_length=8)
    ] = Field(
        description="Mirrors tried in this order, host[:port][/path], e.g. mirror.example.com/hub. Their credentials "
        "and certificate authority come from the same lists as every registry's.",
        json_schema_extra=atomic_list() | ENDPOINTS,
    )
    fallback: bool | None = Field(
        default=None, description="Whether the registry itself is asked when no mirror has the image. Default: true."
    )


class Registries(Model):
    """How registries are reached, for pulling base images, for pushing and for the cache."""

    secret_refs: Annotated[list[LocalObjectReference], Field(max_length=16)] | None = Field(
        default=None,
        description="Secrets of type kubernetes.io/dockerconfigjson with the credentials for registries, mirrors and "
        "the cache. Several are merged; when two name the same registry the later one wins. "
        "RUN steps can read them: prefer tokens that may only do what this build needs.",
        json_schema_extra=map_list("name"),
    )
    ca_bundle: CABundle | None = Field(
        default=None,
        description="Own certificate authority, trusted beside the system's for registries, mirrors and git alike.",
        json_schema_extra=rules(
            rule(
                "has(self.configMapRef) != has(self.secretRef)",
                "exactly one of configMapRef and secretRef must be set",
            )
        ),
    )
    mirrors: Annotated[list[Mirror], Field(max_length=16)] | None = Field(
        default=None, description="Mirrors of registries for base images.", json_schema_extra=map_list("registry")
    )
    insecure: Annotated[list[Host], Field(max_length=16)] | None = Field(
        default=None,
        description="Registries that may be reached by plain http or with a certificate nobody vouches for, named one "
        "by one as host[:port]. For tests; prefer caBundle.",
        json_schema_extra=atomic_list(),
    )


class Cache(Model):
    """Layer cache in a registry."""

    enabled: bool | None = Field(
        default=None,
        description="Whether layers of earlier builds are reused and stored. Default: true when spec.cache is there.",
    )
    repository: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = Field(
        default=None,
        description="Repository for cached layers, without a tag. Default: the first output image's, with /cache.",
        json_schema_extra=REPOSITORY,
    )
    ttl: Duration | None = Field(
        default=None, description="Age up to which cached layers are used, e.g. 168h. Default: 336h (two weeks)."
    )
    copy_layers: bool | None = Field(
        default=None, description="Whether layers of COPY are cached too. Default: false; large copies cost memory."
    )
    run_layers: bool | None = Field(default=None, description="Whether layers of RUN are cached. Default: true.")


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
        "flags that came later are left out. Default: the variant's newest known version.",
        json_schema_extra=rules(
            rule(
                "self.matches('^v?[0-9]+[.][0-9]+[.][0-9]+([-+][0-9A-Za-z.-]+)?$')",
                "must be a version of three numbers, e.g. v1.28.3",
            )
        ),
    )
    verbosity: Annotated[str, Field(json_schema_extra={"enum": ["info", "debug", "trace"]})] | None = Field(
        default=None, description="How much the executor logs. Default: info."
    )
    snapshot_mode: Annotated[str, Field(json_schema_extra={"enum": ["redo", "full", "time"]})] | None = Field(
        default=None,
        description="How changed files are found after each step: redo (size, time, owner, mode), full (contents; "
        "slow) or time (may miss changes). Default: redo.",
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


LabelMap = Annotated[dict[LabelKey, Annotated[str, StringConstraints(max_length=63)]], Field(max_length=64)]
AnnotationMap = Annotated[dict[LabelKey, Annotated[str, StringConstraints(max_length=4096)]], Field(max_length=64)]


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
        description="Secrets for pulling the executor's own image; not for base images (see registries.secretRefs).",
        json_schema_extra=map_list("name"),
    )
    host_users: bool | None = Field(
        default=None,
        description="false runs the build in a user namespace of its own, where the cluster can. Default: the "
        "operator's setting.",
    )


class ImageBuildSpec(Model):
    """What to build, how, and where to push it."""

    source: Source = Field(
        description="Where the build context comes from: exactly one of git and inline.",
        json_schema_extra=rules(
            rule(
                "[has(self.git), has(self.inline)].filter(x, x).size() == 1",
                "exactly one of git and inline must be set",
            )
        ),
    )
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
    build_args: Annotated[list[BuildArg], Field(max_length=64)] | None = Field(
        default=None, description="Values of the Dockerfile's ARGs.", json_schema_extra=map_list("name")
    )
    output: Output = Field(description="What is pushed, and where to.")
    registries: Registries | None = Field(
        default=None, description="Credentials, certificate authority, mirrors and exceptions for registries."
    )
    cache: Cache | None = Field(default=None, description="Layer cache in a registry. Default: none.")
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
    pod_template: PodTemplate | None = Field(
        default=None, description="Scheduling, labels and identity of the build Pod."
    )


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


class ImageBuild(Model):
    """A container image to build inside the cluster with kaniko and to push to a registry."""

    spec: ImageBuildSpec = Field(description="What to build, how, and where to push it.")
    status: ImageBuildStatus | None = Field(
        default=None, description="What became of it; written by the operator only."
    )
