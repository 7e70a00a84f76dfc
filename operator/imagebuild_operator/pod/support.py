"""What a spec asks of an executor that it cannot do, or that it may not be told: known before there is a Pod.

A flag that the operator adds of its own accord is simply left out where it is not known. One that a user asked for is
not: the image would come out as another one, or from other places, and nobody would see it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import ImageBuildSpec
from imagebuild_operator.pod.arguments import executor_of, image_of
from imagebuild_operator.pod.build_options import uses_cache
from imagebuild_operator.pod.executors import FLAGS, Executor, written
from imagebuild_operator.pod.settings import PodSettings

# Flags that no setting can allow. What the operator sets itself, or has a field for:
_OF_THE_OPERATOR: Final = frozenset(
    {
        *("annotation", "build-arg", "context", "context-sub-path", "bucket", "credential-helpers", "destination"),
        *("cache", "cache-copy-layers", "cache-dir", "cache-repo", "cache-run-layers", "cache-ttl"),
        *("compressed-caching", "compression", "digest-file", "dockerfile", "image-download-retry", "label"),
        *("insecure-registry", "log-format", "no-push", "no-push-cache", "push-retry", "registry-map", "reproducible"),
        *("secret", "skip-default-registry-fallback", "skip-push-permission-check", "skip-tls-verify-registry"),
        *("snapshot-mode", "target", "verbosity"),
    }
)
# What would let a build succeed that pushed nothing, or break the Pod it runs in:
_HARMFUL: Final = frozenset(
    {
        *("cleanup", "dryrun", "force", "help", "image-name-tag-with-digest-file", "image-name-with-digest-file"),
        *("kaniko-dir", "oci-layout-path", "pre-cleanup", "push-ignore-immutable-tag-errors", "tar-path"),
    }
)
NEVER_ALLOWED: Final = _OF_THE_OPERATOR | _HARMFUL


@dataclass(frozen=True)
class Refusal:
    """Why there will be no Pod for a spec."""

    reason: Reason
    message: str
    hint: str


def refusal(spec: ImageBuildSpec, settings: PodSettings) -> Refusal | None:
    """What is wrong with what the spec asks of its executor; None if nothing is."""
    return _not_allowed(spec, settings) or _not_known(spec, settings)


def flag_of(argument: str) -> str:
    """The name of the flag in `--name=value`, without its dashes."""
    return argument.removeprefix("--").partition("=")[0]


def _extra(spec: ImageBuildSpec) -> list[str]:
    return (spec.executor.extra_args if spec.executor else None) or []


def _not_allowed(spec: ImageBuildSpec, settings: PodSettings) -> Refusal | None:
    allowed = {flag_of(argument) for argument in settings.allowed_arguments} - NEVER_ALLOWED
    refused = next((argument for argument in _extra(spec) if flag_of(argument) not in allowed), None)
    if refused is None:
        return None
    listed = ", ".join(f"--{flag}" for flag in sorted(allowed)) or "none"
    return Refusal(
        Reason.ARGUMENT_NOT_ALLOWED,
        f"spec.executor.extraArgs: --{flag_of(refused)} is not among the arguments that the platform team allows "
        f"({listed}).",
        "Take it out, or ask the platform team to add it to executor.allowedArguments.",
    )


def _not_known(spec: ImageBuildSpec, settings: PodSettings) -> Refusal | None:
    executor = executor_of(spec, settings)
    missing = next(((field, flag) for field, flag in _asked_for(spec) if not executor.knows(flag)), None)
    if missing is None:
        return None
    field, flag = missing
    return Refusal(
        Reason.EXECUTOR_UNSUPPORTED,
        f"{field} needs the flag --{flag}, which the executor {image_of(spec, settings)} ({executor}) does not have; "
        f"{_who_knows(flag)}.",
        _hint(executor, field),
    )


def _who_knows(flag: str) -> str:
    known = [f"{variant} has it from {written(since)} on" for variant, since in sorted(FLAGS[flag].items())]
    return ", ".join(known)


def _hint(executor: Executor, field: str) -> str:
    if executor.variant is None:
        return f"Say in spec.executor.variant whose executor it is, name another one, or take {field} out."
    return f"Name another executor in spec.executor.image, with its variant, or take {field} out."


_Asked = Callable[[ImageBuildSpec], object]

# Field, flag, and whether the spec uses the field.
_FIELDS: Final[tuple[tuple[str, str, _Asked], ...]] = (
    ("spec.target", "target", lambda spec: spec.target),
    ("spec.secrets", "secret", lambda spec: spec.secrets),
    ("spec.output.labels", "label", lambda spec: spec.output.labels),
    ("spec.output.annotations", "annotation", lambda spec: spec.output.annotations),
    ("spec.output.compression", "compression", lambda spec: spec.output.compression),
    ("spec.output.reproducible", "reproducible", lambda spec: spec.output.reproducible),
    ("spec.output.push", "no-push", lambda spec: spec.output.push is False),
    ("spec.output.push", "no-push-cache", lambda spec: spec.output.push is False and uses_cache(spec.cache)),
    ("spec.output.pushRetries", "push-retry", lambda spec: spec.output.push_retries),
    ("spec.output.skipPushCheck", "skip-push-permission-check", lambda spec: spec.output.skip_push_check),
    ("spec.executor.snapshotMode", "snapshot-mode", lambda spec: spec.executor and spec.executor.snapshot_mode),
)
_CACHE_FIELDS: Final = (
    ("spec.cache.ttl", "cache-ttl", "ttl"),
    ("spec.cache.copyLayers", "cache-copy-layers", "copy_layers"),
    ("spec.cache.runLayers", "cache-run-layers", "run_layers"),
    ("spec.cache.baseImages", "cache-dir", "base_images"),
)


def _asked_for(spec: ImageBuildSpec) -> Iterator[tuple[str, str]]:
    """The flags that follow from what the user wrote, each with its field."""
    yield from ((field, flag) for field, flag, asked in _FIELDS if asked(spec))
    if uses_cache(spec.cache):
        yield "spec.cache", "cache"
        yield from ((field, flag) for field, flag, name in _CACHE_FIELDS if getattr(spec.cache, name) is not None)
    registries = spec.registries
    if registries is not None and registries.mirrors:
        yield "spec.registries.mirrors", "registry-map"
        if any(mirror.fallback is False for mirror in registries.mirrors):
            yield "spec.registries.mirrors", "skip-default-registry-fallback"
    if registries is not None and registries.insecure:
        yield "spec.registries.insecure", "insecure-registry"
    yield from (("spec.executor.extraArgs", flag_of(argument)) for argument in _extra(spec))
