"""A Dockerfile in a few bytes: the lines of its instructions, each with a hash that tells which one it is.

The init container has the Dockerfile, and the operator has the log that names the instruction at work. The outline
travels from one to the other in the termination message, a word for each instruction: `12:k3fA9` stands on line 12.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from imagebuild_operator.pod.dockerfile import Instruction

OUTLINE_LIMIT: Final = 3600
_HASH_LENGTH: Final = 5
_MARK: Final = re.compile(rf"([1-9][0-9]{{0,6}})([:+*/])([\w-]{{{_HASH_LENGTH}}})?", re.ASCII)
_FROM: Final = re.compile(r"FROM\s+(?:--\S+\s+)*(\S+)", re.IGNORECASE)
_COPY: Final = re.compile(r"(?:COPY|ADD)\s+(?:--(?!from=)\S+\s+)*(--from=)?", re.IGNORECASE)
# The executor leaves it out without a word about where.
_IGNORED: Final = re.compile(r"MAINTAINER\b", re.IGNORECASE)


class Kind(StrEnum):
    """What an instruction is, as far as it matters for finding it in a log."""

    START = "/"
    COPY = "+"
    COPY_FROM = "*"
    OTHER = ":"


@dataclass(frozen=True)
class Mark:
    """What an outline says of one instruction.

    Attributes:
        line: that it starts on, from 1.
        stage: that it belongs to, from 0; -1 before the first FROM.
        kind: what it is.
        key: `key_of` its text, or of the image that a FROM names; empty for a FROM with variables.
        text: the instruction itself, where it is known.
    """

    line: int
    stage: int
    kind: Kind
    key: str
    text: str = ""


def key_of(text: str) -> str:
    """A short hash of an instruction, whatever blanks stand in it: 30 bits."""
    digest = hashlib.sha256(" ".join(text.split()).encode(errors="replace")).digest()
    return base64.urlsafe_b64encode(digest).decode()[:_HASH_LENGTH]


def marks_of(instructions: Sequence[Instruction]) -> tuple[Mark, ...]:
    """The outline of a Dockerfile that is at hand."""
    marks: list[Mark] = []
    stage = -1
    for instruction in instructions:
        text = instruction.text
        if _IGNORED.match(text):
            continue
        kind, key = Kind.OTHER, key_of(text)
        if base := _FROM.match(text):
            kind, key = Kind.START, "" if "$" in base[1] else key_of(base[1])
            stage += 1
        elif copied := _COPY.match(text):
            kind = Kind.COPY_FROM if copied[1] else Kind.COPY
        marks.append(Mark(instruction.line, stage, kind, key, text))
    return tuple(marks)


def encode(marks: Sequence[Mark]) -> str:
    """The outline as one ASCII text; empty where it would be longer than what is ever accepted."""
    text = " ".join(f"{mark.line}{mark.kind.value}{mark.key}" for mark in marks)
    return text if len(text) <= OUTLINE_LIMIT else ""


def decode(text: str) -> tuple[Mark, ...]:
    """The outline again; empty for anything that is none. Nothing is raised."""
    marks: list[Mark] = []
    stage = -1
    for word in text.split() if len(text) <= OUTLINE_LIMIT else ():
        found = _MARK.fullmatch(word)
        if found is None:
            return ()
        kind = Kind(found[2])
        stage += kind is Kind.START
        marks.append(Mark(int(found[1]), stage, kind, found[3] or ""))
    return tuple(marks)
