"""The operator's settings: read once at the start, from the environment, and refused in words when they are wrong.

The Helm chart sets the variables from its values; `docs/reference/settings.md` lists them, and a test fails when the
two differ.
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from imagebuild_operator.api.v1alpha1 import Resources
from imagebuild_operator.core.durations import parse_duration
from imagebuild_operator.pod.settings import PodSettings

PREFIX: Final = "IMAGEBUILD_"
# A variable that is empty counts as absent, so "not at all" needs a word of its own.
NEVER: Final = "never"

# RFC 1123 label, as the API server asks of a namespace's name.
_NAMESPACE: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# apimachinery's resource.Quantity without a sign, as the schema asks of `spec.resources`.
_QUANTITY: Final = re.compile(r"([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+)?")

BUILD_RESOURCES: Final = Resources(
    requests={"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "1Gi"},
    limits={"memory": "2Gi", "ephemeral-storage": "10Gi"},
)
SOURCE_RESOURCES: Final = Resources(
    requests={"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "256Mi"},
    limits={"memory": "256Mi", "ephemeral-storage": "10Gi"},
)


class SettingsError(Exception):
    """At least one setting is missing or wrong; the text has one line for each, naming its variable."""


def _namespaces(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = tuple(dict.fromkeys(name for part in value.split(",") if (name := part.strip())))
    for name in found:
        if not _NAMESPACE.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a namespace; separate names by commas")
    return found


def _limit(value: Any) -> Any:
    return None if value in (0, "0") else value


def _seconds(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


def _keep(value: Any) -> Any:
    return None if value == NEVER else _seconds(value)


def _resources(value: Any) -> Any:
    if isinstance(value, Resources):
        return value
    try:
        document = json.loads(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"is not JSON: {error}") from error
    if not isinstance(document, dict) or not document.keys() <= {"requests", "limits"}:
        raise ValueError('must be a JSON object with the members "requests" and "limits" only')
    for part, amounts in document.items():
        if not isinstance(amounts, dict):
            raise ValueError(f'"{part}" must be an object of amounts by resource')
        for resource, amount in amounts.items():
            if isinstance(amount, bool) or not isinstance(amount, int | str) or not _QUANTITY.fullmatch(str(amount)):
                raise ValueError(f'"{part}.{resource}" must be a Kubernetes quantity such as 500m or 2Gi')
    if missing := {"memory", "ephemeral-storage"} - document.get("limits", {}).keys():
        # Every build is bounded: these are the bounds of a build that names none itself.
        raise ValueError(f'"limits" must contain {" and ".join(sorted(missing))}')
    return document


Duration = Annotated[float, BeforeValidator(_seconds), Field(ge=1, le=8760 * 3600)]
Limit = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_limit)]
Keep = Annotated[Annotated[float, Field(ge=0, le=8760 * 3600)] | None, BeforeValidator(_keep)]
BoundedResources = Annotated[Resources, BeforeValidator(_resources)]


class Settings(BaseSettings):
    """What the platform team decides, for all builds; durations in seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    watch_namespaces: Annotated[tuple[str, ...], BeforeValidator(_namespaces)] = Field(
        default=(), description="Namespaces to watch, separated by commas; empty means all."
    )
    workers: int = Field(default=16, ge=1, le=256, description="How many builds are looked at at the same time.")
    max_concurrent_builds: Limit = Field(
        default=10, description="How many builds run at the same time, further ones wait as Queued; 0 means no limit."
    )
    max_concurrent_builds_per_namespace: Limit = Field(
        default=None, description="How many of them may be of one namespace; 0 means no limit but the one above."
    )
    operator_image: str = Field(
        min_length=1, description="Image of the operator, which also prepares the source in each build Pod. Required."
    )
    operator_image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="How that image is pulled: Always, IfNotPresent or Never."
    )
    executor_image: str = Field(
        default="ghcr.io/osscontainertools/kaniko:v1.28.3",
        min_length=1,
        description="The kaniko executor of builds without `spec.executor.image`.",
    )
    executor_variant: Literal["osscontainertools", "chainguard", "google"] = Field(
        default="osscontainertools",
        description="Whose executor that image is: osscontainertools, chainguard or google.",
    )
    resources: BoundedResources = Field(
        default=BUILD_RESOURCES,
        description="Default resources of the build container, as JSON; must bound memory and ephemeral-storage.",
    )
    source_resources: BoundedResources = Field(
        default=SOURCE_RESOURCES, description="The same of the init container that prepares the source."
    )
    timeout: Duration = Field(
        default=3600.0, description="How long a build without `spec.timeout` may take, as a Go duration."
    )
    start_timeout: Duration = Field(
        default=600.0,
        description="How long the Pod of a build without `spec.startTimeout` may fail to start, as a Go duration.",
    )
    retry_limit: int = Field(
        default=2,
        ge=0,
        le=10,
        description="How often a build without `spec.retry.limit` is tried again after a failure that may pass.",
    )
    host_users: bool | None = Field(
        default=None,
        description="false runs build Pods in user namespaces of their own, where all nodes can; unset leaves it to "
        "Kubernetes.",
    )
    image_volumes: bool = Field(default=False, description="Whether the cluster mounts images as volumes.")
    keep_succeeded_pods: Keep = Field(
        default=3600.0,
        description="How long the Pod of a successful attempt is kept, as a Go duration; 0s removes it at once, never "
        "leaves it to the deletion of its ImageBuild.",
    )
    keep_failed_pods: Keep = Field(
        default=86400.0, description="The same of a failed one, whose log may be worth a longer look."
    )
    http_host: str = Field(default="", description="Address of health checks and metrics; empty means all.")
    http_port: int = Field(default=8080, ge=0, le=65535, description="Port of health checks and metrics; 0 means any.")
    log_format: Literal["json", "text"] = Field(default="json", description="Format of log lines: json or text.")
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
    ] = Field(default="INFO", description="Lowest level of log lines: DEBUG, INFO, WARNING or ERROR.")
    resync_seconds: float = Field(
        default=600.0, gt=0, description="Seconds between two looks at all unfinished builds, whatever the events say."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing but what `load_settings` passes: the process environment is its caller's to hand over."""
        return (init_settings,)

    def pod_settings(self) -> PodSettings:
        """The part that shapes build Pods."""
        return PodSettings(
            operator_image=self.operator_image,
            operator_image_pull_policy=self.operator_image_pull_policy,
            executor_image=self.executor_image,
            executor_variant=self.executor_variant,
            resources=self.resources,
            source_resources=self.source_resources,
            host_users=self.host_users,
        )


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{field.upper()}"


def load_settings(environ: Mapping[str, str]) -> Settings:
    """The settings in an environment; a variable that is empty counts as absent.

    Other variables with our prefix are ignored: Kubernetes itself adds some for Services, e.g.
    IMAGEBUILD_OPERATOR_SERVICE_HOST.

    Raises:
        SettingsError: with one line for each setting that is missing or wrong.
    """
    values = {name: text for name in Settings.model_fields if (text := environ.get(variable(name), "").strip())}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_line(problem, values) for problem in error.errors())) from None


def _line(problem: Any, values: Mapping[str, str]) -> str:
    name = str(problem["loc"][0])
    if problem["type"] == "missing":
        return f"{variable(name)}: must be set: {Settings.model_fields[name].description}"
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return f"{variable(name)}: {reason} (it is {values[name]!r})"
