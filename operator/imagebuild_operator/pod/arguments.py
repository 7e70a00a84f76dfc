"""The executor's command line: one table of flags and who knows them, and the flags of one build.

Flags that can lie about the result, or that only make sense on a laptop, are never used
(--push-ignore-immutable-tag-errors reports a digest that was not pushed; --force, --cleanup and --kaniko-dir touch the
root file system). Sources: cmd/executor/cmd/root.go of osscontainertools, chainguard-dev and GoogleContainerTools.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from imagebuild_operator.api.v1alpha1 import ImageBuildSpec, Mirror

CONTEXT: Final = "/kaniko/ctx"
TERMINATION_LOG: Final = "/dev/termination-log"
PUSH_RETRIES: Final = 2
PULL_RETRIES: Final = 1
DOCKER_HUB: Final = "index.docker.io"
DOCKER_HUB_NAMES: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})

Version = tuple[int, int, int]

# Flags that not every executor has: the first version of each variant that knows it. All others are in all three.
_LIMITED: Final[dict[str, dict[str, Version]]] = {
    "credential-helpers": {"osscontainertools": (1, 25, 2)},
}
_VERSION: Final = re.compile(r"v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})")


@dataclass(frozen=True)
class Executor:
    """Whose executor runs, and which version of it; None where that is not known."""

    variant: str | None
    version: Version | None

    def knows(self, flag: str) -> bool:
        """Whether the flag may be given; an unknown variant gets what all of them know."""
        limited = _LIMITED.get(flag)
        if limited is None:
            return True
        since = limited.get(self.variant or "")
        return since is not None and (self.version is None or self.version >= since)


def executor_of(spec: ImageBuildSpec, image: str, variant: str | None) -> Executor:
    """The executor of a build.

    Args:
        spec: may name image, variant and version.
        image: the operator's own executor image.
        variant: whose executor that is.
    """
    wanted = spec.executor
    own_image = wanted is not None and wanted.image is not None
    named = wanted.variant if wanted is not None else None
    said = (wanted.version if wanted is not None else None) or ((wanted.image or "") if own_image and wanted else image)
    tag = said.rpartition(":")[2] if ":" in said else said
    found = _VERSION.match(tag)
    version = (int(found[1]), int(found[2]), int(found[3])) if found else None
    return Executor(named or (None if own_image else variant), version)


def context_of(spec: ImageBuildSpec) -> str:
    """The build context's folder inside the executor's container."""
    return f"{CONTEXT}/{spec.source.sub_path}" if spec.source.sub_path else CONTEXT


def arguments(spec: ImageBuildSpec, executor: Executor) -> list[str]:
    """The whole command line; `--name=value` throughout, so that a value never reads as a flag."""
    context = context_of(spec)
    wanted = spec.executor
    return [
        f"--context=dir://{context}",
        f"--dockerfile={context}/{spec.dockerfile or 'Dockerfile'}",
        *(f"--destination={image}" for image in spec.output.images),
        *([f"--target={spec.target}"] if spec.target else []),
        *(f"--build-arg={arg.name}={arg.value}" for arg in spec.build_args or ()),
        *(f"--label={key}={value}" for key, value in sorted((spec.output.labels or {}).items())),
        f"--digest-file={TERMINATION_LOG}",
        "--compressed-caching=false",
        f"--snapshot-mode={(wanted.snapshot_mode if wanted else None) or 'redo'}",
        f"--verbosity={(wanted.verbosity if wanted else None) or 'info'}",
        "--log-format=text",
        f"--push-retry={PUSH_RETRIES}",
        f"--image-download-retry={PULL_RETRIES}",
        *(["--credential-helpers="] if executor.knows("credential-helpers") else []),
        *_cache(spec),
        *_registries(spec),
    ]


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _cache(spec: ImageBuildSpec) -> Iterator[str]:
    cache = spec.cache
    if cache is None or cache.enabled is False:
        return
    yield "--cache=true"
    if cache.repository:
        yield f"--cache-repo={cache.repository}"
    if cache.ttl:
        yield f"--cache-ttl={cache.ttl}"
    if cache.copy_layers is not None:
        yield f"--cache-copy-layers={_flag(cache.copy_layers)}"
    if cache.run_layers is not None:
        yield f"--cache-run-layers={_flag(cache.run_layers)}"


def _registries(spec: ImageBuildSpec) -> Iterator[str]:
    registries = spec.registries
    if registries is None:
        return
    for host in registries.insecure or ():
        yield f"--insecure-registry={host}"
        yield f"--skip-tls-verify-registry={host}"
    mirrors = registries.mirrors or []
    strict = any(mirror.fallback is False for mirror in mirrors)
    for mirror in mirrors:
        for endpoint in _endpoints(mirror, strict=strict):
            yield f"--registry-map={_hub(mirror.registry)}={endpoint}"
    if strict:
        yield "--skip-default-registry-fallback"


def _endpoints(mirror: Mirror, *, strict: bool) -> list[str]:
    """Where a registry's images are looked for.

    The executor's switch for "no fallback" holds for every mapped registry at once, so one that may fall back names
    itself as its last mirror.
    """
    itself = [_hub(mirror.registry)] if strict and mirror.fallback is not False else []
    return [*mirror.endpoints, *itself]


def _hub(registry: str) -> str:
    return DOCKER_HUB if registry.lower() in DOCKER_HUB_NAMES else registry
