"""Where a build context comes from.

Adding a kind means: its model, a member here, a row in `pod.sources`, and, where the init container has to fetch it, a
plan in `pod.source_plans` and a row in `prepare.sources`.
"""

from typing import Final

from pydantic import Field
from pydantic.alias_generators import to_camel

from imagebuild_operator.api.fields import Model, Path
from imagebuild_operator.api.schema import Schema, exactly_one, one_of, rules
from imagebuild_operator.api.source_files import ClaimSource, ConfigMapSource, InlineSource
from imagebuild_operator.api.source_git import SSH_SECRET, GitSource
from imagebuild_operator.api.source_http import HTTP_CHECKSUM, HttpSource
from imagebuild_operator.api.source_objects import AzureBlobSource, GcsSource, S3Source
from imagebuild_operator.api.source_oci import OciSource


class Source(Model):
    """Where the build context comes from: exactly one of the members beside subPath."""

    git: GitSource | None = Field(
        default=None,
        description="A git repository, fetched over https or ssh before the build starts: only the commit to build, "
        "not the history before it.",
        json_schema_extra=SSH_SECRET,
    )
    inline: InlineSource | None = Field(
        default=None, description="Files written in this manifest, for small builds without a repository."
    )
    config_map: ConfigMapSource | None = Field(
        default=None,
        description="Files held by a ConfigMap. What is in it may change without a run: ask for one by the annotation "
        "imagebuild.dev/requestedAt, or name another ConfigMap.",
    )
    http: HttpSource | None = Field(
        default=None,
        description="An archive on a web server, tar or tar.gz, downloaded before the build starts.",
        json_schema_extra=HTTP_CHECKSUM,
    )
    s3: S3Source | None = Field(
        default=None, description="An archive in Amazon S3, or in a store that speaks its protocol, e.g. MinIO."
    )
    gcs: GcsSource | None = Field(default=None, description="An archive in Google Cloud Storage.")
    azure_blob: AzureBlobSource | None = Field(default=None, description="An archive in Azure Blob Storage.")
    oci: OciSource | None = Field(
        default=None,
        description="The files in an image or artifact of a registry, e.g. a folder that was pushed there.",
        json_schema_extra=rules(exactly_one("image", "artifact")),
    )
    persistent_volume_claim: ClaimSource | None = Field(
        default=None,
        description="Files on a volume, which is mounted read-only. With subPath, build steps see that folder only.",
    )
    sub_path: Path | None = Field(
        default=None,
        description="Folder inside the source that is the build context, e.g. services/web. Default: its root.",
    )

    @property
    def kinds(self) -> int:
        """How many of the members beside subPath are set: 1, unless it was stored under another schema."""
        return sum(getattr(self, name) is not None for name in Source.model_fields if name != _ANYWHERE)


_ANYWHERE: Final = "sub_path"
_KINDS: Final = tuple(to_camel(name) for name in Source.model_fields if name != _ANYWHERE)

ONE_KIND_RULE: Final = f"{one_of(*_KINDS)} must be set"
ONE_KIND: Final[Schema] = rules(exactly_one(*_KINDS))
ONE_KIND_TOLD: Final = f"Where the build context comes from: {one_of(*_KINDS)}."
