"""How registries are reached: logins, certificates, mirrors, the layer cache."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from imagebuild_operator.api.fields import Duration, Host, KeyReference, Model, ObjectName
from imagebuild_operator.api.names import RegistrySecretType
from imagebuild_operator.api.schema import (
    ENDPOINTS,
    REPOSITORY,
    Schema,
    atomic_list,
    exactly_one,
    map_list,
    rule,
    rules,
)

_BASIC_AUTH: Final = "has(self.type) && self.type == 'BasicAuth'"
_ONE_HOST: Final[Schema] = rules(
    rule(
        f"!({_BASIC_AUTH}) || has(self.registry)",
        "a Secret of type BasicAuth does not say which registry it is for: name it in registry, host[:port]",
        reason="FieldValueRequired",
    )
    | {"fieldPath": ".registry"},
    rule(
        f"({_BASIC_AUTH}) || !has(self.registry)",
        "is for type BasicAuth only, the other types name their registries themselves: take it out, or set the type",
        reason="FieldValueForbidden",
    )
    | {"fieldPath": ".registry"},
)


class CABundle(Model):
    """PEM certificates trusted in addition to the system's own."""

    config_map_ref: KeyReference | None = Field(default=None, description="Key of a ConfigMap that holds the PEM.")
    secret_ref: KeyReference | None = Field(default=None, description="Key of a Secret that holds the PEM.")


class RegistryLogin(Model):
    """A Secret with logins for registries."""

    name: ObjectName = Field(description="Name of the Secret, in the namespace of the ImageBuild.")
    type: RegistrySecretType | None = Field(
        default=None,
        description="What the Secret holds. DockerConfigJSON: kubernetes.io/dockerconfigjson, as kubectl create secret "
        "docker-registry makes it. DockerConfig: kubernetes.io/dockercfg, its older form. BasicAuth: "
        "kubernetes.io/basic-auth, username and password for one registry. Where it is written, an init container "
        "checks the Secret and keeps one login for each registry, as with several Secrets. Default: DockerConfigJSON, "
        "mounted as it is where there is nothing else to prepare.",
    )
    registry: Host | None = Field(
        default=None,
        description="The registry that a Secret of type BasicAuth is for, host[:port], e.g. registry.example.com:5000; "
        "docker.io for Docker Hub.",
    )


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

    secret_refs: (
        Annotated[
            list[Annotated[RegistryLogin, Field(json_schema_extra=_ONE_HOST)]],
            Field(max_length=16),
        ]
        | None
    ) = Field(
        default=None,
        description="Secrets with the credentials for registries, mirrors and the cache. Several are merged, one login "
        "for each registry: the one whose path fits this build's images best, then the later one. "
        "RUN steps can read them: prefer tokens that may only do what this build needs.",
        json_schema_extra=map_list("name"),
    )
    cloud: (
        Annotated[
            list[Annotated[str, Field(json_schema_extra={"enum": ["google", "ecr", "acr"]})]],
            Field(min_length=1, max_length=3),
        ]
        | None
    ) = Field(
        default=None,
        description="Cloud vendors whose registries are logged in to as podTemplate.serviceAccountName, or as the "
        "node: google (Container Registry, Artifact Registry), ecr (Amazon), acr (Azure). A login from secretRefs "
        "goes first. Default: none, where the executor can leave them out.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    ca_bundle: CABundle | None = Field(
        default=None,
        description="Own certificate authority, trusted beside the system's for registries, mirrors and every kind of "
        "source alike.",
        json_schema_extra=rules(exactly_one("configMapRef", "secretRef")),
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


class Claim(Model):
    """A PersistentVolumeClaim in the same namespace."""

    claim_name: ObjectName = Field(description="Name of the PersistentVolumeClaim, in the namespace of the ImageBuild.")


class BaseImages(Model):
    """Base images that kaniko's warmer has put into a volume."""

    persistent_volume_claim: Claim = Field(description="The volume; mounted read-only.")


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
    base_images: BaseImages | None = Field(
        default=None,
        description="Base images that kaniko's warmer has put into a volume: they are not downloaded again. Default: "
        "none.",
    )
