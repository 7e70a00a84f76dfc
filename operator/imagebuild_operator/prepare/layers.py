"""Puts the layers of an image on top of one another, as their whiteouts say (OCI image specification, layer.md)."""

from pathlib import Path
from typing import Final

from imagebuild_operator.prepare.folders import is_folder, remove

# A file of this name hides all that lower layers have beside it; one whose name only begins so hides the lower file or
# folder of the rest of its name.
OPAQUE: Final = ".wh..wh..opq"
WHITEOUT: Final = ".wh."


def apply_layer(layer: Path, target: Path) -> None:
    """Move what an unpacked layer holds on top of the layers below it; the layer's own folder goes.

    Symbolic links are never followed.

    Args:
        layer: the unpacked layer: a folder directly inside the target, so that files are renamed and not copied.
        target: what the layers below came to.
    """
    entries = sorted(layer.iterdir())
    whiteouts = [entry for entry in entries if entry.name.startswith(WHITEOUT)]
    if layer / OPAQUE in whiteouts:
        for hidden in target.iterdir():
            if hidden != layer:
                remove(hidden)
    for whiteout in whiteouts:
        hidden_name = whiteout.name.removeprefix(WHITEOUT)
        # "." and "..", which no layer needs, would name folders that are not the layer's.
        if hidden_name not in ("", ".", "..") and whiteout.name != OPAQUE:
            remove(target / hidden_name)
        remove(whiteout)
    for entry in entries:
        if entry not in whiteouts:
            _put(entry, target / entry.name)
    layer.rmdir()


def _put(entry: Path, place: Path) -> None:
    if is_folder(entry) and is_folder(place):
        place.chmod(entry.stat().st_mode & 0o777)
        apply_layer(entry, place)
        return
    remove(place)
    entry.rename(place)
    if is_folder(place):
        _drop_whiteouts(place)


def _drop_whiteouts(folder: Path) -> None:
    """Whiteouts in a folder that no lower layer has hide nothing."""
    for entry in folder.iterdir():
        if entry.name.startswith(WHITEOUT):
            remove(entry)
        elif is_folder(entry):
            _drop_whiteouts(entry)
