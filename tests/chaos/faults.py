"""Every way in which the API server fails between the operator and its store: one table, and a plan of how often."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

VERBS: Final = {"GET": "get", "POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


@dataclass(frozen=True)
class Call:
    """What a request asks for, in the words of Kubernetes."""

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""

    @property
    def writes(self) -> bool:
        """Whether it changes something of what is stored: a review of permissions does not."""
        return self.verb in ("create", "patch", "update", "delete") and "reviews" not in self.resource

    @classmethod
    def parse(cls, method: str, target: str) -> "Call":
        """The call behind a request line."""
        parts = urlsplit(target)
        # /api/v1/... or /apis/<group>/<version>/...
        rest = [unquote(part) for part in parts.path.split("/") if part]
        rest = rest[3:] if rest[:1] == ["apis"] else rest[2:]
        namespace = rest[1] if rest[:1] == ["namespaces"] and len(rest) > 2 else ""
        resource, name, *more = [*(rest[2:] if namespace else rest), "", ""]
        verb = VERBS.get(method, method.lower())
        if verb == "get" and not name:
            verb = "watch" if parse_qs(parts.query).get("watch", [""])[0] in ("true", "1") else "list"
        subresource = more[0] if more else ""
        return cls(verb, f"{resource}/{subresource}" if subresource else resource, namespace, name)


class Ending(Enum):
    """What becomes of a request that is not simply answered."""

    CONFLICT = 409
    GONE = 410
    TOO_MANY_REQUESTS = 429
    INTERNAL_ERROR = 500
    CUT = "the connection is closed without an answer"
    SILENCE = "no answer ever comes"


class Stream(Enum):
    """What becomes of a watch that was answered."""

    CUT = "the connection is closed in the middle of an event"
    ENDED = "the stream ends as it does after its time"
    EXPIRED = "an ERROR event with code 410, then the end"
    SWALLOWING = "the stream stays open and drops every event for a time, then it is cut"
    SILENT = "the stream stays open and drops every event for ever"


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        name: of the fault, in figures.
        meets: which calls it can meet.
        stored: whether the request reaches the API server first.
        ending: of the request; for a watch, of the stream.
    """

    name: str
    meets: Callable[[Call], bool]
    stored: bool
    ending: Ending | Stream


def _plain(call: Call) -> bool:
    return call.verb != "watch"


def _write(call: Call) -> bool:
    return call.writes


def _status(call: Call) -> bool:
    return call.verb == "patch" and call.resource.endswith("/status")


def _of_a_build(call: Call) -> bool:
    return call.verb != "watch" and bool(call.namespace)


def _write_of_a_build(call: Call) -> bool:
    return call.writes and bool(call.namespace)


def _watch(call: Call) -> bool:
    return call.verb == "watch"


FAULTS: Final = (
    Fault("conflict", _status, stored=False, ending=Ending.CONFLICT),
    Fault("too-many-requests", _plain, stored=False, ending=Ending.TOO_MANY_REQUESTS),
    Fault("error-before", _plain, stored=False, ending=Ending.INTERNAL_ERROR),
    Fault("error-after", _write, stored=True, ending=Ending.INTERNAL_ERROR),
    Fault("cut-before", _plain, stored=False, ending=Ending.CUT),
    Fault("cut-after", _write, stored=True, ending=Ending.CUT),
    Fault("timeout-before", _of_a_build, stored=False, ending=Ending.SILENCE),
    Fault("timeout-after", _write_of_a_build, stored=True, ending=Ending.SILENCE),
    Fault("watch-too-many-requests", _watch, stored=False, ending=Ending.TOO_MANY_REQUESTS),
    Fault("watch-error", _watch, stored=False, ending=Ending.INTERNAL_ERROR),
    Fault("watch-gone", _watch, stored=False, ending=Ending.GONE),
    Fault("watch-unanswered", _watch, stored=False, ending=Ending.SILENCE),
    Fault("watch-cut", _watch, stored=True, ending=Stream.CUT),
    Fault("watch-ended", _watch, stored=True, ending=Stream.ENDED),
    Fault("watch-expired", _watch, stored=True, ending=Stream.EXPIRED),
    Fault("watch-swallowing", _watch, stored=True, ending=Stream.SWALLOWING),
    Fault("watch-silent", _watch, stored=True, ending=Stream.SILENT),
)


class Plan:
    """Draws faults from a seed, every kind as often as the others, and counts them.

    Args:
        seed: of everything that chance decides.
        share: how many of the calls meet a fault, 0 to 1.
        watches: the same of watches.
        most: how often a kind comes at most, by its name; any number of times if it is not named.
    """

    def __init__(self, seed: int, *, share: float, watches: float, most: Mapping[str, int]) -> None:
        unknown = most.keys() - {fault.name for fault in FAULTS}
        if unknown:
            raise ValueError(f"no such faults: {sorted(unknown)}")
        self.seed = seed
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.enabled = True
        self._drawn = asyncio.Event()
        self._share, self._watch_share, self._most = share, watches, most

    def draw(self, call: Call) -> Fault | None:
        """The fault that this call meets, counted; None for most."""
        share = self._watch_share if call.verb == "watch" else self._share
        if self.random.random() >= share or not self.enabled:
            return None
        possible = [fault for fault in FAULTS if fault.meets(call) and self._left(fault)]
        if not possible:
            return None
        # Of those that came least often any: so that each kind comes, however few the calls are.
        fault = min(possible, key=lambda each: (self.counts[each.name], self.random.random()))
        self.counts[fault.name] += 1
        self._drawn.set()
        return fault

    async def until(self, name: str, *, times: int) -> None:
        """Wait until a kind has come so often."""
        while self.counts[name] < times:
            self._drawn.clear()
            await self._drawn.wait()

    def _left(self, fault: Fault) -> bool:
        return self.counts[fault.name] < self._most.get(fault.name, self.counts[fault.name] + 1)
