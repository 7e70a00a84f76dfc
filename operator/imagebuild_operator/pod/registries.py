"""How logins and certificates for registries get into the Pod."""

from pathlib import Path
from typing import Final

from imagebuild_operator.api.v1alpha1 import CABundle, Registries
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.parts import SECRET_MODE, Json, Parts, empty_volume, joined, mount, secret_volume
from imagebuild_operator.pod.plan import CertificatesPlan, LoginsPlan, RegistrySecret

# The key of a Secret of type kubernetes.io/dockerconfigjson.
DOCKER_CONFIG_KEY: Final = ".dockerconfigjson"


def registry_parts(registries: Registries | None, *, prepared: bool) -> Parts:
    """The volumes for logins and certificates.

    Args:
        registries: of the spec.
        prepared: whether the Pod has an init container, which then merges even a single Secret: it checks it, and
            keeps nothing of it but the logins.
    """
    if registries is None:
        return Parts()
    secrets = [reference.name for reference in registries.secret_refs or ()]
    logins = _merged(secrets) if prepared else joined(_projected(secret) for secret in secrets)
    return joined((logins, _certificates(registries.ca_bundle)))


def logins_plan(registries: Registries | None) -> LoginsPlan | None:
    """What the init container has to merge."""
    references = (registries.secret_refs if registries else None) or []
    if not references:
        return None
    secrets = tuple(
        RegistrySecret(secret=reference.name, file=Path(f"{paths.registry_secret(index)}/{paths.CONFIG_FILE}"))
        for index, reference in enumerate(references)
    )
    return LoginsPlan(secrets=secrets, target=Path(f"{paths.MERGED_LOGINS}/{paths.CONFIG_FILE}"))


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
    return Parts(
        volumes=(secret_volume("registry-logins", secret, {DOCKER_CONFIG_KEY: paths.CONFIG_FILE}),),
        build_mounts=(mount("registry-logins", paths.DOCKER_CONFIG),),
    )


def _merged(secrets: list[str]) -> Parts:
    if not secrets:
        return Parts()
    sources = tuple(
        secret_volume(f"registry-{index}", secret, {DOCKER_CONFIG_KEY: paths.CONFIG_FILE})
        for index, secret in enumerate(secrets)
    )
    return Parts(
        volumes=(*sources, empty_volume("registry-logins", memory=True)),
        prepare_mounts=(
            *(mount(f"registry-{index}", paths.registry_secret(index)) for index in range(len(secrets))),
            mount("registry-logins", paths.MERGED_LOGINS, read_only=False),
        ),
        build_mounts=(mount("registry-logins", paths.DOCKER_CONFIG),),
    )


def _certificates(bundle: CABundle | None) -> Parts:
    if bundle is None:
        return Parts()
    return Parts(
        volumes=(_bundle_volume(bundle), empty_volume("trust")),
        prepare_mounts=(
            mount("ca-bundle", paths.CA_BUNDLE),
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
        return {"name": "ca-bundle", "configMap": {"name": reference.name, "defaultMode": SECRET_MODE, "items": items}}
    if bundle.secret_ref is None:
        raise ValueError("a CA bundle has either a configMapRef or a secretRef")
    return secret_volume("ca-bundle", bundle.secret_ref.name, {bundle.secret_ref.key: paths.CA_FILE})
