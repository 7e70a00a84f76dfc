"""The plan of the init container: `build_pod` writes it into the environment, `prepare` reads it there.

It names files, never contents: credentials reach the init container through mounted Secrets only.
"""

from pathlib import Path
from typing import Final

from imagebuild_operator.api.names import RegistrySecretType
from imagebuild_operator.pod.source_plans import Part, SourcePlan

VARIABLE: Final = "IMAGEBUILD_PREPARE_PLAN"


class RegistrySecret(Part):
    """A Secret with logins, each of its keys mounted as a file of that name.

    Attributes:
        secret: its name.
        folder: where the files are.
        type: what it holds.
        registry: that it is for, where it does not say so itself.
    """

    secret: str
    folder: Path
    type: RegistrySecretType = RegistrySecretType.DOCKER_CONFIG_JSON
    registry: str | None = None


class LoginsPlan(Part):
    """Logins to merge into one for each registry.

    Attributes:
        secrets: in the order of the spec.
        target: file to write them to.
        repositories: what the build talks to, as far as the spec says: the logins that fit these best are taken.
        mirrors: endpoints that it talks to as well, host[:port][/path].
        dockerfile: file that names its base images, once the source is there; None where it cannot be read.
        complete: whether `repositories` holds the base images, too; logins for other registries are left out then.
    """

    secrets: tuple[RegistrySecret, ...]
    target: Path
    repositories: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    dockerfile: Path | None = None
    complete: bool = False


class CertificatesPlan(Part):
    """Certificates to check and to copy; `origin` names object and key for messages."""

    origin: str
    file: Path
    target: Path


class Plan(Part):
    """Everything there is to do before the executor starts.

    Attributes:
        context: folder that becomes the build context.
        scratch: folder for whatever is needed only meanwhile; lost with the Pod.
        sub_path: folder inside the context that has to exist, the value of `spec.source.subPath`.
        dockerfile: file to outline, once the source is there; None where it cannot be read.
        source: what to fetch, if anything.
        logins: logins to merge, if any.
        certificates: certificates to check, if any.
    """

    context: Path
    scratch: Path
    sub_path: str | None = None
    dockerfile: Path | None = None
    source: SourcePlan | None = None
    logins: LoginsPlan | None = None
    certificates: CertificatesPlan | None = None
