from typing import Any

import pytest

from tests.benchmark.evidence import cache_counts, container_seconds, recorded_seconds, request_counts, seconds_between

WARM_LOG = """\
2026-01-01T00:00:00Z time="2026-01-01T00:00:00Z" level=info msg="Checking for cached layer registry.example.com/cache:1"
2026-01-01T00:00:00Z time="2026-01-01T00:00:00Z" level=info msg="Using caching version of cmd: RUN apt-get update"
2026-01-01T00:00:01Z time="2026-01-01T00:00:01Z" level=info msg="Using caching version of cmd: RUN pip install"
2026-01-01T00:00:02Z time="2026-01-01T00:00:02Z" level=info msg="No cached layer found for cmd COPY app.py /srv/app.py"
"""


def test_steps_are_counted_by_the_executors_own_words() -> None:
    assert cache_counts(WARM_LOG) == (2, 1)
    assert cache_counts("") == (0, 0)


def test_times_of_any_precision_are_subtracted() -> None:
    assert seconds_between("2026-01-01T00:00:59Z", "2026-01-01T00:01:01Z") == 2.0
    assert seconds_between("2026-01-01T00:00:00.250000Z", "2026-01-01T00:00:01.500000Z") == 1.25


def test_the_build_container_alone_is_timed() -> None:
    def ended(name: str, start: str, end: str) -> dict[str, Any]:
        times = {"startedAt": f"2026-01-01T00:{start}Z", "finishedAt": f"2026-01-01T00:{end}Z"}
        return {"name": name, "state": {"terminated": times}}

    statuses = [ended("sidecar", "00:00", "09:00"), ended("build", "00:10", "01:40")]
    pod = {"status": {"containerStatuses": statuses, "initContainerStatuses": [ended("prepare", "00:00", "00:05")]}}
    assert container_seconds(pod) == 90.0


def test_a_run_lasts_from_the_first_write_of_its_status_to_the_last() -> None:
    def entry(verb: str, resource: str, second: str) -> dict[str, Any]:
        time = f"2026-01-01T00:00:{second}Z"
        return {"verb": verb, "objectRef": {"resource": resource}, "requestReceivedTimestamp": time}

    entries = [
        entry("patch", "imagebuilds", "31.750000"),
        entry("get", "imagebuilds", "00.000000"),
        entry("create", "pods", "01.600000"),
        entry("patch", "imagebuilds", "02.000000"),
        entry("patch", "imagebuilds", "01.500000"),
        entry("create", "events", "45.000000"),
    ]
    assert recorded_seconds(entries) == 30.25


@pytest.mark.parametrize(
    ("requests", "counts"),
    [
        ([], (0, 0, 0)),
        (["patch imagebuilds/status", "create pods", "create events", "patch imagebuilds/status"], (1, 3, 1)),
        (["get pods/log", "list pods", "delete pods", "create events", "create events"], (0, 1, 2)),
    ],
)
def test_requests_are_pods_writes_and_events(requests: list[str], counts: tuple[int, int, int]) -> None:
    assert request_counts(requests) == counts
