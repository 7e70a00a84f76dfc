"""An image or artifact of a registry: mounted by the node, or fetched by the init container."""

from collections.abc import Iterator
from typing import Final

from imagebuild_operator.api.names import RegistrySecretType
from imagebuild_operator.api.registries import Registries
from imagebuild_operator.api.source_oci import OciSource
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.logins import FORMS
from imagebuild_operator.pod.parts import Json, Parts, SourceParts, empty_context, joined, mount, source_secret
from imagebuild_operator.pod.references import registry_host, repository_of
from imagebuild_operator.pod.source_plans import OciPlan

_KEYS: Final = FORMS[RegistrySecretType.DOCKER_CONFIG_JSON].keys


def oci_source(oci: OciSource, registries: Registries | None, *, image_volumes: bool) -> SourceParts:
    """The files of an image or artifact as the context.

    Args:
        oci: the source.
        registries: of the spec; their logins are used where the source names none.
        image_volumes: whether nodes mount images; artifacts, which are no file systems, are always fetched.
    """
    if oci.image is not None and image_volumes:
        return SourceParts(_mounted(oci.image, oci, registries))
    reference = oci.image or oci.artifact
    if reference is None:
        raise ValueError("source.oci has either an image or an artifact")
    insecure = {registry_host(host.lower()) for host in (registries.insecure if registries else None) or ()}
    parts, login = source_secret(oci.secret_ref, "oci-login", paths.OCI_LOGIN, _KEYS)
    plan = OciPlan(
        reference=reference,
        artifact=oci.artifact is not None,
        login=login,
        insecure=repository_of(reference).registry in insecure,
    )
    return SourceParts(joined((empty_context(), parts)), plan)


def _mounted(image: str, oci: OciSource, registries: Registries | None) -> Parts:
    # A tag may have moved since the node pulled it last, a digest cannot.
    policy = "IfNotPresent" if "@" in image else "Always"
    volume: Json = {"name": "context", "image": {"reference": image, "pullPolicy": policy}}
    own = [oci.secret_ref.name] if oci.secret_ref else _pull_secrets(registries)
    return Parts(volumes=(volume,), build_mounts=(mount("context", paths.CONTEXT),), pull_secrets=tuple(own))


def _pull_secrets(registries: Registries | None) -> Iterator[str]:
    """Those of the whole build's Secrets that the kubelet can pull with."""
    for login in (registries.secret_refs if registries else None) or ():
        if login.type is not RegistrySecretType.BASIC_AUTH:
            yield login.name
