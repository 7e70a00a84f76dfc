"""What the cache benchmark counts and times, and the tables of it; pure."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

COLD: Final = "cold"
UNCHANGED: Final = "warm, unchanged"
CHANGED: Final = "warm, last COPY changed"
KINDS: Final = (COLD, UNCHANGED, CHANGED)
# How many times faster a warm build of an image with large dependencies shall be.
GOAL: Final = 3.5


@dataclass(frozen=True)
class Sample:
    """One build, one of a round of three.

    Attributes:
        case: the example and its settings.
        round: from 1; each has a cache and an image repository of its own.
        kind: one of KINDS.
        seconds: the run's own duration, from the record of its start to the record of its end, of the audit log.
        stated: the same as the status has it, in whole seconds.
        container: seconds that the executor's container ran, whole ones.
        cpu: CPU seconds of the Pod, of all its containers.
        elsewhere: CPU seconds that the machine spent on everything else meanwhile: registry, kubelet, other work.
        hits: steps taken from the cache.
        misses: steps looked for in the cache in vain.
        pods: Pods that the operator created.
        writes: its requests that changed something, Events left out.
        events: Events it wrote.
    """

    case: str
    round: int
    kind: str
    seconds: float
    stated: float
    container: float
    cpu: float
    elsewhere: float
    hits: int
    misses: int
    pods: int
    writes: int
    events: int


def line(sample: Sample) -> str:
    """One build in a line, to be followed while the others run."""
    return (
        f"round {sample.round}, {sample.case}, {sample.kind}: {sample.seconds:.1f} s, "
        f"{sample.cpu:.1f} CPU s ({sample.elsewhere:.1f} elsewhere), {sample.hits} steps from the cache"
    )


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median, least and greatest, e.g. `12.1 (11.8-13.0)`."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def count(values: Sequence[int]) -> str:
    """A count that should be the same in every round, and is told as it was where it is not."""
    return str(values[0]) if len(set(values)) == 1 else " / ".join(map(str, values))


def ratios(samples: Iterable[Sample], case: str, kind: str, of: Callable[[Sample], float]) -> list[float]:
    """Cold to warm, round by round: what disturbed a round mostly disturbed both."""
    found = {(sample.round, sample.kind): of(sample) for sample in samples if sample.case == case}
    return [found[number, COLD] / found[number, kind] for number in sorted({number for number, _ in found})]


def builds_table(samples: Sequence[Sample]) -> str:
    """A row for each example and kind of build."""
    titles = ("example", "build", "duration, s", "in whole seconds", "build container, s", "CPU of the Pod, s",
              "other CPU, s", "steps from the cache", "Pods", "API writes", "Events")  # fmt: skip
    rows = []
    for case in cases(samples):
        for kind in KINDS:
            own = [sample for sample in samples if (sample.case, sample.kind) == (case, kind)]
            rows.append((
                case,
                kind,
                spread([sample.seconds for sample in own]),
                spread([sample.stated for sample in own], 0),
                spread([sample.container for sample in own], 0),
                spread([sample.cpu for sample in own]),
                spread([sample.elsewhere for sample in own]),
                f"{count([each.hits for each in own])} of {count([each.hits + each.misses for each in own])}",
                count([sample.pods for sample in own]),
                count([sample.writes for sample in own]),
                count([sample.events for sample in own]),
            ))  # fmt: skip
    return table(titles, rows)


def ratios_table(samples: Sequence[Sample]) -> str:
    """How many times faster a warm build is, by duration and by CPU."""
    titles = ("example", "cold to", "duration, each round", "median", "CPU of the Pod, median")
    rows = []
    for case in cases(samples):
        for kind in KINDS[1:]:
            each = ratios(samples, case, kind, lambda sample: sample.seconds)
            by_cpu = ratios(samples, case, kind, lambda sample: sample.cpu)
            listed = ", ".join(f"{ratio:.1f}" for ratio in each)
            rows.append((case, kind, listed, f"{statistics.median(each):.1f}", f"{statistics.median(by_cpu):.1f}"))
    return table(titles, rows)


def cases(samples: Iterable[Sample]) -> list[str]:
    """The examples, in the order in which they were built."""
    return list(dict.fromkeys(sample.case for sample in samples))


def short_of_goal(samples: Sequence[Sample], case: str) -> list[str]:
    """The kinds of warm builds whose median ratio does not reach the goal, in words."""
    medians = {kind: statistics.median(ratios(samples, case, kind, lambda s: s.seconds)) for kind in KINDS[1:]}
    return [f"{case}, {kind}: {ratio:.2f}, not {GOAL}" for kind, ratio in medians.items() if ratio < GOAL]


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (titles, ["---"] * len(titles), *rows))
