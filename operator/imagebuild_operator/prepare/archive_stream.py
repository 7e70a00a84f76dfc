"""The bytes of an archive that nobody has looked at: read once, forwards, and never more than is allowed.

`tarfile` believes what headers say. One with a size below zero would make it read the same entry for ever, and one of
gigabytes would be read into memory. It also takes time and memory that grow with the square of what extended headers
(the pax format of POSIX) hold, where that is made for it (CVE-2024-6232), so these are looked at before it sees them.
"""

import io
import re
import tarfile
from typing import Final

CHUNK: Final = 1024 * 1024
# All headers of one entry: its names, of 4 KiB each, and its extended attributes.
HEADER_BYTES: Final = 64 * 1024
# Records of all extended headers; those that tar writes have about 100 bytes an entry.
EXTENDED_BYTES: Final = 128 * 1024 * 1024
# Records for all entries that follow, which are gone through again for each of them; git writes one of 52 bytes.
GLOBAL_BYTES: Final = 4 * 1024
# Searching digits takes `tarfile` about a nanosecond for each pair of them in one number: so many in an archive.
DIGIT_PAIRS: Final = 100_000_000
_LONG_NUMBER: Final = re.compile(rb"\d{33,}")
_LENGTH: Final = re.compile(rb"(\d{1,6}) ")
# Where a header says what it is, and the kinds that only go before another header.
_KIND: Final = slice(156, 157)
_EXTENDED: Final = frozenset({tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE})
_BEFORE_ANOTHER: Final = _EXTENDED | {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}


class StreamTooLongError(Exception):
    """There is more in the archive than is allowed."""


class _Headers:
    """The headers of an archive, block by block as `tarfile` reads them, one entry after the other."""

    def __init__(self) -> None:
        self._left = 0
        # The kind of the header whose contents are read next; None where a header is next, empty after the entry's own.
        self._kind: bytes | None = None
        self._extended = EXTENDED_BYTES
        self._global = GLOBAL_BYTES
        self._pairs = DIGIT_PAIRS

    def begin(self) -> None:
        """Those of the next entry follow."""
        self._left = HEADER_BYTES
        self._kind = None

    def allow(self, size: int) -> None:
        """So many bytes are about to be read."""
        self._left -= size
        if size < 0 or self._left < 0:
            raise tarfile.ReadError(f"an entry with headers of more than {HEADER_BYTES} bytes")

    def check(self, block: bytes) -> None:
        """These were read."""
        if self._kind is None:
            # Less than a whole one is the last byte of the entry before, or the end.
            if len(block) == tarfile.BLOCKSIZE:
                kind = block[_KIND]
                self._kind = kind if kind in _BEFORE_ANOTHER else b""
        elif self._kind:
            if self._kind in _EXTENDED:
                self._check_extended(block, self._kind)
            self._kind = None

    def _check_extended(self, block: bytes, kind: bytes) -> None:
        size = _records(block)
        self._extended -= size
        self._global -= size if kind == tarfile.XGLTYPE else 0
        self._pairs -= sum(len(number) ** 2 for number in _LONG_NUMBER.findall(block))
        if min(self._extended, self._global, self._pairs) < 0:
            raise tarfile.ReadError("extended headers with more in them than any archive needs")


def _records(block: bytes) -> int:
    """The size of the records in an extended header: each its length, a space, a keyword, "=", a value, a line break.

    `tarfile` would read records whose lengths make them overlap, each of them up to the end.
    """
    position = 0
    while length := _LENGTH.match(block, position):
        end = position + int(length[1])
        if block.find(b"=", length.end(), end - 1) <= length.end() or block[end - 1 : end] != b"\n":
            break
        position = end
    if block[position:].strip(b"\0"):
        raise tarfile.ReadError("an extended header that is broken")
    return position


class Stream(io.RawIOBase):
    """An archive's bytes, decompressed, in the shape that `tarfile` reads from.

    What is wrong with them is raised as `tarfile.ReadError`, besides what decompressing raises.
    """

    def __init__(self, contents: io.BufferedIOBase, limit: int) -> None:
        """Args: the bytes, and how many of them may be read."""
        super().__init__()
        self._contents = contents
        self._limit = limit
        self._position = 0
        self._headers = _Headers()
        self._is_header = False
        self._last_block = b""

    def in_headers(self) -> None:
        """What is read next are the headers of one entry."""
        self._headers.begin()
        self._is_header = True

    def in_contents(self) -> None:
        """What is read next is an entry's contents."""
        self._is_header = False

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; less only at the end."""
        if self._is_header:
            self._headers.allow(size)
        block = self._contents.read(size)
        self._last_block = block
        self._position += len(block)
        if self._position > self._limit:
            raise StreamTooLongError
        if self._is_header:
            self._headers.check(block)
        return block

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Read on to a position."""
        if whence != io.SEEK_SET or offset < self._position:
            raise tarfile.ReadError("an entry with a size below zero")
        is_header, self._is_header = self._is_header, False
        while self._position < offset and self.read(min(CHUNK, offset - self._position)):
            pass
        self._is_header = is_header
        return self._position

    def tell(self) -> int:
        """Bytes that were read."""
        return self._position

    def check_end(self) -> None:
        """Make sure that `tarfile` stopped at the block of zeros that ends each archive.

        It stops without a word wherever the next header is cut off, or none at all.
        """
        if self._last_block != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it breaks off, or goes on with something else, after an entry")

    def drain(self) -> None:
        """Read what follows the end: only there the compressed form has its checksum."""
        self._is_header = False
        while self.read(CHUNK):
            pass
