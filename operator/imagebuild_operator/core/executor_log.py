"""The executor's log: what it said itself among what the steps printed.

Steps may print anything, and the same words as the executor. What tells them apart is what only the executor does:
it ends with one plain line of its own, after everything else (kaniko, cmd/executor/cmd/root.go), and logs its progress
in one of three formats (pkg/logging/logging.go).
"""

import json
import re
from collections.abc import Iterator
from typing import Final

from imagebuild_operator.core.executor_errors import BUILDING, STAGE, STEP_ENDED, STEP_STARTING

# ECMA-48: control sequences, strings such as titles and links, and other two-character escapes. A step may be killed
# in the middle of one: none goes on in another line, or takes in what the executor says of that.
_ESCAPES: Final = re.compile(
    rf"\x1b(?:\[[0-?]*[ -/]*(?!{BUILDING})[@-~]|\](?:(?!{BUILDING})[^\x07\x1b\r\n])*(?:\x07|\x1b\\)?"
    rf"|\[[0-?]*[ -/]*|[ -/]?(?!{BUILDING})[0-~])"
)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd\ud800-\udfff]+")

_OWN_WORDS: Final = ("error ", "Error: ", "fatal: ", "kaniko should only be run inside of a container")
# A step that fails without having ended its line leaves the executor's words in the middle of it.
_STAGE_FAILED: Final = f"{STAGE}failed to "
_USAGE: Final = "\nUsage:\n  executor "
# What cobra prints after that: headings, flags and the lines they go on in.
_USAGE_LINE: Final = re.compile(
    r"(?:[ \t].*|(?:Usage|Flags|Global Flags|Available Commands|Additional Commands|Examples|Aliases):"
    r"|Use \"executor .*)?$"
)
# The executor's own words come last, but for what a step has left in the pipes to containerd and to its shim, some
# 160 KiB; what is older than this many characters is not looked through for them.
_END: Final = 256 * 1024
_CUT: Final = "…"

_TEXT: Final = re.compile(r'time="[^"]{0,64}" level=[a-z]+ msg=("(?:[^"\\]|\\.)*"|[^\s"]+)\s*$')
_COLOR: Final = re.compile(r"(?:TRAC|DEBU|INFO|WARN|ERRO|FATA)\[[0-9TZ:+.-]+\] (.*)$")
_QUOTED: Final = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_SHORT: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def plain(log: str) -> str:
    """The log as a terminal would leave it, in printable lines: no colours, of progress bars only their end."""
    text = _ESCAPES.sub("", log).replace("\r\n", "\n")
    if "\r" in text:
        text = "\n".join(_overwritten(line) for line in text.split("\n"))
    return _UNPRINTABLE.sub("\ufffd", text)


def _overwritten(line: str) -> str:
    return next((part for part in reversed(line.split("\r")) if part.strip()), "")


def without_usage(log: str) -> str:
    """The log up to the flag usage that the executor prints after `Error: ...`, 85 lines and nothing after them.

    cobra prints it (no SilenceUsage), for the command `executor` (kaniko, cmd/executor/cmd/root.go). The output of
    RUN steps may well hold other programs' errors and usage, or the executor's own, but then the log goes on.
    """
    before, found, after = log.rpartition(_USAGE)
    if not found or not all(_USAGE_LINE.match(line) for line in after.split("\n")[1:]):
        return log
    return before


def error_line(log: str, exit_code: int | None = None) -> str:
    """The line of the executor's log that says what went wrong, or an empty string.

    Args:
        log: of the container that failed.
        exit_code: that it ended with.
    """
    lines = _last_lines(log)
    return _last_words(lines, exit_code) or next(
        # Of a line that was cut it is not even known whether its beginning is half a credential.
        (line for line in reversed(lines) if line and not line.startswith(_CUT)),
        "",
    )


def last_words(log: str, exit_code: int | None = None) -> str:
    """The same, but only what looks like the executor's own words; empty when it was killed before it had any."""
    return _last_words(_last_lines(log), exit_code)


def _last_lines(log: str) -> list[str]:
    said = without_usage(log)
    if len(said) > _END:
        # Half a line would be misread as a whole one.
        said = _CUT + said[-_END:]
    return [line.strip() for line in said.splitlines()]


def _last_words(lines: list[str], exit_code: int | None) -> str:
    """The last such line counts, with one exception.

    What a step prints and what the executor says of its end come through two pipes, and may change places.
    """
    ended: list[str] = []
    for line in reversed(lines):
        if _message(line) is not None:
            break
        words = _own(line)
        if words:
            ended.append(words)
    ends = [f"{STEP_ENDED}exit status {exit_code}", *([f"{STEP_ENDED}signal: "] if exit_code == 255 else [])]
    about_a_step = [words for words in ended if words.startswith(tuple(ends))]
    found = (about_a_step or ended)[:1]
    return found[0] if found else next(filter(None, map(_own, reversed(lines))), "")


def _own(line: str) -> str:
    """The part of a line that the executor said last; empty if it said nothing there."""
    start = line.rfind(_STAGE_FAILED)
    return line[max(start, 0) :] if start >= 0 or line.startswith(_OWN_WORDS) else ""


def ended_by_step(words: str) -> bool:
    """Whether the executor's last words are about how a RUN step's own command ended, or that it could not start."""
    return words.startswith((STEP_ENDED, STEP_STARTING))


def messages(log: str) -> Iterator[str]:
    """What the executor logged of its progress, in order; steps can print such lines as well.

    It keeps to one format: in a log that has the operator's own choice, text, the others are a step's.
    """
    lines = log.splitlines()
    for has, read in _FORMATS:
        found = False
        for line in lines if has in log else ():
            message = read(line)
            if message is not None:
                found = True
                yield message
        if found:
            return


def _message(line: str) -> str | None:
    return next((message for has, read in _FORMATS if has in line and (message := read(line)) is not None), None)


def _text_message(line: str) -> str | None:
    text = _TEXT.match(line, max(line.rfind('time="'), 0))
    return _unquoted(text[1]) if text else None


def _color_message(line: str) -> str | None:
    color = _COLOR.search(line)
    return color[1].strip() if color else None


def _json_message(line: str) -> str | None:
    if not line.startswith('{"'):
        return None
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    message = document.get("msg")
    return message.strip() if isinstance(message, str) and "level" in document else None


# With what is in each line of such a format, so that others are soon done with.
_FORMATS: Final = (('time="', _text_message), ("[", _color_message), ('"msg":', _json_message))


def _unquoted(text: str) -> str:
    """What Go's strconv.Quote made of a message, undone; logrus quotes those with anything but a word in them."""
    if not text.startswith('"'):
        return text
    return _QUOTED.sub(_character, text[1:-1]).strip()


def _character(found: re.Match[str]) -> str:
    if found[4]:
        return _SHORT.get(found[4], found[4])
    code = int(found[1] or found[2] or found[3], 16)
    return chr(code) if code <= 0x10FFFF else "\ufffd"
