"""The bytes of an archive that nobody has looked at: read once, forwards, and never more than is allowed.

`tarfile` believes what headers say. One with a size below zero would make it read the same entry for ever, and one of
gigabytes would be read into memory.
"""

import io
import tarfile
from typing import Final

CHUNK: Final = 1024 * 1024
# All headers of one entry: its names, and extended attributes, of which Linux allows 64 KiB each.
HEADER_BYTES: Final = 256 * 1024


class StreamTooLongError(Exception):
    """There is more in the archive than is allowed."""


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
        self._headers: int | None = None
        self._last_block = b""

    def in_headers(self) -> None:
        """What is read next are the headers of one entry."""
        self._headers = HEADER_BYTES

    def in_contents(self) -> None:
        """What is read next is an entry's contents."""
        self._headers = None

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; less only at the end."""
        if self._headers is not None:
            self._headers -= size
            if size < 0 or self._headers < 0:
                raise tarfile.ReadError(f"an entry with headers of more than {HEADER_BYTES} bytes")
        block = self._contents.read(size)
        self._last_block = block
        self._position += len(block)
        if self._position > self._limit:
            raise StreamTooLongError
        return block

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Read on to a position."""
        if whence != io.SEEK_SET or offset < self._position:
            raise tarfile.ReadError("an entry with a size below zero")
        headers, self._headers = self._headers, None
        while self._position < offset and self.read(min(CHUNK, offset - self._position)):
            pass
        self._headers = headers
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
        self._headers = None
        while self.read(CHUNK):
            pass
