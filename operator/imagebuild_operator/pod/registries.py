"""How logins and certificates for registries get into the Pod."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from imagebuild_operator.api import names
from imagebuild_operator.api.names import RegistrySecretType
from imagebuild_operator.api.v1alpha1 import CABundle, ImageBuildSpec, Registries, RegistryLogin
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.arguments import dockerfile_path
from imagebuild_operator.pod.logins import FORMS
from imagebuild_operator.pod.parts import (
    SECRET_MODE,
    Json,
    Parts,
    SourceParts,
    empty_volume,
    joined,
    mount,
    secret_volume,
)
from imagebuild_operator.pod.plan import CertificatesPlan, LoginsPlan, RegistrySecret
from imagebuild_operator.pod.references import named_images
from imagebuild_operator.pod.source_files import dockerfile_of

LOGINS_VOLUME: Final = "registry-logins"
CA_VOLUME: Final = "ca-bundle"


def secret_volume_name(index: int) -> str:
    """The volume of the Secret at this place of `spec.registries.secretRefs`."""
    return f"registry-{index}"


def registry_parts(registries: Registries | None, *, prepared: bool) -> Parts:
    """The volumes for logins and certificates.

    Args:
        registries: of the spec.
        prepared: whether the Pod has an init container, which then merges even a single Secret: it checks it, and
            keeps nothing of it but the logins.
    """
    if registries is None:
        return Parts()
    secrets = registries.secret_refs or []
    logins = _merged(secrets) if prepared else joined(_projected(secret.name) for secret in secrets)
    return joined((logins, _certificates(registries.ca_bundle), _cloud(registries.cloud or ())))


def needs_merging(registries: Registries | None) -> bool:
    """Whether the executor is not given the Secrets as they are: several, or one whose type the spec says.

    A type is written for a form that the executor cannot read, or so that the rules of merging hold for one that it
    can: of several keys for one host it would take any.
    """
    secrets = (registries.secret_refs if registries else None) or []
    return len(secrets) > 1 or any(secret.type is not None for secret in secrets)


def logins_plan(spec: ImageBuildSpec, source: SourceParts) -> LoginsPlan | None:
    """What the init container has to merge.

    Args:
        spec: of the build, its tags expanded.
        source: says whether the init container gets to see the Dockerfile.
    """
    references = (spec.registries.secret_refs if spec.registries else None) or []
    if not references:
        return None
    secrets = tuple(
        RegistrySecret(
            secret=reference.name,
            folder=Path(paths.registry_secret(index)),
            type=_type_of(reference),
            registry=reference.registry,
        )
        for index, reference in enumerate(references)
    )
    bases = _inline_bases(spec)
    return LoginsPlan(
        secrets=secrets,
        target=Path(f"{paths.MERGED_LOGINS}/{paths.CONFIG_FILE}"),
        repositories=(*_repositories(spec), *(bases or ())),
        mirrors=_mirrors(spec),
        dockerfile=dockerfile_path(spec) if source.plan else None,
        complete=bases is not None,
    )


def _type_of(login: RegistryLogin) -> RegistrySecretType:
    return login.type or RegistrySecretType.DOCKER_CONFIG_JSON


def _repositories(spec: ImageBuildSpec) -> tuple[str, ...]:
    """What the spec itself says the build talks to."""
    cache = (spec.cache.repository,) if spec.cache and spec.cache.repository else ()
    return (*spec.output.images, *cache)


def _mirrors(spec: ImageBuildSpec) -> tuple[str, ...]:
    mirrors = (spec.registries.mirrors if spec.registries else None) or []
    return tuple(endpoint for mirror in mirrors for endpoint in mirror.endpoints)


def _inline_bases(spec: ImageBuildSpec) -> tuple[str, ...] | None:
    """The base images of a Dockerfile that stands in the spec; None where it does not, or does not name them."""
    dockerfile = dockerfile_of(spec)
    return None if dockerfile is None else named_images(dockerfile)


def certificates_plan(registries: Registries | None) -> CertificatesPlan | None:
    """What the init container has to check."""
    bundle = registries.ca_bundle if registries else None
    if bundle is None:
        return None
    kind, reference = ("ConfigMap", bundle.config_map_ref) if bundle.config_map_ref else ("Secret", bundle.secret_ref)
    if reference is None:
        return None
    return CertificatesPlan(
        origin=f"{kind} {reference.name}, key {reference.key}",
        file=Path(f"{paths.CA_BUNDLE}/{paths.CA_FILE}"),
        target=Path(f"{paths.CHECKED_CERTIFICATES}/{paths.CA_FILE}"),
    )


def _projected(secret: str) -> Parts:
    keys = FORMS[RegistrySecretType.DOCKER_CONFIG_JSON].keys
    return Parts(
        volumes=(secret_volume(LOGINS_VOLUME, secret, dict.fromkeys(keys, paths.CONFIG_FILE)),),
        build_mounts=(mount(LOGINS_VOLUME, paths.DOCKER_CONFIG),),
    )


def _merged(secrets: Sequence[RegistryLogin]) -> Parts:
    if not secrets:
        return Parts()
    # Each key by name: one that is missing keeps the Pod waiting until it is there.
    sources = tuple(
        secret_volume(secret_volume_name(index), secret.name, {key: key for key in FORMS[_type_of(secret)].keys})
        for index, secret in enumerate(secrets)
    )
    return Parts(
        volumes=(*sources, empty_volume(LOGINS_VOLUME, memory=True)),
        prepare_mounts=(
            *(mount(secret_volume_name(index), paths.registry_secret(index)) for index in range(len(secrets))),
            mount(LOGINS_VOLUME, paths.MERGED_LOGINS, read_only=False),
        ),
        build_mounts=(mount(LOGINS_VOLUME, paths.DOCKER_CONFIG),),
    )


def _cloud(vendors: Sequence[str]) -> Parts:
    """What the executor's helpers need beside the identity that the cluster gives the Pod."""
    return Parts(
        # Older helpers look for a role in AWS's own files and variables only with it (kaniko, README.md).
        build_environment={"AWS_SDK_LOAD_CONFIG": "true"} if "ecr" in vendors else {},
        # For the one who explains a refusal: not every executor has an argument that tells.
        annotations={names.ANNOTATION_CLOUD: ",".join(vendors)} if vendors else {},
    )


def _certificates(bundle: CABundle | None) -> Parts:
    if bundle is None:
        return Parts()
    return Parts(
        volumes=(_bundle_volume(bundle), empty_volume("trust")),
        prepare_mounts=(
            mount(CA_VOLUME, paths.CA_BUNDLE),
            mount("trust", paths.CHECKED_CERTIFICATES, read_only=False),
        ),
        # One more file among the executor's own: mounted whole, the volume would hide them.
        build_mounts=(mount("trust", paths.EXTRA_CERTIFICATES, sub_path=paths.CA_FILE),),
        # Go reads every file of this folder; an image of the user's own may not say so itself.
        build_environment={"SSL_CERT_DIR": paths.CERTIFICATES},
    )


def _bundle_volume(bundle: CABundle) -> Json:
    if bundle.config_map_ref is not None:
        reference = bundle.config_map_ref
        items = [{"key": reference.key, "path": paths.CA_FILE}]
        return {"name": CA_VOLUME, "configMap": {"name": reference.name, "defaultMode": SECRET_MODE, "items": items}}
    if bundle.secret_ref is None:
        raise ValueError("a CA bundle has either a configMapRef or a secretRef")
    return secret_volume(CA_VOLUME, bundle.secret_ref.name, {bundle.secret_ref.key: paths.CA_FILE})
