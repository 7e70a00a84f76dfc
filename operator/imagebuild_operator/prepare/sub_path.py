"""Checks the folder that `spec.source.subPath` names."""

from pathlib import Path

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.result import PrepareError


def checked_folder(context: Path, sub_path: str, source: str) -> Path:
    """The folder below the context, links followed.

    Raises:
        PrepareError: if it is not there, no folder, or outside of the context.
    """
    folder = (context / sub_path).resolve()
    if not folder.is_relative_to(context.resolve()):
        message = f"spec.source.subPath {sub_path} leads out of {source} through a symbolic link."
        raise PrepareError(Reason.SUB_PATH_INVALID, message, "Name a folder inside the source in spec.source.subPath.")
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        message = f"spec.source.subPath {sub_path} {what} in {source}."
        raise PrepareError(Reason.SUB_PATH_INVALID, message, "Name a folder inside the source in spec.source.subPath.")
    return folder
