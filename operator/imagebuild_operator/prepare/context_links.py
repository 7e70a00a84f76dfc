"""Refuses symbolic links of a repository that would take the build's own credentials into an image.

The executor copies a link as a link, but follows those among the folders above what a COPY names (kaniko,
pkg/util/fs_util.go): whoever may change a repository, but not its Dockerfile, could point one at config.json. Links
that merely lead out of the context are common, as in the root file systems of images.
"""

import os
from pathlib import Path
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod import paths
from imagebuild_operator.prepare.archive_tree import Tree
from imagebuild_operator.prepare.result import PrepareError

# The executor's own folder, what processes are given, and the token of the Pod's ServiceAccount.
_CLOSED: Final = (Path(paths.CONTEXT).parent, Path("/proc"), Path("/run/secrets"), Path("/var/run/secrets"))


def refuse_links_to_credentials(context: Path, address: str) -> None:
    """Look at every link that leads out of the context.

    Raises:
        PrepareError: if one leads into such a folder, or to the root, which holds them all.
    """
    for name, to in Tree(context).links_out():
        end = Path(os.path.realpath(context / name))
        if end == Path("/") or any(end.is_relative_to(folder) for folder in _CLOSED):
            raise PrepareError(
                Reason.SOURCE_INVALID,
                f"{address} holds {name}, a symbolic link to {to}, where the build's own credentials are.",
                "Remove the link from the repository.",
            )
