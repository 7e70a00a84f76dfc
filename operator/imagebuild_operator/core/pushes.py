"""What a build that failed had pushed by then.

The executor pushes one reference after the other and stops at the first that fails; the others stay where they are
(kaniko, pkg/executor/push.go). Layers for the cache are told of in the same words.
"""

import re
from typing import Final

# What went wrong has to fit into the message, too.
_LISTED: Final = 200
_LINE: Final = re.compile(r'^time="[^"]*" level=info msg="(Pushing image to|Pushed) ([^"]+)"$', re.MULTILINE)


def pushed(destinations: tuple[str, ...], log: str) -> tuple[str, ...]:
    """The references whose push the log tells the end of, in the order of the destinations."""
    done: set[str] = set()
    current = ""
    for what, name in _LINE.findall(log):
        if what == "Pushed":
            done.add(current)
        current = "" if what == "Pushed" else name
    return tuple(reference for reference in destinations if reference in done)


def told(destinations: tuple[str, ...], log: str) -> str:
    """A sentence about the references that were pushed, to stand before what went wrong; empty if there is none."""
    there = pushed(destinations, log)
    if not there:
        return ""
    listed, *others = there
    if len(listed) > _LISTED:
        listed = f"{listed[: _LISTED - 1]}…"
    for reference in others:
        if len(f"{listed}, {reference}") > _LISTED:
            listed += ", …"
            break
        listed += f", {reference}"
    return f"{len(there)} of {len(destinations)} references were pushed: {listed}. "
