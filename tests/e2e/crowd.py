"""Many builds of one namespace and then a few of another, under a limit, with the operator killed in the middle."""

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from tests.cluster.handle import ClusterHandle
from tests.e2e.cheap_builds import cheap, cheap_digest, lasting, let_go
from tests.e2e.exposition import ask_operator, sample
from tests.e2e.operator_process import kill, operator_processes, replace_pod
from tests.e2e.team import FINISHED, JSON, Team
from tests.e2e.watching import BUILD_PODS, Watch, most_live

SIGN = "all-are-here"
# Recorded, its Pod asked for, its result; and its place in the queue when it comes.
WRITES, QUEUED_WRITES = 3, 1
PLACE_SECONDS = 60.0
# Times in a status are whole seconds.
SECOND = 1.0
LOOK_SECONDS = 0.5
QUEUED, WAITS = "imagebuild_builds_queued", "imagebuild_queue_wait_seconds_count"

Name = tuple[str, str]


def moment(text: str) -> float:
    """A time of a status as seconds."""
    return datetime.fromisoformat(text).timestamp()


@dataclass
class Crowd:
    """The builds, and what was seen of them; `many` has `limit` builds among its own that hold up all others at first.

    Attributes:
        waiting: the statuses of all that waited when all had come.
        killed: when the operator was killed.
        done_when_killed: how many builds had ended by then.
        seconds: from the first build's coming to the last one's end.
        statuses: at the end.
        most_live: Pods at a time.
        waits_metric: how many waits the operator that came after the kill has told of.
        writes: successful ones of the operator for each build, Events apart.
        events: the same for Events.
        refused: writes that the API server refused, in all.
        pods: how many were made for each build.
    """

    many: Team
    few: Team
    limit: int
    waiting: dict[Name, JSON] = field(default_factory=dict)
    killed: float = 0
    done_when_killed: int = 0
    seconds: float = 0
    statuses: dict[Name, JSON] = field(default_factory=dict)
    most_live: int = 0
    waits_metric: float = 0
    writes: Counter[Name] = field(default_factory=Counter)
    events: Counter[Name] = field(default_factory=Counter)
    refused: int = 0
    pods: Counter[Name] = field(default_factory=Counter)

    @property
    def spaces(self) -> tuple[Team, Team]:
        return self.many, self.few

    def look(self) -> dict[Name, JSON]:
        """The status of each build."""
        return {(space.namespace, name): status for space in self.spaces for name, status in space.builds().items()}

    def until_phase(self, phases: tuple[str, ...], count: int, seconds: float) -> dict[Name, JSON]:
        """Wait until so many builds are in one of the phases; returns all statuses."""
        deadline = time.monotonic() + seconds
        while True:
            statuses = self.look()
            if sum(status["phase"] in phases for status in statuses.values()) >= count:
                return statuses
            assert time.monotonic() < deadline, f"not {count} builds in {phases} within {seconds} s"
            time.sleep(LOOK_SECONDS)

    def of(self, space: Team) -> dict[Name, JSON]:
        """The statuses of one namespace."""
        return {name: status for name, status in self.statuses.items() if name[0] == space.namespace}

    def done_before_the_few(self) -> int:
        """How many of the many were done when the last of the few was; whoever ended in the same second counts."""
        last = max(moment(status["run"]["completionTime"]) for status in self.of(self.few).values())
        return sum(moment(status["run"]["completionTime"]) <= last for status in self.of(self.many).values())

    def out_of_order(self) -> list[tuple[Name, Name]]:
        """Neighbours in the recorded order of which the later one started earlier."""
        order = sorted(self.statuses, key=self._rank)
        start = {name: moment(status["run"]["startTime"]) for name, status in self.statuses.items()}
        return [(first, then) for first, then in pairwise(order) if start[then] < start[first] - SECOND]

    def _rank(self, name: Name) -> tuple[int, str, Name]:
        run = self.statuses[name]["run"]
        return run["turn"], run["queuedTime"], name

    def budget(self, name: Name) -> int:
        """How many writes a build may cost."""
        if name not in self.waiting:
            return WRITES
        run = self.statuses[name]["run"]
        waited = moment(run["startTime"]) - moment(run["queuedTime"])
        return WRITES + QUEUED_WRITES + math.ceil(waited / PLACE_SECONDS)

    def started_since_the_kill(self, slack: float) -> int:
        """Builds whose first attempt was recorded after it, or up to so many seconds before."""
        starts = [moment(status["run"]["startTime"]) for status in self.statuses.values()]
        return sum(start > self.killed - slack for start in starts)

    def losses(self) -> list[Name]:
        """Builds that did not succeed, or whose digest is not the one in the registry."""
        return [name for name, status in self.statuses.items() if not self._is_built(name, status)]

    def _is_built(self, name: Name, status: JSON) -> bool:
        space = next(space for space in self.spaces if space.namespace == name[0])
        digest = space.digest(space.image(name[1])) if name[1].startswith("long") else cheap_digest(space, name[1])
        return bool(status["phase"] == "Succeeded" and status["digest"] == digest)

    def doubles(self) -> list[Name]:
        """Builds that had more than one Pod, run or attempt."""
        run = {name: status["run"] for name, status in self.statuses.items()}
        return [name for name in run if (self.pods[name], run[name]["number"], run[name]["attempt"]) != (1, 1, 1)]


@contextmanager
def two_spaces(cluster: ClusterHandle, first: str, second: str) -> Iterator[tuple[Team, Team]]:
    """Two namespaces that go with the block, so that nothing in them takes up a slot afterwards."""
    spaces = Team.create(cluster, first), Team.create(cluster, second)
    try:
        yield spaces
    finally:
        for space in spaces:
            space.delete()


def run_crowd(spaces: tuple[Team, Team], *, many: int, few: int, limit: int, seconds: float) -> Crowd:
    """Build them all; the operator keeps the limit already.

    Args:
        spaces: where.
        many: builds of the first namespace.
        few: builds of the second one, which come last.
        limit: of the operator; so many of the first builds last until all others wait.
        seconds: to wait for the end.
    """
    crowd = Crowd(*spaces, limit)
    cluster = crowd.many.cluster
    crowd.many.until(lambda: not _live(cluster), "end of the Pods of earlier tests", 60)
    with Watch(cluster, BUILD_PODS) as watch:
        began = time.monotonic()
        _come(crowd, many, few)
        crowd.many.until(lambda: _metric(cluster, QUEUED) == len(crowd.waiting), "count of those that wait", 10)
        let_go(crowd.many, SIGN)
        # The long ones are over by then, and of the few there are still some to come.
        _kill_operator(crowd, limit + 1)
        crowd.statuses = crowd.until_phase(FINISHED, many + few, seconds)
        crowd.seconds = time.monotonic() - began
        crowd.most_live = most_live(watch.changes).total()
    crowd.waits_metric = _metric(cluster, WAITS)
    _count(crowd)
    return crowd


def _metric(cluster: ClusterHandle, name: str) -> float:
    return sample(ask_operator(cluster, "/metrics"), name)


def _live(cluster: ClusterHandle) -> list[JSON]:
    """Build Pods of all namespaces that have not ended: each takes up a slot."""
    ours = "app.kubernetes.io/managed-by=imagebuild-operator"
    unfinished = "status.phase!=Succeeded,status.phase!=Failed"
    items: list[JSON] = cluster.get("pods", "-A", "-l", ours, f"--field-selector={unfinished}")["items"]
    return items


def _come(crowd: Crowd, many: int, few: int) -> None:
    """The builds come: those that last first, then all others, which wait."""
    first = [lasting(crowd.many, f"long-{n}", SIGN) for n in range(crowd.limit)]
    crowd.many.apply(*first)
    crowd.until_phase(("Building",), len(first), 60)
    crowd.many.apply(*(cheap(crowd.many, f"many-{n}") for n in range(many - len(first))))
    crowd.few.apply(*(cheap(crowd.few, f"few-{n}") for n in range(few)))
    waiting = crowd.until_phase(("Queued",), many + few - len(first), 120)
    crowd.waiting = {name: status for name, status in waiting.items() if status["phase"] == "Queued"}


def _kill_operator(crowd: Crowd, done: int) -> None:
    """Kill it once so many builds have ended."""
    statuses = crowd.until_phase(FINISHED, done, 600)
    crowd.done_when_killed = sum(status["phase"] in FINISHED for status in statuses.values())
    victims = operator_processes()
    crowd.killed = datetime.now(UTC).timestamp()
    kill(victims)
    replace_pod(crowd.many.cluster)
    assert victims, "the operator was not found"


def _count(crowd: Crowd) -> None:
    """Read the operator's requests from the audit log."""
    builds = {status["run"]["podName"]: name for name, status in crowd.statuses.items()}
    for space in crowd.spaces:
        for kind, target, code in _requests(space):
            if code >= 300:
                crowd.refused += 1
            elif kind == "create events":
                crowd.events[space.namespace, target.rpartition(".")[0]] += 1
            elif kind == "patch imagebuilds":
                crowd.writes[space.namespace, target] += 1
            else:
                # Unknown names stay: they are Pods of no build, or of one that had another Pod too.
                crowd.writes[builds.get(target, (space.namespace, target))] += 1
            if kind == "create pods" and code < 300:
                crowd.pods[builds.get(target, (space.namespace, target))] += 1


def _requests(space: Team) -> Iterator[tuple[str, str, int]]:
    """The operator's writes in a namespace: verb and resource, the object's name, and the answer."""
    for entry in space.writes():
        if entry["verb"] not in ("get", "list", "watch"):
            target = entry["objectRef"]
            yield f"{entry['verb']} {target['resource']}", target["name"], entry["responseStatus"]["code"]
