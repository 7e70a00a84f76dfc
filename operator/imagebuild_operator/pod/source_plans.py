"""What the init container has to fetch, a plan for each kind of source; `kind` tells them apart.

They name files, never contents: credentials reach the init container through mounted Secrets only.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A part of the plan."""

    # The image that reads the plan can be another version than the operator that wrote it: a member that is not known
    # there is work that would stay undone without a word.
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceSecret(Part):
    """The Secret that a source is fetched with, mounted as a folder: a file for each of its keys."""

    secret: str
    folder: Path


class GitPlan(Part):
    """A repository to fetch into the context; without a revision, its default branch.

    Attributes:
        login: of type kubernetes.io/basic-auth, or kubernetes.io/ssh-auth if git uses ssh.
        submodules: whether to fetch them, and theirs.
        lfs: whether to fetch the files that pointers of Git LFS stand for.
    """

    kind: Literal["git"] = "git"
    url: str
    revision: str | None = None
    login: SourceSecret | None = None
    submodules: bool = False
    lfs: bool = False

    @property
    def address(self) -> str:
        """What messages call the source."""
        return self.url


class HttpPlan(Part):
    """An archive to download and to unpack into the context.

    Attributes:
        sha256: what its checksum has to be, in hexadecimal; None for any.
        login: with username and password, or with a token.
    """

    kind: Literal["http"] = "http"
    url: str
    sha256: str | None = None
    login: SourceSecret | None = None

    @property
    def address(self) -> str:
        """What messages call the source; signatures and tokens travel behind the question mark."""
        return self.url.partition("?")[0]


class ConfigMapPlan(Part):
    """A ConfigMap, mounted as a folder, whose files are copied into the context."""

    kind: Literal["configMap"] = "configMap"
    name: str
    folder: Path

    @property
    def address(self) -> str:
        """What messages call the source."""
        return f"ConfigMap {self.name}"


class VolumePlan(Part):
    """A volume that is the context already: only the folder inside it is checked."""

    kind: Literal["volume"] = "volume"
    claim: str

    @property
    def address(self) -> str:
        """What messages call the source."""
        return f"PersistentVolumeClaim {self.claim}"


class OciPlan(Part):
    """An image or an artifact to fetch into the context.

    Attributes:
        reference: [registry/]repository[:tag][@digest].
        artifact: whether it is one, whose layers may also be plain files.
        login: of type kubernetes.io/dockerconfigjson; None for the logins of the whole build.
        insecure: whether plain http and any certificate will do.
    """

    kind: Literal["oci"] = "oci"
    reference: str
    artifact: bool = False
    login: SourceSecret | None = None
    insecure: bool = False

    @property
    def address(self) -> str:
        """What messages call the source."""
        return self.reference


class S3Plan(Part):
    """An archive in a bucket of S3; without a Secret, the Pod's own identity is used."""

    kind: Literal["s3"] = "s3"
    bucket: str
    key: str
    endpoint: str | None = None
    region: str | None = None
    keys: SourceSecret | None = None

    @property
    def address(self) -> str:
        """What messages call the source."""
        return f"{self.endpoint or 's3:/'}/{self.bucket}/{self.key}"


class GcsPlan(Part):
    """The same in Google Cloud Storage."""

    kind: Literal["gcs"] = "gcs"
    bucket: str
    key: str
    keys: SourceSecret | None = None

    @property
    def address(self) -> str:
        """What messages call the source."""
        return f"gs://{self.bucket}/{self.key}"


class AzureBlobPlan(Part):
    """The same in Azure Blob Storage."""

    kind: Literal["azureBlob"] = "azureBlob"
    url: str
    keys: SourceSecret | None = None

    @property
    def address(self) -> str:
        """What messages call the source."""
        return self.url


SourcePlan = Annotated[
    GitPlan | HttpPlan | ConfigMapPlan | VolumePlan | OciPlan | S3Plan | GcsPlan | AzureBlobPlan,
    Field(discriminator="kind"),
]
