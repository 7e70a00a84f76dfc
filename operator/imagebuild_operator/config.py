"""The operator's settings: read once at the start, from the environment, and refused in words when they are wrong.

The Helm chart sets the variables from its values; `docs/reference/settings.md` lists them, and a test fails when the
two differ.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from imagebuild_operator.api.v1alpha1 import Resources
from imagebuild_operator.pod.settings import PodSettings, Proxy
from imagebuild_operator.setting_values import (
    BoundedResources,
    Bytes,
    Duration,
    Flags,
    Hosts,
    Keep,
    Limit,
    Namespaces,
    ProxyAddress,
)

PREFIX: Final = "IMAGEBUILD_"

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


class Settings(BaseSettings):
    """What the platform team decides, for all builds; durations in seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    watch_namespaces: Namespaces = Field(
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
    allowed_executor_arguments: Flags = Field(
        default=(),
        description="Flags that `spec.executor.extraArgs` may have, with their dashes and separated by commas; empty "
        "means none.",
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
    memory_factor: int = Field(
        default=2,
        ge=1,
        le=10,
        description="How many times its memory limit a build without `spec.retry.memoryFactor` gets after an attempt "
        "that ran out of memory; 1 means no more than before.",
    )
    memory_limit: Bytes = Field(
        default=8 * 1024**3,
        description="Up to which memory limit, where the build has no `spec.retry.memoryLimit`, as a quantity.",
    )
    memory_raises: int = Field(
        default=2, ge=0, le=5, description="How many attempts with more memory a run may have; 0 turns them off."
    )
    memory_decay: Keep = Field(
        default=7 * 24 * 3600.0,
        description="How long a learned memory limit is used before a run tries with less, as a Go duration; never "
        "keeps it for good.",
    )
    host_users: bool | None = Field(
        default=None,
        description="false runs build Pods in user namespaces of their own, where all nodes can; unset leaves it to "
        "Kubernetes.",
    )
    image_volumes: bool = Field(
        default=False,
        description="Whether nodes mount images as volumes, so that `spec.source.oci.image` need not be fetched.",
    )
    http_proxy: ProxyAddress = Field(default="", description="Proxy of build Pods for http, a URL; empty means none.")
    https_proxy: ProxyAddress = Field(default="", description="Proxy of build Pods for https, a URL; empty means none.")
    no_proxy: Hosts = Field(default="", description="Hosts that build Pods reach without a proxy, separated by commas.")
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
            proxy=Proxy(self.http_proxy, self.https_proxy, self.no_proxy),
            allowed_arguments=self.allowed_executor_arguments,
            image_volumes=self.image_volumes,
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
    if name in ("http_proxy", "https_proxy"):
        # It may hold a password.
        return f"{variable(name)}: {reason}"
    return f"{variable(name)}: {reason} (it is {values[name]!r})"
