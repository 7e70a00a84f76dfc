"""Where the instructions of a Dockerfile start, read as the executor's parser reads them.

That is BuildKit's (frontend/dockerfile/parser/parser.go): a line goes on after its escape character, comments and
empty lines in between do not count, and a here-document belongs to the instruction before it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_DIRECTIVE: Final = re.compile(r"#[ \t]*([a-z][a-z0-9]*)[ \t]*=[ \t]*(\S.*)$", re.IGNORECASE)
_DIRECTIVES: Final = frozenset({"escape", "syntax", "check"})
_CONTINUES: Final = {
    escape: re.compile(rf"(?:^|(?<=[^{escape}])){escape}[ \t]*$") for escape in (re.escape("\\"), re.escape("`"))
}
_TAKES_HEREDOC: Final = re.compile(r"(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s", re.IGNORECASE)
_WORD: Final = re.compile(r"""(?:(?<!<)<<-?[ \t]+(?=\S)|[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""")
_HEREDOC: Final = re.compile(r"[0-9]*<<(-?)\s*([^<\s][^<]*)$")


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        line: that it starts on, from 1.
        text: its lines joined, as the executor logs them; without here-documents.
    """

    line: int
    text: str


def instructions(dockerfile: str) -> tuple[Instruction, ...]:
    """All of them, in order. Never raises: of what no parser would take, something is told all the same."""
    lines = [line.rstrip("\r") for line in dockerfile.removeprefix("\ufeff").split("\n")]
    continues = _CONTINUES[_escape(lines)]
    found: list[Instruction] = []
    index = 0
    while index < len(lines):
        start = index
        text, index = _joined(lines, start, continues)
        text = text.strip()
        if not text:
            continue
        for name, chomped in _heredocs(text):
            index = _after_heredoc(lines, index, name, chomped=chomped)
        found.append(Instruction(start + 1, text))
    return tuple(found)


def _escape(lines: list[str]) -> str:
    """The pattern of the escape character: a directive above everything else may change it."""
    for line in lines:
        directive = _DIRECTIVE.match(line.strip())
        if directive is None or directive[1].lower() not in _DIRECTIVES:
            break
        if directive[1].lower() == "escape" and directive[2].strip() == "`":
            return re.escape("`")
    return re.escape("\\")


def _joined(lines: list[str], start: int, continues: re.Pattern[str]) -> tuple[str, int]:
    """The instruction that starts on a line, empty for a comment, and the index of the line after it."""
    first = lines[start].lstrip()
    if first.startswith("#"):
        return "", start + 1
    parts, index = [], start
    while index < len(lines):
        line = first if index == start else lines[index]
        index += 1
        if index > start + 1 and (not line.strip() or line.lstrip().startswith("#")):
            continue
        end = continues.search(line)
        parts.append(line[: end.start()] if end else line)
        if end is None:
            break
    return "".join(parts), index


def _heredocs(text: str) -> Iterator[tuple[str, bool]]:
    """The words that end an instruction's here-documents, and whether tabs may stand before them."""
    found = _TAKES_HEREDOC.match(text) if "<<" in text else None
    if found is None or _is_json(text[found.end() :]):
        return
    for word in _WORD.findall(text, found.end()):
        heredoc = _HEREDOC.match(word)
        if heredoc:
            yield re.sub(r"""["'\\]""", "", heredoc[2]), bool(heredoc[1])


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False


def _after_heredoc(lines: list[str], index: int, name: str, *, chomped: bool) -> int:
    while index < len(lines):
        line = lines[index].lstrip("\t") if chomped else lines[index]
        index += 1
        if line == name:
            break
    return index
