"""The executor's command line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from imagebuild_operator.api.v1alpha1 import ImageBuildSpec, Mirror, Registries
from imagebuild_operator.pod.build_options import Option, cache_options, given_options, output_options, uses_cache
from imagebuild_operator.pod.executors import Executor, parse_version, version_of_image
from imagebuild_operator.pod.paths import CONTEXT, TERMINATION_MESSAGE
from imagebuild_operator.pod.references import registry_host
from imagebuild_operator.pod.settings import PodSettings, Proxy

DOWNLOAD_RETRIES: Final = 1


def image_of(spec: ImageBuildSpec, settings: PodSettings) -> str:
    """The executor's image."""
    return (spec.executor.image if spec.executor else None) or settings.executor_image


def executor_of(spec: ImageBuildSpec, settings: PodSettings) -> Executor:
    """What is known of the executor: the spec's word first, then the operator's on its own image, then the tag."""
    asked = spec.executor
    own_image = image_of(spec, settings) != settings.executor_image
    variant = (asked.variant if asked else None) or (None if own_image else settings.executor_variant)
    stated = parse_version(asked.version) if asked and asked.version else None
    return Executor(variant, stated or version_of_image(image_of(spec, settings)))


def context_folder(spec: ImageBuildSpec) -> str:
    """The build context inside the Pod."""
    return f"{CONTEXT}/{spec.source.sub_path}" if spec.source.sub_path else CONTEXT


def dockerfile_path(spec: ImageBuildSpec) -> Path:
    """The Dockerfile inside the Pod."""
    return Path(f"{context_folder(spec)}/{spec.dockerfile or 'Dockerfile'}")


def build_arguments(spec: ImageBuildSpec, executor: Executor, proxy: Proxy) -> list[str]:
    """The arguments, as a Pod's `args` want them; flags this executor does not know are left out."""
    ours = [f"--{flag}={value}" for flag, value in _options(spec, proxy) if executor.knows(flag)]
    # Last: one that lacks its value takes the next argument for it.
    extra = (spec.executor.extra_args if spec.executor else None) or []
    return [escaped(argument) for argument in (*ours, *extra)]


def escaped(text: str) -> str:
    """Text that the kubelet leaves as it is.

    In `args` and `env` it replaces `$(NAME)` by variables and `$$` by `$` (Kubernetes documentation, "Define Dependent
    Environment Variables"); doubling every dollar sign keeps both apart from what users write.
    """
    return text.replace("$", "$$")


def _options(spec: ImageBuildSpec, proxy: Proxy) -> Iterator[Option]:
    yield "context", f"dir://{context_folder(spec)}"
    # Absolute, since a relative one is first looked for in the executor's own working directory.
    yield "dockerfile", f"{dockerfile_path(spec)}"
    for image in spec.output.images if spec.output.push is not False else ():
        yield "destination", image
    if spec.target:
        yield "target", spec.target
    yield from given_options(spec, proxy)
    yield from output_options(spec.output)
    yield from _fixed(spec)
    yield from cache_options(spec.cache, spec.output)
    if spec.registries:
        yield from _registries(spec.registries)


def _fixed(spec: ImageBuildSpec) -> Iterator[Option]:
    executor = spec.executor
    yield "snapshot-mode", (executor.snapshot_mode if executor else None) or "redo"
    yield "verbosity", _verbosity(spec)
    yield "log-format", "text"
    yield "digest-file", TERMINATION_MESSAGE
    # The default keeps every compressed layer in memory until the end (go-containerregistry, pkg/v1/tarball/layer.go).
    yield "compressed-caching", "false"
    yield "image-download-retry", str(DOWNLOAD_RETRIES)
    # One name each; none at all would be all of them, an empty one switches them off: config.json alone decides.
    for helper in (spec.registries.cloud if spec.registries else None) or ("",):
        yield "credential-helpers", helper
    # kind mounts this file into every container, and the executor fails to remove it between stages.
    yield "ignore-path", "/product_uuid"


def _verbosity(spec: ImageBuildSpec) -> str:
    """What the spec asks for, as long as no secret would be logged.

    With a layer cache, `debug` prints what each key is made of, the values of build arguments among it (kaniko,
    pkg/executor/build.go).
    """
    asked = (spec.executor.verbosity if spec.executor else None) or "info"
    given = [argument.value_from for argument in spec.build_args or () if argument.value_from]
    return "info" if uses_cache(spec.cache) and any(value.secret_key_ref for value in given) else asked


def _registries(registries: Registries) -> Iterator[Option]:
    for host in registries.insecure or ():
        yield "insecure-registry", registry_host(host)
        yield "skip-tls-verify-registry", registry_host(host)
    mirrors = registries.mirrors or []
    strict = any(mirror.fallback is False for mirror in mirrors)
    for mirror in mirrors:
        for endpoint in _endpoints(mirror, strict=strict):
            yield "registry-map", f"{registry_host(mirror.registry)}={endpoint}"
    if strict:
        yield "skip-default-registry-fallback", "true"


def _endpoints(mirror: Mirror, *, strict: bool) -> list[str]:
    """Where a registry's images are looked for, in order.

    The executor's switch against falling back is one for all registries. Where one registry's mirrors need it,
    the others name themselves as their own last mirror, which comes to the same (pkg/image/remote/remote.go).
    """
    itself = [registry_host(mirror.registry)] if strict and mirror.fallback is not False else []
    return [*mirror.endpoints, *itself]
