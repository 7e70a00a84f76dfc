"""Removing what is in the way, without ever following a symbolic link."""

import os
import uuid
from pathlib import Path
from typing import Final

_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def is_folder(path: Path) -> bool:
    """Whether it is a folder itself, and not a link to one."""
    return path.is_dir() and not path.is_symlink()


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it, however deep; nothing need be there."""
    if not is_folder(path):
        path.unlink(missing_ok=True)
        return
    top = os.open(path, _OPEN)
    try:
        found = _folders_left(top, top)
        while found:
            name = found.pop()
            folder = os.open(name, _OPEN, dir_fd=top)
            try:
                found += _folders_left(folder, top)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    path.rmdir()


def _folders_left(folder: int, top: int) -> list[str]:
    """Remove the files in a folder, and move the folders in it to the top; these are the names they have there.

    `shutil.rmtree` goes down instead, with an open folder and a call of itself for each, and git may check out a
    thousand within one another.
    """
    with os.scandir(folder) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    folders = []
    for name, is_dir in names:
        if is_dir:
            folders.append(uuid.uuid4().hex)
            os.rename(name, folders[-1], src_dir_fd=folder, dst_dir_fd=top)
        else:
            os.unlink(name, dir_fd=folder)
    return folders


def empty(folder: Path) -> None:
    """Remove what an earlier container of the same Pod left in a folder, but not the folder: it is a mount point."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        remove(entry)
