"""Unpacks archives that nobody has looked at: they end in the target folder, or in a failure that says why not.

Python's own extraction is not used, since it has filters (PEP 706) only from 3.11.4 on: `tarfile` only reads, and
`archive_tree` writes.
"""

import gzip
import logging
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.archive_stream import Stream, StreamTooLongError
from imagebuild_operator.prepare.archive_tree import IMPOSSIBLE, RefusedError, Tree
from imagebuild_operator.prepare.result import PrepareError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What an archive may come to.

    Attributes:
        size: bytes, of the unpacked files as of the archive itself, decompressed.
        entries: files, folders and links.
    """

    size: int = 10 * 1024**3
    entries: int = 1_000_000


LIMITS: Final = Limits()

_FORMAT_HINT: Final = "Make it a tar file, compressed with gzip or not."
_REACH_HINT: Final = (
    "Make the archive inside of its folder, of files, folders and links that stay in there: "
    "tar -C FOLDER -czf ARCHIVE ."
)
_GZIP: Final = b"\x1f\x8b"
# How files begin that are taken for such an archive and are none.
_OTHERS: Final = {
    b"PK\x03\x04": "is a zip archive",
    b"BZh": "is compressed with bzip2",
    b"\xfd7zXZ\x00": "is compressed with xz",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd",
}
# What reading raises over bytes that are not what they should be.
_BROKEN: Final = (
    tarfile.TarError,
    zlib.error,
    gzip.BadGzipFile,
    EOFError,
    ValueError,
    ArithmeticError,
    LookupError,
    RecursionError,
)


def unpack(archive: Path, target: Path, *, limits: Limits = LIMITS, origin: str = "The archive") -> Limits:
    """Unpack a tar file, compressed with gzip or not, into a folder; its contents tell which, not its name.

    Files keep the archive's modes and times, but no setuid and the like, and belong to this process. A later entry
    replaces an earlier one of its name, and what the folder held before.

    Args:
        archive: the file.
        target: the folder, which must be there.
        limits: of what may come out.
        origin: names the archive in messages.

    Returns:
        What is left of the limits, for another archive on top of this one.

    Raises:
        PrepareError: SourceInvalid if it is broken, no archive, or reaches out of its folder; SourceTooLarge.
        OSError: for faults that are not the archive's, such as a full disk.
    """
    unpacking = _Unpacking(Tree(target), limits, origin)
    unpacking.run(archive)
    log.info("Unpacked %d entries, %d bytes of files", unpacking.entries, unpacking.size)
    return Limits(limits.size - max(unpacking.size, unpacking.read), limits.entries - unpacking.entries)


class _TarFile(tarfile.TarFile):
    """Python's reader; it keeps what it has read in `members`."""

    members: list[tarfile.TarInfo]


class _Unpacking:
    """One archive on its way into the folder."""

    def __init__(self, tree: Tree, limits: Limits, origin: str) -> None:
        self._tree = tree
        self._limits = limits
        self._origin = origin
        self.entries = 0
        self.size = 0
        self.read = 0

    def run(self, archive: Path) -> None:
        with archive.open("rb") as raw:
            start = raw.read(8)
            raw.seek(0)
            for magic, what in _OTHERS.items():
                if start.startswith(magic):
                    raise self._invalid(what, _FORMAT_HINT)
            stream = Stream(gzip.GzipFile(fileobj=raw) if start.startswith(_GZIP) else raw, self._limits.size)
            try:
                for member, tar in self._members(stream):
                    self._count(member)
                    self._make(member, tar)
                stream.drain()
                self.read = stream.tell()
            except StreamTooLongError:
                raise self._too_large(f"{self._limits.size} bytes") from None
            except _BROKEN as error:
                told = f"is no tar archive, or a broken one: {error or type(error).__name__}"
                raise self._invalid(told, _FORMAT_HINT) from None
        for name, to in self._tree.links_out():
            raise self._invalid(f"holds {name}, which is a symbolic link to {to}, outside of its folder", _REACH_HINT)

    def _members(self, stream: Stream) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
        stream.in_headers()
        with _TarFile(fileobj=stream) as tar:
            while (member := tar.next()) is not None:
                stream.in_contents()
                yield member, tar
                tar.members.clear()
                stream.in_headers()
            stream.check_end()

    def _count(self, member: tarfile.TarInfo) -> None:
        self.entries += 1
        # Sparse files come out larger than they are in the archive.
        self.size += member.size if member.isreg() else 0
        if self.entries > self._limits.entries:
            raise self._too_large(f"{self._limits.entries} files and folders")
        if self.size > self._limits.size:
            raise self._too_large(f"{self._limits.size} bytes")

    def _make(self, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        try:
            if member.isdir():
                self._tree.make_folder(member.name, member.mode)
            elif member.issym():
                self._tree.make_link(member.name, member.linkname)
            elif member.islnk():
                self._tree.make_hard_link(member.name, member.linkname)
            elif member.isreg() and (contents := tar.extractfile(member)) is not None:
                self._tree.make_file(member.name, contents, member.mode, member.mtime)
            else:
                raise RefusedError("is neither a file, a folder nor a link")
        except RefusedError as refused:
            raise self._invalid(f"holds {member.name}, which {refused}", _REACH_HINT) from None
        except OSError as error:
            if error.errno not in IMPOSSIBLE:
                raise
            told = f"holds {member.name}, which cannot be made: {error.strerror}"
            raise self._invalid(told, _REACH_HINT) from None

    def _invalid(self, what: str, hint: str) -> PrepareError:
        return PrepareError(Reason.SOURCE_INVALID, f"{self._origin} {what}.", hint)

    def _too_large(self, limit: str) -> PrepareError:
        message = f"{self._origin} holds more than {limit}, unpacked."
        return PrepareError(Reason.SOURCE_TOO_LARGE, message, "Leave out what the build does not need.")
