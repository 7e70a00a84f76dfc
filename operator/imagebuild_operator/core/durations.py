"""Durations as Kubernetes users write them: Go's syntax (`time.ParseDuration`), such as `90m` or `1h30m`."""

import re
from typing import Final

_SECONDS: Final[dict[str, float]] = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,  # U+00B5, what Go prints
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> float:
    """The seconds that a Go duration stands for.

    Args:
        text: numbers with a unit each (ns, us, ms, s, m, h), without a sign; a bare `0` needs no unit.

    Raises:
        ValueError: for anything else, with a message that shows the syntax.
    """
    if text == "0":
        return 0.0
    seconds, position = 0.0, 0
    while part := _PART.match(text, position):
        seconds += float(part[1]) * _SECONDS[part[2]]
        position = part.end()
    if position == 0 or position != len(text):
        raise ValueError(f"{text!r} is not a duration; write numbers with the units h, m, s or ms, e.g. 90m or 1h30m")
    return seconds


def format_duration(seconds: float) -> str:
    """The same in the shortest usual form, e.g. `1h30m`, `45s` or `1.5s`; rounded to milliseconds.

    Args:
        seconds: not negative.

    Raises:
        ValueError: for a negative number, which no duration of ours can be.
    """
    if seconds < 0:
        raise ValueError(f"a duration cannot be negative: {seconds}")
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    fraction = f".{milliseconds:03d}".rstrip("0") if milliseconds else ""
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else ""]
    parts.append(f"{second}{fraction}s" if second or fraction else "")
    return "".join(parts) or "0s"
