"""Removing what is in the way."""

import os
import subprocess
from pathlib import Path

import pytest

from imagebuild_operator.prepare.folders import empty, remove


def nested(top: Path, depth: int, name: str = "d") -> None:
    """Folders within one another, a file in each; deeper than a path can be long."""
    top.mkdir(parents=True)
    folder = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
        os.mkdir(name, dir_fd=folder)
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)


@pytest.mark.parametrize("name", ["d", "n" * 200])
def test_folders_within_one_another_as_deep_as_git_makes_them(tmp_path: Path, name: str) -> None:
    nested(tmp_path / "context" / "top", 2000, name)
    try:
        empty(tmp_path / "context")
        assert list(tmp_path.rglob("*")) == [tmp_path / "context"]
    finally:
        # What is left of them is more than those who remove the tests' own folders can take.
        subprocess.run(["rm", "-rf", str(tmp_path / "context")], check=True)


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    outside, top = tmp_path / "outside", tmp_path / "top"
    (outside / "folder").mkdir(parents=True)
    (outside / "file").write_text("stays")
    for folder in (top / "a/b", top / "c"):
        folder.mkdir(parents=True)
        (folder / "out").symlink_to(outside)
        (folder / "file").symlink_to(outside / "file")
        (folder / "nowhere").symlink_to("nowhere")
    remove(top)
    assert not top.exists()
    (tmp_path / "link").symlink_to(outside)
    remove(tmp_path / "link")
    assert {path.name for path in tmp_path.rglob("*")} == {"outside", "folder", "file"}


def test_what_is_not_there_is_as_good_as_removed(tmp_path: Path) -> None:
    remove(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []
