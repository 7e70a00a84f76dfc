"""Layers on top of one another: what whiteouts hide, and what takes whose place."""

from pathlib import Path

import pytest

from imagebuild_operator.prepare.layers import apply_layer


def written(folder: Path, *files: str) -> Path:
    """A folder with these files, each holding the folder's name; a name that ends with a slash is an empty folder."""
    folder.mkdir(exist_ok=True)
    for file in files:
        path = folder / file
        if file.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(folder.name)
    return folder


def content(folder: Path) -> set[str]:
    """Files with what they hold, and folders with nothing in them."""
    found = set()
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_file():
            found.add(f"{name}={path.read_text()}")
        elif not any(path.iterdir()):
            found.add(f"{name}/")
    return found


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        ([], ["a", "b/c"], {"a=upper", "b/c=upper"}),
        (["a", "b/c"], [], {"a=lower", "b/c=lower"}),
        (["a", "b/c"], ["a", "b/d"], {"a=upper", "b/c=lower", "b/d=upper"}),
        (["a", "b/c"], [".wh.a"], {"b/c=lower"}),
        (["a", "b/c", "b/d/e"], ["b/.wh.d"], {"a=lower", "b/c=lower"}),
        (["a", "b/c"], [".wh.b"], {"a=lower"}),
        (["a", "b/c", "b/d"], ["b/.wh..wh..opq", "b/d"], {"a=lower", "b/d=upper"}),
        (["a", "b/c"], [".wh..wh..opq", "d"], {"d=upper"}),
        # A layer's own files are not hidden by its own whiteouts.
        (["a"], [".wh.a", "a"], {"a=upper"}),
        # One kind of thing in the place of another.
        (["a/b"], ["a"], {"a=upper"}),
        (["a"], ["a/b"], {"a/b=upper"}),
        (["a"], ["a/"], {"a/"}),
        # Nothing below to hide.
        (["a"], ["b/.wh.c", "b/d/.wh..wh..opq", "b/d/e", ".wh.nothing"], {"a=lower", "b/d/e=upper"}),
        (["a"], [".wh..", ".wh...", ".wh."], {"a=lower"}),
    ],
)
def test_a_layer_over_another(tmp_path: Path, lower: list[str], upper: list[str], expected: set[str]) -> None:
    target = written(tmp_path / "lower", *lower)
    layer = written(tmp_path / "upper", *upper).rename(target / ".layer")
    apply_layer(layer, target)
    assert content(target) == expected


def test_the_upper_folders_mode_counts(tmp_path: Path) -> None:
    target, layer = written(tmp_path / "lower", "a/b"), written(tmp_path / "upper", "a/")
    (layer / "a").chmod(0o711)
    apply_layer(layer.rename(target / ".layer"), target)
    assert (target / "a").stat().st_mode & 0o777 == 0o711
    assert (target / "a/b").exists()


def test_links_are_replaced_and_removed_never_followed(tmp_path: Path) -> None:
    outside = written(tmp_path / "outside", "kept")
    target, layer = written(tmp_path / "lower"), written(tmp_path / "upper", "a/kept", ".wh.b", "c/.wh.kept")
    for name in ("a", "b", "c"):
        (target / name).symlink_to(outside)
    apply_layer(layer.rename(target / ".layer"), target)
    assert content(outside) == {"kept=outside"}
    assert content(target) == {"a/kept=upper", "c/"}
