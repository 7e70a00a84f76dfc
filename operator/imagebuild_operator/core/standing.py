"""Where one build stands in the queue, read off its status, its spec and its Pods: nothing else decides it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from imagebuild_operator.api.names import ConcurrencyPolicy, Phase
from imagebuild_operator.api.v1alpha1 import Run
from imagebuild_operator.core import groups
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.core.queueing import Holding, Key, Waiting


@dataclass(frozen=True)
class Member:
    """A build with an open run in a concurrency group of its namespace.

    Attributes:
        name: of the build.
        group: of the build.
        since: when the run was recorded.
        replaces: whether it takes the place of the older ones.
    """

    name: str
    group: str
    since: str
    replaces: bool

    def is_newer_than(self, other: "Member") -> bool:
        """Whether its run was recorded later; in the same moment, the name decides."""
        return (self.since, self.name) > (other.since, other.name)


@dataclass(frozen=True)
class Standing:
    """Where a build stands.

    Attributes:
        asks: what it asks for a slot with; turn 0 when its run has to be given one.
        waits: whether it is in line.
        holding: the slot it takes up.
        backs_off: whether it waits for the time of its next attempt.
        keeps: the concurrency group that it keeps to itself meanwhile.
        last_turn: of an open run that ends and is followed by another.
        member: of its concurrency group.
    """

    asks: Waiting
    waits: bool = False
    holding: Holding | None = None
    backs_off: bool = False
    keeps: str = ""
    last_turn: int = 0
    member: Member | None = None


def standing(key: Key, build: BuildView | None, pods: Sequence[PodView]) -> Standing:
    """Read where a build stands.

    Args:
        key: of the build.
        build: its newest copy; None when it is finished, gone, or not known yet.
        pods: the last copies of its Pods, those that are gone included.
    """
    own = [pod for pod in pods if build is None or pod.owner_uid == build.uid]
    # A build that was deleted and made anew has the Pod of its namesake counted until that has ended.
    running = [pod for pod in pods if pod.live and (build is None or pod.owner_name == build.name)]
    busy, live = frozenset(pod.group for pod in running if pod.group), bool(running)
    if build is None:
        leaving = all(pod.deleting for pod in running)
        return Standing(Waiting(key), holding=Holding(key, groups=busy, leaving=leaving) if live else None)
    run = build.status.run if not build.deleting else None
    if run is None or run.completion_time is not None:
        asks = _asks(build)
        held = Holding(key, run.turn or 0 if run else 0, asks.priority, busy, leaving=True) if live else None
        return Standing(asks, holding=held)
    ended = any(pod.terminal and pod.name == run.pod_name for pod in own)
    new = ended or build.status.phase is Phase.SUSPENDED
    asks = _asks(build) if new else replace(_asks(build), turn=run.turn or 0, queued_time=run.queued_time or "")
    return Standing(
        asks=asks,
        waits=_in_line(build, run) and asks.turn > 0,
        holding=_holding(build, run, own, busy) if live or (_is_recorded(run) and not ended) else None,
        backs_off=run.next_attempt_time is not None,
        keeps=groups.granted(build, run) if run.next_attempt_time is not None else "",
        last_turn=run.turn or 0 if ended else 0,
        member=_member(build, run),
    )


def _asks(build: BuildView) -> Waiting:
    spec = build.spec
    return Waiting(build.key, priority=spec.priority or 0 if spec else 0, group=groups.wanted(build))


def _is_recorded(run: Run) -> bool:
    """Whether there is, or is to be, a Pod."""
    return run.pod_name is not None and run.next_attempt_time is None


def _in_line(build: BuildView, run: Run) -> bool:
    held_back = build.spec is None or build.spec.suspend or run.next_attempt_time is not None
    return run.pod_name is None and not held_back


def _holding(build: BuildView, run: Run, own: Sequence[PodView], busy: frozenset[str]) -> Holding:
    """A Pod keeps the group busy that its label names; one that is still to come, the group that is recorded."""
    posted = any(pod.live and pod.name == run.pod_name for pod in own)
    if _is_recorded(run) and not posted:
        busy |= {groups.granted(build, run)} - {""}
    leaving = run.pod_name is None and run.next_attempt_time is None
    return Holding(build.key, run.turn or 0, _asks(build).priority, busy, leaving=leaving)


def _member(build: BuildView, run: Run) -> Member | None:
    """What it is in its group; a suspended build neither waits nor runs, so it takes nobody's place and leaves none.

    The policy of a spec is about the group of that spec: it takes nobody's place in a group that the run was let into
    before an edit.
    """
    spec, wanted = build.spec, groups.wanted(build)
    group = wanted if run.pod_name is None and run.next_attempt_time is None else groups.granted(build, run)
    if spec is None or not group or spec.suspend:
        return None
    replaces = spec.concurrency_policy is ConcurrencyPolicy.REPLACE and group == wanted
    return Member(build.name, group, run.queued_time or "", replaces)
