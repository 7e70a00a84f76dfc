"""Sources that are images or artifacts in a registry."""

from typing import Annotated

from pydantic import Field, StringConstraints

from imagebuild_operator.api.fields import LocalObjectReference, Model
from imagebuild_operator.api.schema import PULLED_IMAGE

Reference = Annotated[str, StringConstraints(min_length=1, max_length=512), Field(json_schema_extra=PULLED_IMAGE)]


class OciSource(Model):
    """The files in an image or in an artifact."""

    image: Reference | None = Field(
        default=None,
        description="Image whose files are the context, e.g. registry.example.com/shop/web-context:1.4.2 or "
        "...@sha256:<digest>. Of several platforms the node's is taken. Where the operator's setting "
        "build.imageVolumes is on, the node pulls and mounts it; otherwise the init container fetches it.",
    )
    artifact: Reference | None = Field(
        default=None,
        description="Artifact whose files are the context, as oras push or flux push artifact make them: its archives "
        "are unpacked, its plain files copied. The init container fetches it.",
    )
    secret_ref: LocalObjectReference | None = Field(
        default=None,
        description="Secret of type kubernetes.io/dockerconfigjson with the login for the registry; build steps never "
        "see it. Default: the logins of spec.registries.secretRefs.",
    )
