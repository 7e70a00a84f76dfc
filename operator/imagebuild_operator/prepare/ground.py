"""What every kind of source is fetched with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagebuild_operator.pod.plan import RegistrySecret
from imagebuild_operator.pod.prepared import Prepared


@dataclass(frozen=True)
class Ground:
    """Where a source is fetched to, and with what.

    Attributes:
        context: folder that becomes the build context.
        scratch: folder for whatever is needed only meanwhile; lost with the Pod.
        trusted: file with every trusted certificate; None for the system's own.
        protocols: that git may use, by colons.
        logins: Secrets with logins for the registries of the whole build.
    """

    context: Path
    scratch: Path
    trusted: Path | None = None
    protocols: str = "https"
    logins: tuple[RegistrySecret, ...] = ()


Fetcher = Callable[[Ground], Prepared]
