"""Whatever an archive is made of, nothing outside of the target is touched."""

import os
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.archive import Limits, unpack
from imagebuild_operator.prepare.result import PrepareError
from tests.unit.prepare.tars import Entry, folder, hard_link, link, tar

LIMITS = Limits(size=200_000, entries=100)
KINDS = [
    *(tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE),
    *(tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, b"V"),
]

# Few names, so that entries meet; "outside" is what stands beside the target, by its absolute name too.
parts = st.sampled_from(["a", "b", "c", "..", ".", "", "outside", "target"])
paths = st.one_of(
    st.lists(parts, min_size=1, max_size=5).map("/".join),
    st.sampled_from(["OUTER/outside", "OUTER/outside/file", "OUTER/target/a", "/"]),
)
entries = st.builds(
    Entry,
    name=paths,
    content=st.sampled_from([b"", b"changed"]),
    kind=st.one_of(st.sampled_from(KINDS[:4]), st.sampled_from(KINDS)),
    to=paths,
    mode=st.integers(0, 0o7777),
)


def state(outer: Path) -> dict[str, tuple[object, ...]]:
    """All there is to know of what lies beside the target, and of the folder around both."""
    found: dict[str, tuple[object, ...]] = {
        ".": ("folder", outer.stat().st_mode, sorted(path.name for path in outer.iterdir()))
    }
    for path in sorted((outer / "outside").rglob("*")):
        about = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (content, about.st_mode, about.st_nlink, about.st_ino, about.st_mtime_ns)
    return found


@given(archives=st.lists(st.lists(entries, max_size=12), min_size=1, max_size=2))
@example([[link("a", ".."), Entry("a/outside/file", b"changed")]])
@example([[folder("a"), link("b", "a/.."), link("c", "b/.."), Entry("c/outside/file", b"changed")]])
@example([[link("a", "OUTER/outside"), Entry("a/file", b"changed")]])
@example([[link("a", "../outside/file"), Entry("a", b"changed")]])
@example([[hard_link("a", "../outside/file"), Entry("a", b"changed")]])
@example([[folder("a/b"), link("c", "a/b/../../.."), folder("c/outside")], [link("a", ".")]])
def test_nothing_is_written_outside(archives: Sequence[Sequence[Entry]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        outer = Path(name) / "outer"
        target, outside = outer / "target", outer / "outside"
        target.mkdir(parents=True)
        outside.mkdir()
        (outside / "file").write_text("as it was")
        (outside / "folder").mkdir()
        before = state(outer)
        for archive in archives:
            file = Path(name) / "archive"
            file.write_bytes(tar([placed(entry, outer) for entry in archive]))
            try:
                unpack(file, target, limits=LIMITS)
            except PrepareError as error:
                assert error.failure.reason in (Reason.SOURCE_INVALID, Reason.SOURCE_TOO_LARGE)
                continue
            finally:
                assert state(outer) == before
            for path in target.rglob("*"):
                assert Path(os.path.realpath(path)).is_relative_to(target.resolve())
                assert path.lstat().st_mode & 0o7000 == 0
        assert {path.name for path in Path(name).iterdir()} == {"archive", "outer"}


def placed(entry: Entry, outer: Path) -> Entry:
    """With the absolute names that are known only now."""
    name, to = (text.replace("OUTER", str(outer)) for text in (entry.name, entry.to))
    return Entry(name, entry.content, entry.kind, to, entry.mode)


@given(content=st.binary(max_size=3000), packed=st.sampled_from([b"", b"\x1f\x8b\x08"]))
def test_no_bytes_raise_anything_else(content: bytes, packed: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        archive, target = Path(name) / "archive", Path(name) / "target"
        archive.write_bytes(packed + content)
        target.mkdir()
        try:
            unpack(archive, target, limits=LIMITS)
        except PrepareError as error:
            assert error.failure.reason == Reason.SOURCE_INVALID


@given(
    archive=st.lists(entries, max_size=4),
    changes=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), min_size=1, max_size=20),
)
def test_no_damage_raises_anything_else(archive: Sequence[Entry], changes: Sequence[tuple[int, int]]) -> None:
    content = bytearray(tar(archive))
    for position, byte in changes:
        content[position % len(content)] = byte
    for start in range(0, len(content) - 511, 512):
        # A header is looked at only if its checksum is right.
        header = content[start : start + 512]
        content[start + 148 : start + 156] = b"%06o\0 " % (256 + sum(header[:148]) + sum(header[156:]))
    with tempfile.TemporaryDirectory() as name:
        file, target = Path(name) / "archive", Path(name) / "outer" / "target"
        file.write_bytes(content)
        target.mkdir(parents=True)
        try:
            unpack(file, target, limits=LIMITS)
        except PrepareError as error:
            assert error.failure.reason in (Reason.SOURCE_INVALID, Reason.SOURCE_TOO_LARGE)
        assert [path.name for path in target.parent.iterdir()] == ["target"]
