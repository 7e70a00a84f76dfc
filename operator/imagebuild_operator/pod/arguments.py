"""The executor's command line."""

from collections.abc import Iterator
from typing import Final

from imagebuild_operator.api.v1alpha1 import Cache, ImageBuildSpec, Mirror, Registries
from imagebuild_operator.pod.executors import Executor, parse_version, version_of_image
from imagebuild_operator.pod.paths import CONTEXT, TERMINATION_MESSAGE
from imagebuild_operator.pod.settings import PodSettings

# go-containerregistry, pkg/name/registry.go: what people call docker.io is known by this name.
DOCKER_HUB: Final = "index.docker.io"
_DOCKER_HUB_ALIASES: Final = frozenset({"docker.io", "registry-1.docker.io", DOCKER_HUB})

PUSH_RETRIES: Final = 2
DOWNLOAD_RETRIES: Final = 1

Option = tuple[str, str]


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


def build_arguments(spec: ImageBuildSpec, executor: Executor) -> list[str]:
    """The arguments, as a Pod's `args` want them; flags this executor does not know are left out."""
    return [escaped(f"--{flag}={value}") for flag, value in _options(spec) if executor.knows(flag)]


def escaped(text: str) -> str:
    """Text that the kubelet leaves as it is.

    In `args` and `env` it replaces `$(NAME)` by variables and `$$` by `$` (Kubernetes documentation, "Define Dependent
    Environment Variables"); doubling every dollar sign keeps both apart from what users write.
    """
    return text.replace("$", "$$")


def _options(spec: ImageBuildSpec) -> Iterator[Option]:
    folder = context_folder(spec)
    yield "context", f"dir://{folder}"
    # Absolute, since a relative one is first looked for in the executor's own working directory.
    yield "dockerfile", f"{folder}/{spec.dockerfile or 'Dockerfile'}"
    for image in spec.output.images:
        yield "destination", image
    if spec.target:
        yield "target", spec.target
    for argument in spec.build_args or ():
        # Never without "=": a bare name takes the value of the executor's own environment variable.
        yield "build-arg", f"{argument.name}={argument.value}"
    for key, value in sorted((spec.output.labels or {}).items()):
        yield "label", f"{key}={value}"
    yield from _fixed(spec)
    yield from _cache(spec.cache)
    if spec.registries:
        yield from _registries(spec.registries)


def _fixed(spec: ImageBuildSpec) -> Iterator[Option]:
    executor = spec.executor
    yield "snapshot-mode", (executor.snapshot_mode if executor else None) or "redo"
    yield "verbosity", (executor.verbosity if executor else None) or "info"
    yield "log-format", "text"
    yield "digest-file", TERMINATION_MESSAGE
    # The default keeps every compressed layer in memory until the end (go-containerregistry, pkg/v1/tarball/layer.go).
    yield "compressed-caching", "false"
    yield "push-retry", str(PUSH_RETRIES)
    yield "image-download-retry", str(DOWNLOAD_RETRIES)
    # No name switches the helpers of cloud vendors off: config.json alone decides.
    yield "credential-helpers", ""
    # kind mounts this file into every container, and the executor fails to remove it between stages.
    yield "ignore-path", "/product_uuid"


def _cache(cache: Cache | None) -> Iterator[Option]:
    if cache is None or cache.enabled is False:
        return
    yield "cache", "true"
    if cache.repository:
        yield "cache-repo", cache.repository
    if cache.ttl:
        yield "cache-ttl", cache.ttl
    if cache.copy_layers is not None:
        yield "cache-copy-layers", _truth(cache.copy_layers)
    if cache.run_layers is not None:
        yield "cache-run-layers", _truth(cache.run_layers)


def _registries(registries: Registries) -> Iterator[Option]:
    for host in registries.insecure or ():
        yield "insecure-registry", _registry(host)
        yield "skip-tls-verify-registry", _registry(host)
    mirrors = registries.mirrors or []
    strict = any(mirror.fallback is False for mirror in mirrors)
    for mirror in mirrors:
        for endpoint in _endpoints(mirror, strict=strict):
            yield "registry-map", f"{_registry(mirror.registry)}={endpoint}"
    if strict:
        yield "skip-default-registry-fallback", "true"


def _endpoints(mirror: Mirror, *, strict: bool) -> list[str]:
    """Where a registry's images are looked for, in order.

    The executor's switch against falling back is one for all registries. Where one registry's mirrors need it,
    the others name themselves as their own last mirror, which comes to the same (pkg/image/remote/remote.go).
    """
    itself = [_registry(mirror.registry)] if strict and mirror.fallback is not False else []
    return [*mirror.endpoints, *itself]


def _registry(host: str) -> str:
    return DOCKER_HUB if host.lower() in _DOCKER_HUB_ALIASES else host


def _truth(value: bool) -> str:
    return "true" if value else "false"
