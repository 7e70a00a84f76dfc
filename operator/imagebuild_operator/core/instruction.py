"""Which instruction of the Dockerfile was at work when a build failed, and on which line it stands.

The log tells how far the executor came, the outline of the Dockerfile has the lines. Whatever does not fit together is
left open: a wrong line is worse than none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from imagebuild_operator.core.executor_errors import BUILDING, LOOKING_FOR_FILES, OPTIMIZING, PARSING, STAGE
from imagebuild_operator.core.executor_log import ended_by_step, last_words, messages
from imagebuild_operator.core.progress import Progress
from imagebuild_operator.pod.outline import Kind, Mark, key_of

_UNREADABLE: Final = re.compile(rf"{PARSING}dockerfile parse error on line ([1-9][0-9]{{0,6}}): ")
_AT_WORK: Final = re.compile(
    rf"{STAGE}failed to (?:execute command|take snapshot|save layer|save snapshot to image|hash composite key): "
)
_FILES: Final = re.compile(
    rf"{STAGE}({OPTIMIZING})?{LOOKING_FOR_FILES}(?:failed to get [^/]{{0,40}}(?:/\S*)?: l?stat (\S+): )?"
)
_UNPACKING: Final = f"{STAGE}failed to get filesystem from image: "


@dataclass(frozen=True)
class Place:
    """Where it failed; empty and None where that is not known."""

    instruction: str = ""
    line: int | None = None


NOWHERE: Final = Place()


def place(log: str, exit_code: int | None, marks: Sequence[Mark], dockerfile: str | None = None) -> Place:
    """Where a build failed, as far as its log and the outline of its Dockerfile prove it.

    Args:
        log: of the executor, plain.
        exit_code: that it ended with.
        marks: the outline; empty where the Dockerfile is not known.
        dockerfile: the whole of it, where that is known.
    """
    progress = Progress()
    progress.read(messages(log))
    words = last_words(log, exit_code)
    if ended_by_step(words):
        progress.back_to_command()
    if marks:
        progress.keep_known({mark.key for mark in marks})
    if not words.startswith(BUILDING):
        # Killed in the middle of it, unless what it said last is that something else went wrong.
        return NOWHERE if progress.over or words.startswith("error ") else _at_work(progress, marks)
    if unreadable := _UNREADABLE.match(words):
        started = progress.base is not None or progress.done
        return NOWHERE if started else _unreadable(int(unreadable[1]), dockerfile)
    if _AT_WORK.match(words):
        return _at_work(progress, marks)
    if files := _FILES.match(words):
        before_all = bool(files[1])
        return _following(progress, marks, before_all=before_all) or _taking(files[2] or "", progress, marks)
    if words.startswith(_UNPACKING):
        return _base(progress.base, marks)
    if progress.base is None and not progress.done and progress.wanted and "last error: " in words:
        return _base(progress.wanted, marks)
    return NOWHERE


def _at(progress: Progress, mark: Mark) -> Place:
    """The place of an instruction; its text may stand in the log where the outline has none."""
    return Place(mark.text or progress.mentioned.get(mark.key, ""), mark.line)


def _unreadable(line: int, dockerfile: str | None) -> Place:
    """The parser's own word; lines are those that end with a line feed."""
    lines = (dockerfile or "").split("\n")
    return Place(lines[line - 1].strip() if line <= len(lines) else "", line)


def _at_work(progress: Progress, marks: Sequence[Mark]) -> Place:
    if not progress.done:
        return NOWHERE
    mark = _only([marks[index] for index in _standing(progress, marks)])
    return Place(progress.done[-1], mark.line if mark else None)


def _standing(progress: Progress, marks: Sequence[Mark]) -> list[int]:
    """Where in the outline the last instruction of the log may stand; nowhere if the base image brought it.

    The same instruction may stand there several times. Then the stage has to have gone as the log tells, and from the
    base image that it names.
    """
    keys = [key_of(text) for text in progress.own]
    if not keys:
        return []
    found = [index for index, mark in enumerate(marks) if mark.key == keys[-1] and mark.kind is not Kind.START]
    found = [index for index in found if marks[index].stage >= 0]
    if len(found) < 2:
        return found
    gone = [index for index in found if _went(marks, index, keys)]
    return [index for index in gone if _is_from(marks, marks[index].stage, progress.base)]


def _went(marks: Sequence[Mark], index: int, keys: list[str]) -> bool:
    stage = marks[index].stage
    return keys == [mark.key for mark in marks[: index + 1] if mark.stage == stage and mark.kind is not Kind.START]


def _is_from(marks: Sequence[Mark], stage: int, base: str | None) -> bool:
    starts = [mark for mark in marks if mark.kind is Kind.START and mark.stage == stage]
    return base is not None and any(start.key in ("", key_of(base)) for start in starts)


def _following(progress: Progress, marks: Sequence[Mark], *, before_all: bool) -> Place | None:
    """The instruction after the last one of the log: files are looked for before an instruction is logged.

    With a cache that is done for the whole stage before anything is logged.
    """
    if before_all or progress.base is None or len(progress.done) < progress.triggers:
        return None
    if progress.own:
        before = _standing(progress, marks)
    else:
        starts = [index for index, mark in enumerate(marks) if mark.kind is Kind.START]
        before = [index for index in starts if _is_from(marks, marks[index].stage, progress.base)]
    following = [*marks, None]
    mark = _only([following[index + 1] for index in before])
    return _at(progress, mark) if mark is not None and mark.kind is Kind.COPY else None


def _taking(path: str, progress: Progress, marks: Sequence[Mark]) -> Place:
    """The one instruction of a stage just begun that can have wanted a file of the context."""
    if progress.triggers or progress.own:
        return NOWHERE
    copies = [mark for mark in marks if mark.kind is Kind.COPY and _is_from(marks, mark.stage, progress.base)]
    mark = _only([mark for mark in copies if _may_take(mark.text, path)])
    return _at(progress, mark) if mark is not None else NOWHERE


def _may_take(text: str, path: str) -> bool:
    """Whether an instruction names a file of the context, or may; one whose text is not known may."""
    names = [word.strip('[]",').removeprefix("./").strip("/") for word in text.split()[1:]]
    return not names or "$" in text or any(name and path.endswith(f"/{name}") for name in names)


def _base(name: str | None, marks: Sequence[Mark]) -> Place:
    """The FROM that names an image: the first of several, since the others would not have been come to."""
    if not name:
        return NOWHERE
    starts = [mark for mark in marks if mark.kind is Kind.START]
    mark = next((mark for mark in starts if mark.key == key_of(name)), None)
    if mark is None:
        taken = [mark for mark in marks if mark.kind is Kind.COPY_FROM]
        # With variables replaced it may be any FROM that has some, if nothing else takes from an image.
        mark = _only([mark for mark in taken if _takes_from(mark, name)]) if taken else _only_variable(starts)
    return Place(mark.text or (f"FROM {name}" if mark.key else ""), mark.line) if mark else NOWHERE


def _takes_from(mark: Mark, name: str) -> bool:
    return f"--from={name}" in mark.text.split()


def _only_variable(starts: Sequence[Mark]) -> Mark | None:
    return _only([mark for mark in starts if not mark.key])


def _only(marks: Sequence[Mark | None]) -> Mark | None:
    return marks[0] if len(marks) == 1 else None
