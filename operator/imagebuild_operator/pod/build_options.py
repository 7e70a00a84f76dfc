"""What users choose about a build, as flags of the executor."""

from collections.abc import Iterator
from typing import Final

from imagebuild_operator.api.v1alpha1 import BuildArg, BuildSecret, Cache, ImageBuildSpec, Output
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.parts import SECRET_MODE, Json, Parts, mount
from imagebuild_operator.pod.references import without_tag
from imagebuild_operator.pod.settings import Proxy

Option = tuple[str, str]

PUSH_RETRIES: Final = 2


def given_options(spec: ImageBuildSpec, proxy: Proxy) -> Iterator[Option]:
    """What the steps of the Dockerfile are given: arguments and secrets."""
    arguments = spec.build_args or []
    for argument in arguments:
        # A bare name takes the value of the executor's own variable, see `argument_variables`.
        yield "build-arg", argument.name if argument.value_from else f"{argument.name}={argument.value or ''}"
    own = {argument.name.lower() for argument in arguments}
    for name, value in proxy.variables().items():
        # Steps have these arguments without an ARG, and images and their history are without them (moby, builder/
        # dockerfile/buildargs.go).
        if name.lower() not in own:
            yield "build-arg", f"{name}={value}"
    for secret in spec.secrets or ():
        yield "secret", f"id={secret.id},src={paths.BUILD_SECRETS}/{secret.id}"


def argument_variables(arguments: list[BuildArg] | None) -> list[Json]:
    """The executor's variables with values by reference; a missing Secret, ConfigMap or key keeps the Pod waiting."""
    return [_variable(argument) for argument in arguments or () if argument.value_from]


def _variable(argument: BuildArg) -> Json:
    source = argument.value_from.model_dump(by_alias=True, exclude_none=True) if argument.value_from else {}
    return {"name": argument.name, "valueFrom": source}


def secret_parts(secrets: list[BuildSecret] | None) -> Parts:
    """A file for each secret, outside of the context."""
    if not secrets:
        return Parts()
    sources = [
        {
            "secret": {
                "name": secret.secret_key_ref.name,
                "items": [{"key": secret.secret_key_ref.key, "path": secret.id}],
            }
        }
        for secret in secrets
    ]
    volume = {"name": "build-secrets", "projected": {"defaultMode": SECRET_MODE, "sources": sources}}
    return Parts(volumes=(volume,), build_mounts=(mount("build-secrets", paths.BUILD_SECRETS),))


def output_options(output: Output) -> Iterator[Option]:
    """How the image is written and pushed; without its destinations."""
    for key, value in sorted((output.labels or {}).items()):
        yield "label", f"{key}={value}"
    for key, value in sorted((output.annotations or {}).items()):
        yield "annotation", f"{key}={value}"
    if output.compression:
        yield "compression", output.compression
    if output.compression == "zstd":
        # An image in Docker's format keeps gzip, whatever is asked for.
        yield "image-format", "oci"
    if output.reproducible:
        yield "reproducible", "true"
    if output.push is False:
        yield "no-push", "true"
    yield "push-retry", str(PUSH_RETRIES if output.push_retries is None else output.push_retries)
    if output.skip_push_check:
        yield "skip-push-permission-check", "true"


def uses_cache(cache: Cache | None) -> bool:
    """Whether anything of earlier builds is reused."""
    return cache is not None and cache.enabled is not False


def cache_options(cache: Cache | None, output: Output) -> Iterator[Option]:
    """The layer cache, and base images that lie ready."""
    if cache is None or not uses_cache(cache):
        return
    yield "cache", "true"
    repository = cache.repository
    if output.push is False:
        # Without a destination the executor knows no repository of its own accord.
        repository = repository or f"{without_tag(output.images[0])}/cache"
        yield "no-push-cache", "true"
    if repository:
        yield "cache-repo", repository
    if cache.ttl:
        yield "cache-ttl", cache.ttl
    if cache.copy_layers is not None:
        yield "cache-copy-layers", truth(cache.copy_layers)
    if cache.run_layers is not None:
        yield "cache-run-layers", truth(cache.run_layers)
    if cache.base_images is not None:
        yield "cache-dir", paths.BASE_IMAGES


def base_image_parts(cache: Cache | None) -> Parts:
    """The volume with base images that a warmer has put there; never at /cache, which may be a folder of the image."""
    if cache is None or cache.base_images is None or not uses_cache(cache):
        return Parts()
    claim = cache.base_images.persistent_volume_claim.claim_name
    volume = {"name": "base-images", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
    return Parts(volumes=(volume,), build_mounts=(mount("base-images", paths.BASE_IMAGES),))


def truth(value: bool) -> str:
    """A boolean as flags want it."""
    return "true" if value else "false"
