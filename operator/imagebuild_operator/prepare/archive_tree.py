"""A folder into which entries of an archive are written, whatever their names are, and nothing outside of it.

Two things see to that. Each folder on the way to an entry is looked at before it is entered, links followed; and what
stands in an entry's place is removed, never written through. Nobody else writes there meanwhile.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from imagebuild_operator.prepare.folders import is_folder, remove

CHUNK: Final = 1024 * 1024
# Folders on the way to an entry: no context needs so many, and what goes through folders within folders bears them.
DEPTH_LIMIT: Final = 200
# What the file system says to names and links that cannot be; all else is not the archive's fault.
IMPOSSIBLE: Final = frozenset(
    {errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.EINVAL}
)


class RefusedError(Exception):
    """An entry that reaches out of the folder, or cannot be; its text says why, as in "the entry has no name"."""


class Tree:
    """The folder; names are those in the archive, relative to it and parted by slashes."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve(strict=True)

    def make_folder(self, name: str, mode: int) -> None:
        """Make a folder, or give the one that is there its mode."""
        path = self._place(name)
        if path == self._root:
            return
        if not is_folder(path):
            self._remove(path)
            path.mkdir()
        path.chmod(mode & 0o777 | 0o700)

    def make_file(self, name: str, contents: IO[bytes], mode: int, time: float) -> None:
        """Write a file, with its mode (but no setuid and the like) and its time of change."""
        path = self._place(name)
        self._remove(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            shutil.copyfileobj(contents, file, CHUNK)
            file.flush()
            os.fchmod(descriptor, mode & 0o777 | 0o600)
            os.utime(descriptor, (time, time))

    def make_link(self, name: str, to: str) -> None:
        """Make a symbolic link; whether it leads out of the folder is known only when everything is in place."""
        path = self._place(name)
        if to.startswith("/"):
            raise RefusedError(f"is a symbolic link to {to}, outside of its folder")
        self._remove(path)
        path.symlink_to(to)

    def make_hard_link(self, name: str, first: str) -> None:
        """Give a file, or a symbolic link, that is already there a second name."""
        path = self._place(name)
        try:
            there = self._place(first)
        except RefusedError:
            raise RefusedError(f"is a hard link to {first}, outside of its folder") from None
        if is_folder(there) or not os.path.lexists(there):
            raise RefusedError(f"is a hard link to {first}, which is no file before it in the archive")
        if path != there:
            self._remove(path)
            os.link(there, path, follow_symlinks=False)

    def links_out(self) -> Iterator[tuple[str, str]]:
        """Symbolic links that lead out of the folder as it is now: their names, and what they lead to."""
        folders = [self._root]
        while folders:
            for path in folders.pop().iterdir():
                if path.is_symlink():
                    # Not strict: what is not there yet may be there one day.
                    if not Path(os.path.realpath(path)).is_relative_to(self._root):
                        yield str(path.relative_to(self._root)), str(path.readlink())
                elif path.is_dir():
                    folders.append(path)

    def _place(self, name: str) -> Path:
        """Where an entry goes; the folders above it are there afterwards."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts:
            raise RefusedError("has a name that leads out of its folder")
        folder = self._root
        for part in parts[:-1]:
            folder = self._entered(folder / part)
        return folder.joinpath(*parts[-1:])

    def _entered(self, path: Path) -> Path:
        """A folder, links followed, made if it is not there; no link is in the path of the one above it."""
        if path.is_symlink():
            path = Path(os.path.realpath(path, strict=True))
            if not path.is_relative_to(self._root):
                raise RefusedError("has a name that leads out of its folder through a symbolic link")
        if len(path.parts) - len(self._root.parts) > DEPTH_LIMIT:
            raise RefusedError(f"is in more than {DEPTH_LIMIT} folders within one another")
        if not os.path.lexists(path):
            path.mkdir()
        return path

    def _remove(self, path: Path) -> None:
        """Make room for an entry."""
        if path == self._root:
            raise RefusedError("has no name")
        remove(path)
