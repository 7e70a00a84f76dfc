"""What comes out of a build: the image's references, what is written into it, and how it is pushed."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from imagebuild_operator.api.fields import Image, LabelKey, Model
from imagebuild_operator.api.schema import Schema, atomic_list, rule, rules

_NAMES: Final[Schema] = rule(
    "self.all(k, k.matches('^[A-Za-z0-9][A-Za-z0-9._/-]{0,315}$'))",
    "names of labels and annotations hold letters, digits, '.', '_', '-' and '/', and start with a letter or digit",
)


class Output(Model):
    """What is pushed, and where to."""

    images: Annotated[list[Image], Field(min_length=1, max_length=16)] = Field(
        description="References to push to, [registry/]repository[:tag], e.g. registry.example.com/shop/web:1.4.2; "
        "all get the same digest. Without a tag: latest. In a tag, $(commit) and $(shortCommit) (8 digits) stand for "
        "source.git.revision where that is a full commit, $(revisionSlug) for it in lower case with '-' for all but "
        "letters and digits, $(generation) for metadata.generation, and $(run) for the number of the run.",
        json_schema_extra=atomic_list()
        | rules(
            rule(
                "self.all(a, self.exists_one(b, (a.matches(':[^/]+$') ? a : a + ':latest') == "
                "(b.matches(':[^/]+$') ? b : b + ':latest')))",
                "the same reference stands there twice (no tag means latest): take one out",
            )
        ),
    )
    labels: (
        Annotated[dict[LabelKey, Annotated[str, StringConstraints(max_length=1024)]], Field(max_length=64)] | None
    ) = Field(
        default=None,
        description="Labels of the image, e.g. org.opencontainers.image.source.",
        json_schema_extra=rules(_NAMES),
    )
    annotations: (
        Annotated[dict[LabelKey, Annotated[str, StringConstraints(max_length=1024)]], Field(max_length=64)] | None
    ) = Field(
        default=None,
        description="Annotations of the image's manifest, e.g. org.opencontainers.image.revision. The google executor "
        "has none.",
        json_schema_extra=rules(_NAMES),
    )
    compression: Annotated[str, Field(json_schema_extra={"enum": ["gzip", "zstd"]})] | None = Field(
        default=None,
        description="How the layers that this build adds are compressed. zstd needs an image in OCI format: with "
        "osscontainertools v1.28.1 and newer it is, with other executors only if the base image is; layers stay gzip "
        "otherwise. Default: gzip.",
    )
    reproducible: bool | None = Field(
        default=None,
        description="Leaves times out of the image, so that the same steps on the same base make the same digest. "
        "Needs memory for all layers of the image. Default: false.",
    )
    push: bool | None = Field(
        default=None,
        description="false builds only: neither the image nor layers for the cache are pushed, and only "
        "status.digest tells of the image. Default: true.",
    )
    push_retries: Annotated[int, Field(ge=0, le=10)] | None = Field(
        default=None, description="How often the executor tries a failed push again, with growing pauses. Default: 2."
    )
    skip_push_check: bool | None = Field(
        default=None,
        description="true builds without asking first whether the images may be pushed, for registries and networks "
        "that take the question amiss; a push that is refused is then told only after the whole build. Default: false.",
    )
