"""Tar files to unpack, good and bad ones, entry by entry."""

import gzip
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TIME = 1_600_000_000


@dataclass(frozen=True)
class Entry:
    """One entry, of any name and kind; `to` is what a link leads to."""

    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    to: str = ""
    mode: int = 0o644

    def header(self) -> tarfile.TarInfo:
        header = tarfile.TarInfo(self.name)
        header.type, header.linkname, header.mode = self.kind, self.to, self.mode
        header.size, header.mtime, header.uid, header.gid = len(self.content), TIME, 4711, 4711
        return header


def folder(name: str, mode: int = 0o755) -> Entry:
    return Entry(name, kind=tarfile.DIRTYPE, mode=mode)


def link(name: str, to: str) -> Entry:
    return Entry(name, kind=tarfile.SYMTYPE, to=to, mode=0o777)


def hard_link(name: str, to: str) -> Entry:
    return Entry(name, kind=tarfile.LNKTYPE, to=to)


def tar(entries: Sequence[Entry], form: int = tarfile.PAX_FORMAT) -> bytes:
    """The archive's bytes, uncompressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for entry in entries:
            archive.addfile(entry.header(), io.BytesIO(entry.content))
    return buffer.getvalue()


def tar_gz(*entries: Entry) -> bytes:
    """The archive's bytes, compressed."""
    return gzip.compress(tar(entries), mtime=0)


def tree(root: Path) -> dict[str, str]:
    """What a folder holds: files with their text, links with `-> ` and what they lead to, folders with a slash."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[f"{name}/"] = ""
        else:
            found[name] = path.read_text(errors="replace")
    return found
