"""The Dockerfile of a source that was fetched: read with care, since whoever writes the source writes it, too."""

import stat
from pathlib import Path
from typing import Final

from imagebuild_operator.pod.dockerfile import instructions
from imagebuild_operator.pod.outline import encode, marks_of

DOCKERFILE_BYTES: Final = 1024 * 1024


def text_of(dockerfile: Path) -> str | None:
    """Its text; None where it is not there or no plain file."""
    try:
        status = dockerfile.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > DOCKERFILE_BYTES:
            return None
        return dockerfile.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def outline_of(dockerfile: Path | None) -> str:
    """Its outline (`pod.outline`); empty where it cannot be read, or has too many instructions."""
    text = text_of(dockerfile) if dockerfile is not None else None
    return encode(marks_of(instructions(text))) if text is not None else ""
