"""What a build's Pod, its log and the audit log say of it, as figures; pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

JSON = dict[str, Any]


def cache_counts(log: str) -> tuple[int, int]:
    """Steps that the executor took from the cache, and steps it found none for, by its own words.

    After the first step that is not there the executor looks for no other one of that stage (pkg/executor/build.go).
    """
    return log.count("Using caching version of cmd"), log.count("No cached layer found for cmd")


def seconds_between(start: str, end: str) -> float:
    """Seconds from one of Kubernetes' times to another."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def container_seconds(pod: JSON) -> float:
    """How long the Pod's build container ran, to the second: Kubernetes tells no more."""
    [ended] = [each["state"]["terminated"] for each in pod["status"]["containerStatuses"] if each["name"] == "build"]
    return seconds_between(ended["startedAt"], ended["finishedAt"])


def recorded_seconds(entries: Iterable[JSON]) -> float:
    """From the first write of a build's status to the last, by the API server's clock: startTime to completionTime."""
    times = sorted(
        entry["requestReceivedTimestamp"]
        for entry in entries
        if entry["verb"] == "patch" and entry["objectRef"]["resource"] == "imagebuilds"
    )
    return seconds_between(times[0], times[-1])


def request_counts(requests: Sequence[str]) -> tuple[int, int, int]:
    """Pods created, all writes, Events, of requests such as `create pods`."""
    verbs = Counter(requests)
    writes = sum(number for name, number in verbs.items() if not name.startswith(("get ", "list ", "watch ")))
    return verbs["create pods"], writes - verbs["create events"], verbs["create events"]
