"""The plan of the init container: `build_pod` writes it into the environment, `prepare` reads it there.

It names files, never contents: credentials reach the init container through mounted Secrets only.
"""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

VARIABLE: Final = "IMAGEBUILD_PREPARE_PLAN"


class _Part(BaseModel):
    # The image that reads the plan can be another version than the operator that wrote it: a member that is not known
    # there is work that would stay undone without a word.
    model_config = ConfigDict(frozen=True, extra="forbid")


class GitLogin(_Part):
    """A Secret of type kubernetes.io/basic-auth, mounted as a folder."""

    secret: str
    folder: Path


class GitPlan(_Part):
    """A repository to fetch into the context; without a revision, its default branch."""

    url: str
    revision: str | None = None
    login: GitLogin | None = None


class RegistrySecret(_Part):
    """A Secret of type kubernetes.io/dockerconfigjson, its one key mounted as a file."""

    secret: str
    file: Path


class LoginsPlan(_Part):
    """Logins to merge, the later Secret winning, and the file to write them to."""

    secrets: tuple[RegistrySecret, ...]
    target: Path


class CertificatesPlan(_Part):
    """Certificates to check and to copy; `origin` names object and key for messages."""

    origin: str
    file: Path
    target: Path


class Plan(_Part):
    """Everything there is to do before the executor starts.

    Attributes:
        context: folder that becomes the build context.
        scratch: folder for whatever is needed only meanwhile; lost with the Pod.
        sub_path: folder inside the context that has to exist, the value of `spec.source.subPath`.
        git: what to fetch, if anything.
        logins: logins to merge, if any.
        certificates: certificates to check, if any.
    """

    context: Path
    scratch: Path
    sub_path: str | None = None
    git: GitPlan | None = None
    logins: LoginsPlan | None = None
    certificates: CertificatesPlan | None = None
