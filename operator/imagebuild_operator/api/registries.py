"""How registries are reached: logins, certificates, mirrors, the layer cache."""

from typing import Annotated

from pydantic import Field, StringConstraints

from imagebuild_operator.api.fields import Duration, Host, KeyReference, LocalObjectReference, Model
from imagebuild_operator.api.schema import ENDPOINTS, REPOSITORY, atomic_list, map_list, rule, rules


class CABundle(Model):
    """PEM certificates trusted in addition to the system's own."""

    config_map_ref: KeyReference | None = Field(default=None, description="Key of a ConfigMap that holds the PEM.")
    secret_ref: KeyReference | None = Field(default=None, description="Key of a Secret that holds the PEM.")


class Mirror(Model):
    """Where images of one registry are pulled from instead."""

    registry: Host = Field(description="Registry whose images are looked for elsewhere, e.g. docker.io.")
    endpoints: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=512)]], Field(min_length=1, max_length=8)
    ] = Field(
        description="Mirrors tried in this order, host[:port][/path], e.g. mirror.example.com/hub. Their credentials "
        "and certificate authority come from the same lists as every registry's.",
        json_schema_extra=atomic_list() | ENDPOINTS,
    )
    fallback: bool | None = Field(
        default=None, description="Whether the registry itself is asked when no mirror has the image. Default: true."
    )


class Registries(Model):
    """How registries are reached, for pulling base images, for pushing and for the cache."""

    secret_refs: Annotated[list[LocalObjectReference], Field(max_length=16)] | None = Field(
        default=None,
        description="Secrets of type kubernetes.io/dockerconfigjson with the credentials for registries, mirrors and "
        "the cache. Several are merged; when two name the same registry the later one wins. "
        "RUN steps can read them: prefer tokens that may only do what this build needs.",
        json_schema_extra=map_list("name"),
    )
    ca_bundle: CABundle | None = Field(
        default=None,
        description="Own certificate authority, trusted beside the system's for registries, mirrors and git alike.",
        json_schema_extra=rules(
            rule(
                "has(self.configMapRef) != has(self.secretRef)",
                "exactly one of configMapRef and secretRef must be set",
            )
        ),
    )
    mirrors: Annotated[list[Mirror], Field(max_length=16)] | None = Field(
        default=None, description="Mirrors of registries for base images.", json_schema_extra=map_list("registry")
    )
    insecure: Annotated[list[Host], Field(max_length=16)] | None = Field(
        default=None,
        description="Registries that may be reached by plain http or with a certificate nobody vouches for, named one "
        "by one as host[:port]. For tests; prefer caBundle.",
        json_schema_extra=atomic_list(),
    )


class Cache(Model):
    """Layer cache in a registry."""

    enabled: bool | None = Field(
        default=None,
        description="Whether layers of earlier builds are reused and stored. Default: true when spec.cache is there.",
    )
    repository: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = Field(
        default=None,
        description="Repository for cached layers, without a tag. Default: the first output image's, with /cache.",
        json_schema_extra=REPOSITORY,
    )
    ttl: Duration | None = Field(
        default=None, description="Age up to which cached layers are used, e.g. 168h. Default: 336h (two weeks)."
    )
    copy_layers: bool | None = Field(
        default=None, description="Whether layers of COPY are cached too. Default: false; large copies cost memory."
    )
    run_layers: bool | None = Field(default=None, description="Whether layers of RUN are cached. Default: true.")
