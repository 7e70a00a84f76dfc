"""What the operator counts about itself, for Prometheus.

Names, labels and meanings stand in `DEFINITIONS` and nowhere else; `docs/reference/metrics.md` has a row for each, and
a test fails when the two differ.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.decisions import Result

BUILD_SECONDS: Final = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0)
QUEUE_WAIT_SECONDS: Final = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0)
REQUEST_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True)
class Definition:
    """One metric as it is exposed (a counter's name ends in `_total`)."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


BUILDS: Final = Definition(
    "imagebuild_builds_total",
    "counter",
    "Runs that ended, by result (succeeded, failed, cancelled) and reason.",
    ("result", "reason"),
)
UNKNOWN_FAILURES: Final = Definition(
    "imagebuild_unknown_failures_total",
    "counter",
    "Runs that failed as BuildFailed, which the table of causes cannot explain: their logs are worth a report.",
)
BUILD_DURATION: Final = Definition(
    "imagebuild_build_duration_seconds",
    "histogram",
    "Seconds from the record of a run's first attempt to its end, by result.",
    ("result",),
    BUILD_SECONDS,
)
ACTIVE: Final = Definition("imagebuild_builds_active", "gauge", "Builds that hold a slot: their Pod exists or is due.")
QUEUE_WAIT: Final = Definition(
    "imagebuild_queue_wait_seconds",
    "histogram",
    "Seconds from a run's record to that of its first attempt: how long it waited for its turn.",
    (),
    QUEUE_WAIT_SECONDS,
)
QUEUED: Final = Definition("imagebuild_builds_queued", "gauge", "Builds that wait for a slot.")
REQUESTS: Final = Definition(
    "imagebuild_api_requests_total",
    "counter",
    "Requests of the operator's own client to the API server, each try counted, by verb, resource and HTTP code "
    "(error: no answer). The watch streams are not among them.",
    ("verb", "resource", "code"),
)
REQUEST_DURATION: Final = Definition(
    "imagebuild_api_request_duration_seconds",
    "histogram",
    "Seconds until such a request was answered in full, by verb and resource.",
    ("verb", "resource"),
    REQUEST_SECONDS,
)
RECONCILE_ERRORS: Final = Definition(
    "imagebuild_reconcile_errors_total",
    "counter",
    "Looks at a build that ended in an error and are tried again.",
)
QUEUE_DEPTH: Final = Definition(
    "imagebuild_workqueue_depth", "gauge", "Builds that wait to be looked at by a worker; lasting above 0 means busy."
)
INFO: Final = Definition(
    "imagebuild_operator_info", "gauge", "Always 1; its label says which version runs.", ("version",)
)

DEFINITIONS: Final = (
    BUILDS,
    UNKNOWN_FAILURES,
    BUILD_DURATION,
    ACTIVE,
    QUEUED,
    QUEUE_WAIT,
    REQUESTS,
    REQUEST_DURATION,
    RECONCILE_ERRORS,
    QUEUE_DEPTH,
    INFO,
)


class Metrics:
    """The operator's metrics in a registry of their own, so that two operators in one test never meet."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        self._builds = self._counter(BUILDS)
        self._unknown_failures = self._counter(UNKNOWN_FAILURES)
        self._build_duration = self._histogram(BUILD_DURATION)
        self._active = self._gauge(ACTIVE)
        self._queued = self._gauge(QUEUED)
        self._queue_wait = self._histogram(QUEUE_WAIT)
        self._requests = self._counter(REQUESTS)
        self._request_duration = self._histogram(REQUEST_DURATION)
        self._reconcile_errors = self._counter(RECONCILE_ERRORS)
        self._queue_depth = self._gauge(QUEUE_DEPTH)
        self._gauge(INFO).labels(version).set(1)

    def finished(self, result: Result) -> None:
        """Count a run whose result was just recorded."""
        self._builds.labels(result.outcome, result.reason).inc()
        if result.reason == Reason.BUILD_FAILED:
            self._unknown_failures.inc()
        self._build_duration.labels(result.outcome).observe(result.seconds)

    def waited(self, seconds: float) -> None:
        """Note how long a run waited until its first attempt was recorded."""
        self._queue_wait.observe(seconds)

    def active(self, builds: int) -> None:
        """Note how many builds hold a slot."""
        self._active.set(builds)

    def queued(self, builds: int) -> None:
        """Note how many builds wait for a slot."""
        self._queued.set(builds)

    def request_ended(self, *, verb: str, resource: str, code: int | None, seconds: float) -> None:
        """Count one try of an API request; `code` None when no answer came."""
        self._requests.labels(verb, resource, "error" if code is None else str(code)).inc()
        self._request_duration.labels(verb, resource).observe(seconds)

    def reconcile_error(self) -> None:
        """Count a look at a build that ended in an error."""
        self._reconcile_errors.inc()

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Read the queue's depth from this function at each scrape."""
        self._queue_depth.set_function(depth)

    def expose(self, accept: str) -> tuple[bytes, str]:
        """The exposition in the format a scraper's Accept header prefers, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def _counter(self, definition: Definition) -> Counter:
        return Counter(definition.name, definition.meaning, definition.labels, registry=self.registry)

    def _gauge(self, definition: Definition) -> Gauge:
        return Gauge(definition.name, definition.meaning, definition.labels, registry=self.registry)

    def _histogram(self, definition: Definition) -> Histogram:
        return Histogram(
            definition.name,
            definition.meaning,
            definition.labels,
            buckets=definition.buckets,
            registry=self.registry,
        )
