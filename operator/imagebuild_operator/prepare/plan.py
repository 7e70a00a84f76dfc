"""What is to be prepared: written into the Pod by `pod.volumes`, read here. It names files, never their contents."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class GitPlan(_Model):
    """A repository to fetch.

    Attributes:
        url: where from.
        revision: branch, tag, reference or commit; empty for the default branch.
        target: an empty folder for the working tree.
        sub_path: folder below it that will be the context; empty for the tree itself.
        secret: name of the Secret, for messages; empty when there is none.
        login: folder with the Secret's keys as files.
    """

    url: str
    revision: str
    target: Path
    sub_path: str
    secret: str = ""
    login: Path | None = None


class LoginSource(_Model):
    """One Secret with logins for registries."""

    secret: str
    file: Path


class LoginsPlan(_Model):
    """Logins to merge into one config.json; of two for the same registry the later counts."""

    sources: list[LoginSource]
    target: Path


class CAPlan(_Model):
    """Certificates to check, and to leave for the executor."""

    name: str
    bundle: Path
    target: Path


class Plan(_Model):
    """Everything one init container has to do."""

    git: GitPlan | None = None
    logins: LoginsPlan | None = None
    ca: CAPlan | None = None
