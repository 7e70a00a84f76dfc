"""Unpacking archives: what comes out of good ones, and what is said of the others."""

import gzip
import io
import os
import random
import struct
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.prepared import PrepareFailure
from imagebuild_operator.prepare import archive_stream
from imagebuild_operator.prepare.archive import LIMITS, Limits, unpack
from imagebuild_operator.prepare.result import PrepareError
from tests.unit.prepare.tars import TIME, Entry, folder, hard_link, link, tar, tar_gz, tree

ORIGIN = "https://files.example.com/a.tgz"
BLOCK = tarfile.BLOCKSIZE


@dataclass
class Unpacking:
    """A target folder beside something that must stay as it is."""

    base: Path

    @property
    def target(self) -> Path:
        return self.base / "outer" / "target"

    def __call__(self, *entries: Entry, limits: Limits = LIMITS) -> dict[str, str]:
        return self.of(tar(entries), limits=limits)

    def of(self, content: bytes, limits: Limits = LIMITS) -> dict[str, str]:
        archive = self.base / "archive"
        archive.write_bytes(content)
        unpack(archive, self.target, limits=limits, origin=ORIGIN)
        return tree(self.target)

    def failure(self, *entries: Entry, limits: Limits = LIMITS) -> PrepareFailure:
        return self.failure_of(tar(entries), limits=limits)

    def failure_of(self, content: bytes, limits: Limits = LIMITS) -> PrepareFailure:
        with pytest.raises(PrepareError) as caught:
            self.of(content, limits=limits)
        assert {path.name for path in self.target.parent.iterdir()} == {"secret", "target"}
        assert (self.base / "outer" / "secret").read_text() == "keep"
        assert ORIGIN in caught.value.failure.message
        return caught.value.failure


@pytest.fixture
def unpacking(tmp_path: Path) -> Unpacking:
    result = Unpacking(tmp_path)
    result.target.mkdir(parents=True)
    (tmp_path / "outer" / "secret").write_text("keep")
    return result


# What comes out

WEB = (
    folder("web/"),
    Entry("web/Dockerfile", b"FROM scratch\n"),
    Entry("web/bin/run", b"#!/bin/sh\n", mode=0o755),
    link("web/current", "bin/run"),
    hard_link("web/again", "web/Dockerfile"),
)
UNPACKED = {
    "web/": "",
    "web/Dockerfile": "FROM scratch\n",
    "web/again": "FROM scratch\n",
    "web/bin/": "",
    "web/bin/run": "#!/bin/sh\n",
    "web/current": "-> bin/run",
}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_folders_and_links(unpacking: Unpacking, form: int) -> None:
    assert unpacking.of(tar(WEB, form)) == UNPACKED
    again, first = unpacking.target / "web/again", unpacking.target / "web/Dockerfile"
    assert again.stat().st_ino == first.stat().st_ino


def test_contents_and_not_names_tell_whether_it_is_compressed(unpacking: Unpacking) -> None:
    assert unpacking.of(tar_gz(*WEB)) == UNPACKED


def test_a_compressed_archive_of_several_members(unpacking: Unpacking) -> None:
    plain = tar(WEB)
    assert unpacking.of(gzip.compress(plain[:700]) + gzip.compress(plain[700:])) == UNPACKED


@pytest.mark.parametrize("form", ["gnu", "oldgnu", "pax", "posix", "ustar", "v7"])
def test_what_tar_itself_writes(unpacking: Unpacking, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "folder"
    name = "n" * (90 if form in ("ustar", "v7") else 200)
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / name).write_text("long")
    (folder / "link").symlink_to(f"deep/{name}")
    done = subprocess.run(
        ["tar", f"--format={form}", "-C", str(folder), "-cf", "-", "."], capture_output=True, check=True
    )
    assert unpacking.of(done.stdout) == {"deep/": "", f"deep/{name}": "long", "link": f"-> deep/{name}"}


@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0", "gnu"])
def test_sparse_files_come_out_whole(unpacking: Unpacking, tmp_path: Path, version: str) -> None:
    with (tmp_path / "disk").open("wb") as file:
        for position in (8192, 3_000_000):
            file.seek(position)
            file.write(b"data")
        file.truncate(5_000_000)
    options = ["--format=gnu"] if version == "gnu" else ["--format=pax", f"--sparse-version={version}"]
    command = ["tar", "--sparse", *options, "-C", str(tmp_path), "-cf", "-", "disk"]
    packed = subprocess.run(command, capture_output=True, check=True).stdout
    assert len(packed) < 100_000
    unpacking.of(packed)
    assert (unpacking.target / "disk").read_bytes() == (tmp_path / "disk").read_bytes()


def test_the_comment_that_git_archive_writes_is_no_file(unpacking: Unpacking) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", pax_headers={"comment": "0123456789" * 4}) as archive:
        archive.addfile(Entry("web-1.0/Dockerfile").header())
    assert unpacking.of(buffer.getvalue()) == {"web-1.0/": "", "web-1.0/Dockerfile": ""}


def test_names_in_any_script_and_in_none(unpacking: Unpacking) -> None:
    assert unpacking(Entry("grüße/日本", b"x")) == {"grüße/": "", "grüße/日本": "x"}
    latin = Entry("caf\udce9", b"y")
    unpacking.of(tar([latin], tarfile.GNU_FORMAT))
    assert (unpacking.target / os.fsdecode(b"caf\xe9")).read_text() == "y"


def test_modes_without_setuid_and_never_too_strict_to_be_read(unpacking: Unpacking) -> None:
    unpacking(
        Entry("run", mode=0o4755),
        Entry("group", mode=0o2750),
        Entry("none", mode=0),
        folder("closed", 0),
        Entry("closed/file", b"inside", mode=0o444),
        folder("sticky", 0o1777),
    )
    modes = {path.name: path.stat().st_mode & 0o7777 for path in unpacking.target.iterdir()}
    assert modes == {"run": 0o755, "group": 0o750, "none": 0o600, "closed": 0o700, "sticky": 0o777}
    assert (unpacking.target / "closed/file").stat().st_mode & 0o7777 == 0o644


def test_modes_do_not_depend_on_the_umask(unpacking: Unpacking) -> None:
    before = os.umask(0o077)
    try:
        unpacking(Entry("file", mode=0o666), folder("folder", 0o777))
    finally:
        os.umask(before)
    assert (unpacking.target / "file").stat().st_mode & 0o777 == 0o666
    assert (unpacking.target / "folder").stat().st_mode & 0o777 == 0o777


def test_files_keep_their_time_and_not_their_owner(unpacking: Unpacking) -> None:
    unpacking(Entry("file"))
    found = (unpacking.target / "file").stat()
    assert (found.st_mtime, found.st_uid, found.st_gid) == (TIME, os.getuid(), os.getgid())


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((Entry("a", b"1"), Entry("a", b"2")), {"a": "2"}),
        ((Entry("a", b"1"), Entry("./a", b"2")), {"a": "2"}),
        ((Entry("a", b"1"), folder("a")), {"a/": ""}),
        ((Entry("a/b", b"1"), Entry("a", b"2")), {"a": "2"}),
        ((folder("a"), Entry("a/b", b"1"), folder("a")), {"a/": "", "a/b": "1"}),
        ((Entry("a", b"1"), link("l", "a"), Entry("l", b"2")), {"a": "1", "l": "2"}),
        ((Entry("a", b"1"), hard_link("b", "a"), Entry("b", b"2")), {"a": "1", "b": "2"}),
        ((Entry("a", b"1"), hard_link("a", "a")), {"a": "1"}),
        ((folder("a"), link("l", "a"), folder("l")), {"a/": "", "l/": ""}),
        ((folder("."), folder("./"), Entry("./a//b", b"1")), {"a/": "", "a/b": "1"}),
    ],
)
def test_a_later_entry_takes_the_place_of_an_earlier_one(
    unpacking: Unpacking, entries: Sequence[Entry], expected: dict[str, str]
) -> None:
    assert unpacking(*entries) == expected


@pytest.mark.parametrize(
    "entries",
    [
        (link("a/up", "../b"), Entry("b", b"1")),
        (link("dangling", "not/there/yet"),),
        (link("self", "self"),),
        (link("dot", "."),),
        (folder("d"), link("to", "d"), Entry("to/file", b"1"), hard_link("to/other", "d/file")),
        (folder("a/b"), link("a/b/up", "../.."), Entry("a/b/up/top", b"1")),
        (link("early", "late/file"), Entry("late/file", b"1")),
    ],
)
def test_links_that_stay_inside_are_fine(unpacking: Unpacking, entries: Sequence[Entry]) -> None:
    unpacked = unpacking(*entries)
    assert {entry.name for entry in entries if entry.kind == tarfile.SYMTYPE} <= unpacked.keys()


def test_names_through_links_inside_lead_where_the_links_lead(unpacking: Unpacking) -> None:
    assert unpacking(folder("d"), link("to", "d"), Entry("to/file", b"1")) == {"d/": "", "d/file": "1", "to": "-> d"}


def test_what_the_folder_held_before_gives_way(unpacking: Unpacking) -> None:
    (unpacking.target / "Dockerfile").write_text("old")
    (unpacking.target / "other").write_text("stays")
    assert unpacking(Entry("Dockerfile", b"new")) == {"Dockerfile": "new", "other": "stays"}


def test_an_archive_of_nothing(unpacking: Unpacking) -> None:
    assert unpacking() == {}


# What reaches out


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ((Entry("../secret", b"x"),), "../secret"),
        ((Entry("a/../../secret", b"x"),), "a/../../secret"),
        ((Entry("a/..", b"x"),), "a/.."),
        ((folder(".."),), ".."),
        ((Entry("/secret", b"x"),), "/secret"),
        ((folder("/etc"),), "/etc"),
        ((link("../l", "target"),), "../l"),
        ((link("l", "/etc/passwd"),), "/etc/passwd"),
        ((link("l", "../secret"),), "../secret"),
        ((link("a/l", "../../secret"),), "../../secret"),
        ((link("l", ".."), Entry("l/secret", b"x")), "l/secret"),
        ((link("l", ".."), folder("l/new")), "l/new"),
        ((link("l", ".."), link("l/new", "x")), "l/new"),
        ((link("l", "../secret"), hard_link("h", "l/x")), "h"),
        ((hard_link("h", "../secret"),), "../secret"),
        ((hard_link("h", "/etc/passwd"),), "/etc/passwd"),
        ((link("l", "../secret"), hard_link("h", "l")), "../secret"),
        ((hard_link("h", "missing"),), "missing"),
        ((folder("d"), hard_link("h", "d")), "h"),
        # Two links, each of which stays inside as long as the other is not what it becomes.
        ((folder("a/b"), link("l", "a/b/../.."), link("m", "l/.."), Entry("m/secret", b"x")), "m/secret"),
        ((folder("a/b"), link("l", "a/b/../../x"), Entry("a/b", b""), link("a", ".")), "l"),
        ((folder("d/e"), link("l", "d/e"), link("l/up", "../../.."), Entry("l/up/secret", b"x")), "l/up/secret"),
    ],
)
def test_what_reaches_out_is_refused_by_name(unpacking: Unpacking, entries: Sequence[Entry], named: str) -> None:
    failure = unpacking.failure(*entries)
    assert failure.reason == Reason.SOURCE_INVALID
    assert named in failure.message
    assert "tar -C FOLDER" in failure.hint


def test_a_link_is_judged_by_what_it_leads_to_in_the_end(unpacking: Unpacking) -> None:
    entries = [folder("x/d"), link("x/d/up", "../.."), hard_link("up", "x/d/up")]
    assert unpacking(*entries[:2]) == {"x/": "", "x/d/": "", "x/d/up": "-> ../.."}
    failure = unpacking.failure(*entries)
    assert failure.reason == Reason.SOURCE_INVALID
    assert "holds up, which is a symbolic link to ../.., outside" in failure.message


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"V", b"9"])
def test_devices_pipes_and_the_unknown_are_refused(unpacking: Unpacking, kind: bytes) -> None:
    failure = unpacking.failure(Entry("dev/thing", kind=kind))
    assert failure.reason == Reason.SOURCE_INVALID
    assert "dev/thing" in failure.message


@pytest.mark.parametrize(
    "entries",
    [
        (Entry("", b"x"),),
        (Entry("./", b"x"),),
        (link(".", "x"),),
        (Entry("a", b"x"), Entry("a/b", b"x")),
        (Entry("n" * 300, b"x"),),
        (link("l", "l"), Entry("l/file", b"x")),
        (link("l", "nowhere"), Entry("l/file", b"x")),
    ],
)
def test_names_that_cannot_be(unpacking: Unpacking, entries: Sequence[Entry]) -> None:
    assert unpacking.failure(*entries).reason == Reason.SOURCE_INVALID
    assert unpacking.target.is_dir()


# What is broken


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty file"),
        (b"<!DOCTYPE html><title>Log in</title>", "truncated header"),
        (b"x" * 2000, "invalid header"),
        (b"PK\x03\x04" + bytes(100), "is a zip archive"),
        (b"BZh91AY" + bytes(100), "is compressed with bzip2"),
        (b"\xfd7zXZ\x00" + bytes(100), "is compressed with xz"),
        (b"\x28\xb5\x2f\xfd" + bytes(100), "is compressed with zstd"),
        (gzip.compress(b"no archive", mtime=0), "truncated header"),
        (b"\x1f\x8b" + bytes(100), "no tar archive"),
    ],
)
def test_what_is_no_such_archive(unpacking: Unpacking, content: bytes, told: str) -> None:
    failure = unpacking.failure_of(content)
    assert failure.reason == Reason.SOURCE_INVALID
    assert told in failure.message
    assert "tar file, compressed with gzip or not" in failure.hint


LARGE = (Entry("a", b"1" * 3000), Entry("b", b"2" * 3000))


@pytest.mark.parametrize("size", [BLOCK - 1, BLOCK, BLOCK + 100, 7 * BLOCK, 7 * BLOCK + 1, 9 * BLOCK, 14 * BLOCK])
def test_an_archive_that_breaks_off(unpacking: Unpacking, size: int) -> None:
    plain = tar(LARGE)
    assert plain[14 * BLOCK :].strip(b"\0") == b""
    assert unpacking.failure_of(plain[:size]).reason == Reason.SOURCE_INVALID
    assert unpacking.failure_of(gzip.compress(plain[:size])).reason == Reason.SOURCE_INVALID


@pytest.mark.parametrize("lost", [1, 8, 20, 100])
def test_a_compressed_archive_that_breaks_off(unpacking: Unpacking, lost: int) -> None:
    packed = gzip.compress(tar([Entry("a", random.Random(1).randbytes(5000))]))
    assert unpacking.failure_of(packed[:-lost]).reason == Reason.SOURCE_INVALID


def test_a_compressed_archive_with_a_bit_turned(unpacking: Unpacking) -> None:
    packed = bytearray(gzip.compress(tar([Entry("a", random.Random(1).randbytes(5000))])))
    packed[2500] ^= 1
    assert unpacking.failure_of(bytes(packed)).reason == Reason.SOURCE_INVALID


def test_an_archive_with_garbage_between_its_entries(unpacking: Unpacking) -> None:
    first, second = tar(LARGE[:1]), tar(LARGE[1:])
    packed = first[: 7 * BLOCK] + b"x" * BLOCK + second
    failure = unpacking.failure_of(packed)
    assert failure.reason == Reason.SOURCE_INVALID
    assert "breaks off, or goes on with something else" in failure.message


def test_an_entry_of_less_than_nothing_ends_it(unpacking: Unpacking) -> None:
    """Python would read it over and over again."""
    header = bytearray(tar([Entry("b")])[:BLOCK])
    header[124:136] = b"\xff" * 4 + struct.pack(">q", -BLOCK)
    header[148:156] = b"%06o\0 " % (8 * ord(" ") + sum(header[:148]) + sum(header[156:]))
    packed = tar([Entry("a")])[:BLOCK] + header + bytes(2 * BLOCK)
    failure = unpacking.failure_of(packed)
    assert failure.reason == Reason.SOURCE_INVALID
    assert "an entry with a size below zero" in failure.message


# What is too much


def test_more_bytes_than_allowed(unpacking: Unpacking) -> None:
    failure = unpacking.failure(*LARGE, limits=Limits(size=5000))
    assert failure.reason == Reason.SOURCE_TOO_LARGE
    assert "more than 5000 bytes" in failure.message
    assert unpacking(*LARGE, limits=Limits(size=20_000)).keys() == {"a", "b"}


def test_more_entries_than_allowed(unpacking: Unpacking) -> None:
    entries = [folder("d"), Entry("d/a"), link("d/b", "a")]
    failure = unpacking.failure(*entries, limits=Limits(entries=2))
    assert failure.reason == Reason.SOURCE_TOO_LARGE
    assert "more than 2 files and folders" in failure.message
    assert unpacking(*entries, limits=Limits(entries=3)).keys() == {"d/", "d/a", "d/b"}


def test_a_bomb_stops_at_the_limit(unpacking: Unpacking) -> None:
    bomb = gzip.compress(tar([Entry("zeros", bytes(20_000_000))]))
    assert len(bomb) < 40_000
    failure = unpacking.failure_of(bomb, limits=Limits(size=1_000_000))
    assert failure.reason == Reason.SOURCE_TOO_LARGE
    assert not (unpacking.target / "zeros").exists()


def test_a_bomb_behind_the_archives_end(unpacking: Unpacking) -> None:
    packed = gzip.compress(tar([Entry("a")]) + bytes(20_000_000))
    assert unpacking.failure_of(packed, limits=Limits(size=1_000_000)).reason == Reason.SOURCE_TOO_LARGE


def test_a_sparse_file_counts_with_its_holes(unpacking: Unpacking, tmp_path: Path) -> None:
    with (tmp_path / "disk").open("wb") as file:
        file.truncate(50_000_000)
    command = ["tar", "--sparse", "-C", str(tmp_path), "-cf", "-", "disk"]
    packed = subprocess.run(command, capture_output=True, check=True).stdout
    assert unpacking.failure_of(packed, limits=Limits(size=1_000_000)).reason == Reason.SOURCE_TOO_LARGE


def test_headers_are_no_way_to_fill_the_memory(unpacking: Unpacking) -> None:
    header = Entry("x").header()
    header.pax_headers = {"comment": "c" * 10_000_000}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(header)
    failure = unpacking.failure_of(gzip.compress(buffer.getvalue()))
    assert failure.reason == Reason.SOURCE_INVALID
    assert "headers of more than 65536 bytes" in failure.message


def extended(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """An extended header as it stands in an archive, whatever is in it."""
    header = tarfile.TarInfo("extended")
    header.type, header.size = kind, len(records)
    return header.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % BLOCK)


def record(keyword: str, value: str) -> bytes:
    rest = f" {keyword}={value}\n".encode()
    size = len(rest) + 1
    while len(rest) + len(str(size)) != size:
        size += 1
    return str(size).encode() + rest


PATH = record("path", "other")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE])
@pytest.mark.parametrize(
    "records",
    [
        # Overlapping: Python would keep 20 000 keywords, each of them up to the last "=".
        b"2 " * 20_000 + b"=",
        b"9" * 60_000,
        PATH[:-1],
        PATH[:-1] + b"x",
        PATH + b"\0\0x",
        b"0" + b" path=other\n",
        b"13 path+other\n",
        b"9 =other\n",
        b"999999 path=other\n",
    ],
)
def test_extended_headers_that_are_none(unpacking: Unpacking, records: bytes, kind: bytes) -> None:
    failure = unpacking.failure_of(extended(records, kind) + tar([Entry("a")]))
    assert failure.reason == Reason.SOURCE_INVALID
    assert "an extended header that is broken" in failure.message


def test_extended_headers_as_they_should_be(unpacking: Unpacking) -> None:
    headers = extended(PATH + record("SCHILY.xattr.user.x", "=\n\0 5 a=b\n") + record("LIBARCHIVE.xattr.y", "1" * 500))
    assert unpacking.of(headers + tar([Entry("a")])) == {"other": ""}
    # The letter that stands where a header has its kind is that of an extended header.
    name = "n" * 156 + "x" + "n" * 50
    assert unpacking.of(tar([Entry(name), link("l", name)], tarfile.GNU_FORMAT)).keys() == {"other", name, "l"}


def test_numbers_that_take_long_to_search(unpacking: Unpacking) -> None:
    headers = extended(record("comment", "1" * 5500)) + tar([Entry("a")])[:BLOCK]
    assert unpacking.of(headers * 3 + bytes(2 * BLOCK)) == {"a": ""}
    failure = unpacking.failure_of(headers * 4 + bytes(2 * BLOCK))
    assert failure.reason == Reason.SOURCE_INVALID
    assert "more in them than any archive needs" in failure.message


def test_records_for_all_entries_are_few(unpacking: Unpacking) -> None:
    """Each entry would go through all of them."""
    headers = extended(record("comment", "c" * 1000), tarfile.XGLTYPE) + tar([Entry("a")])[:BLOCK]
    assert unpacking.of(headers * 4 + bytes(2 * BLOCK)) == {"a": ""}
    assert "than any archive needs" in unpacking.failure_of(headers * 5 + bytes(2 * BLOCK)).message


def test_extended_headers_of_all_entries_have_a_bound(unpacking: Unpacking, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = extended(record("comment", "c" * 1000)) + tar([Entry("a")])[:BLOCK]
    assert unpacking.of(headers * 5 + bytes(2 * BLOCK)) == {"a": ""}
    monkeypatch.setattr(archive_stream, "EXTENDED_BYTES", 4500)
    assert "than any archive needs" in unpacking.failure_of(headers * 5 + bytes(2 * BLOCK)).message


@pytest.mark.parametrize(
    "entries",
    [
        (Entry("d/" * 201 + "file"),),
        (folder("d/" * 1500),),
        (folder("d/" * 150), link("l", "d/" * 149 + "d"), Entry("l/" + "d/" * 51 + "file")),
    ],
)
def test_folders_deeper_than_any_context(unpacking: Unpacking, entries: Sequence[Entry]) -> None:
    failure = unpacking.failure(*entries)
    assert failure.reason == Reason.SOURCE_INVALID
    assert "is in more than 200 folders within one another" in failure.message


def test_folders_as_deep_as_may_be(unpacking: Unpacking) -> None:
    assert len(unpacking(Entry("d/" * 200 + "file"))) == 201


def test_what_is_left_of_the_limits(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    content = tar([Entry("a", b"1" * 3000), Entry("b")])
    (tmp_path / "archive").write_bytes(content)
    left = unpack(tmp_path / "archive", tmp_path / "target", limits=Limits(size=100_000, entries=10))
    assert left == Limits(size=100_000 - len(content), entries=8)


def test_memory_does_not_depend_on_what_is_in_it(tmp_path: Path) -> None:
    """40 MB in one file, and 40 000 entries, in a process of its own."""
    archive = tmp_path / "archive"
    archive.write_bytes(gzip.compress(tar([Entry("large", bytes(40_000_000)), *[folder("d")] * 40_000]), 1))
    (tmp_path / "target").mkdir()
    code = (
        "import sys; from pathlib import Path; from imagebuild_operator.prepare.archive import unpack\n"
        "def peak():\n"
        "    lines = Path('/proc/self/status').read_text().splitlines()\n"
        "    return int(next(line.split()[1] for line in lines if line.startswith('VmHWM')))\n"
        "before = peak()\n"
        "unpack(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "print(peak() - before)"
    )
    command = [sys.executable, "-c", code, str(archive), str(tmp_path / "target")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 12 * 1024
