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
from imagebuild_operator.pod.reserved_flags import FIELD_OF, HARMFUL, NEVER_ALLOWED, OF_THE_OPERATOR
from imagebuild_operator.pod.settings import PodSettings


@dataclass(frozen=True)
class Objection:
    """Why there will be no Pod for a spec."""

    reason: Reason
    message: str
    hint: str


def objection(spec: ImageBuildSpec, settings: PodSettings) -> Objection | None:
    """What is wrong with what the spec asks of its executor; None if nothing is."""
    return _not_allowed(spec, settings) or _not_known(spec, settings)


def flag_of(argument: str) -> str:
    """The name of the flag in `--name=value`, without its dashes."""
    return argument.removeprefix("--").partition("=")[0]


def _extra(spec: ImageBuildSpec) -> list[str]:
    return (spec.executor.extra_args if spec.executor else None) or []


def _not_allowed(spec: ImageBuildSpec, settings: PodSettings) -> Objection | None:
    allowed = {flag_of(argument) for argument in settings.allowed_arguments} - NEVER_ALLOWED
    refused = next((argument for argument in _extra(spec) if flag_of(argument) not in allowed), None)
    if refused is None:
        return None
    why, hint = _why_not(flag_of(refused), allowed)
    return Objection(Reason.ARGUMENT_NOT_ALLOWED, f"spec.executor.extraArgs: --{flag_of(refused)} {why}.", hint)


def _why_not(flag: str, allowed: set[str]) -> tuple[str, str]:
    """The reason and the hint, which sends people to the platform team only where that can help."""
    if flag in FIELD_OF:
        return f"can never be allowed: {FIELD_OF[flag]} stands for it", f"Take it out, and set {FIELD_OF[flag]}."
    if flag in OF_THE_OPERATOR:
        return "can never be allowed: the operator sets it itself", "Take it out."
    if flag in HARMFUL:
        return "can never be allowed: a build could succeed without a push, or break its own Pod", "Take it out."
    listed = ", ".join(f"--{name}" for name in sorted(allowed)) or "none"
    return (
        f"is not among the arguments that the platform team allows ({listed})",
        "Take it out, or ask the platform team to add it to executor.allowedArguments.",
    )


def _not_known(spec: ImageBuildSpec, settings: PodSettings) -> Objection | None:
    executor = executor_of(spec, settings)
    flag = next((flag for flag in _asked_for(spec) if not executor.knows(flag)), None)
    if flag is None:
        return None
    field = FIELD_OF.get(flag, "spec.executor.extraArgs")
    return Objection(
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

# The flag, and whether the spec uses its field.
_OPTIONS: Final[tuple[tuple[str, _Asked], ...]] = (
    ("target", lambda spec: spec.target),
    ("secret", lambda spec: spec.secrets),
    ("label", lambda spec: spec.output.labels),
    ("annotation", lambda spec: spec.output.annotations),
    ("compression", lambda spec: spec.output.compression),
    ("reproducible", lambda spec: spec.output.reproducible),
    ("no-push", lambda spec: spec.output.push is False),
    ("no-push-cache", lambda spec: spec.output.push is False and uses_cache(spec.cache)),
    ("push-retry", lambda spec: spec.output.push_retries),
    ("skip-push-permission-check", lambda spec: spec.output.skip_push_check),
    ("snapshot-mode", lambda spec: spec.executor and spec.executor.snapshot_mode),
)
_CACHE_OPTIONS: Final = (
    ("cache-ttl", "ttl"),
    ("cache-copy-layers", "copy_layers"),
    ("cache-run-layers", "run_layers"),
    ("cache-dir", "base_images"),
)


def _asked_for(spec: ImageBuildSpec) -> Iterator[str]:
    """The flags that follow from what the user wrote."""
    yield from (flag for flag, asked in _OPTIONS if asked(spec))
    if uses_cache(spec.cache):
        yield "cache"
        yield from (flag for flag, name in _CACHE_OPTIONS if getattr(spec.cache, name) is not None)
    registries = spec.registries
    if registries is not None and registries.mirrors:
        yield "registry-map"
        if any(mirror.fallback is False for mirror in registries.mirrors):
            yield "skip-default-registry-fallback"
    if registries is not None and registries.insecure:
        yield "insecure-registry"
    yield from (flag_of(argument) for argument in _extra(spec))
