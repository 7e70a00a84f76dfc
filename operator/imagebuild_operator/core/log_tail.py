"""The end of a failed container's log, as it goes into the status: few lines, all of them of use, nothing secret."""

from typing import Final

from imagebuild_operator.core.executor_log import last_words, without_usage
from imagebuild_operator.core.masking import masked

LOG_TAIL_BYTES: Final = 2048
LINES: Final = 20
# A minified script or a base64 text must not take the place of everything else.
LINE_BYTES: Final = 400
# What is looked at: many times what is kept, so that no credential is cut in two before it is hidden.
_LOOKED_AT: Final = 64 * 1024
_LONGEST_CREDENTIAL: Final = 4096
_ELLIPSIS: Final = "…"


def log_tail(log: str, exit_code: int | None = None) -> str:
    """The last lines of a plain log that are not empty, always with what the executor said of its end.

    Args:
        log: as `executor_log.plain` leaves it.
        exit_code: of its container.
    """
    words = _shown(masked(last_words(log, exit_code)))
    lines = [_shown(line) for line in _end(without_usage(log)).split("\n") if line.strip(" \t\ufffd")]
    kept = _that_fit(lines, LOG_TAIL_BYTES)
    if words and not any(line.endswith(words) for line in kept):
        kept = [words, *_that_fit(lines[-LINES + 1 :], LOG_TAIL_BYTES - _size(words))]
    return "\n".join(kept)


def _end(log: str) -> str:
    """What is looked at of the log, masked; of a line that this cuts in two, nothing that a credential may begin."""
    end = masked(log[-_LOOKED_AT:])
    if len(log) <= _LOOKED_AT:
        return end
    cut, newline, whole = end.partition("\n")
    left = cut[_LONGEST_CREDENTIAL:][-LINE_BYTES // 2 :]
    return f"{_ELLIPSIS}{left}{newline}{whole}" if left else whole


def _that_fit(lines: list[str], room: int) -> list[str]:
    kept: list[str] = []
    for line in reversed(lines[-LINES:]):
        room -= _size(line)
        if room < -1:
            break
        kept.insert(0, line)
    return kept


def _size(line: str) -> int:
    return len(line.encode()) + len("\n")


def _shown(line: str) -> str:
    """A line in printable characters; of a long one its beginning and its end."""
    text = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line.rstrip())
    encoded = text.encode()
    if len(encoded) <= LINE_BYTES:
        return text
    half = (LINE_BYTES - len(_ELLIPSIS.encode())) // 2
    return encoded[:half].decode(errors="ignore") + _ELLIPSIS + encoded[-half:].decode(errors="ignore")
