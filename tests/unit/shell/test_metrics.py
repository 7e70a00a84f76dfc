import re
from pathlib import Path

from imagebuild_operator.core.decisions import Result
from imagebuild_operator.shell.metrics import DEFINITIONS, Metrics

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


def value(metrics: Metrics, sample: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(sample, labels)


def test_a_failure_that_no_row_knows_is_counted() -> None:
    metrics = Metrics("1.2.3")
    for reason in ("BuildFailed", "StepFailed", "BuildFailed"):
        metrics.finished(Result("failed", reason, 1.0))
    assert value(metrics, "imagebuild_unknown_failures_total") == 2


def test_a_finished_run_is_counted_by_result_and_reason_with_its_duration() -> None:
    metrics = Metrics("1.2.3")
    metrics.finished(Result("succeeded", "Succeeded", 42.0))
    metrics.finished(Result("failed", "Timeout", 9000.0))
    assert value(metrics, "imagebuild_builds_total", result="succeeded", reason="Succeeded") == 1
    assert value(metrics, "imagebuild_builds_total", result="failed", reason="Timeout") == 1
    assert value(metrics, "imagebuild_unknown_failures_total") == 0
    duration = "imagebuild_build_duration_seconds"
    assert value(metrics, f"{duration}_sum", result="succeeded") == 42
    assert value(metrics, f"{duration}_bucket", result="succeeded", le="30.0") == 0
    assert value(metrics, f"{duration}_bucket", result="succeeded", le="60.0") == 1
    assert value(metrics, f"{duration}_bucket", result="failed", le="7200.0") == 0
    assert value(metrics, f"{duration}_bucket", result="failed", le="+Inf") == 1


def test_requests_are_counted_by_code_and_without_an_answer_as_error() -> None:
    metrics = Metrics("1.2.3")
    metrics.request_ended(verb="get", resource="pods/log", code=200, seconds=0.02)
    metrics.request_ended(verb="get", resource="pods/log", code=None, seconds=30.0)
    total = "imagebuild_api_requests_total"
    assert value(metrics, total, verb="get", resource="pods/log", code="200") == 1
    assert value(metrics, total, verb="get", resource="pods/log", code="error") == 1
    count = "imagebuild_api_request_duration_seconds_count"
    assert value(metrics, count, verb="get", resource="pods/log") == 2


def test_the_gauges_show_the_latest_state() -> None:
    metrics = Metrics("1.2.3")
    waiting = ["a", "b"]
    metrics.watch_queue(lambda: len(waiting))
    metrics.active(4)
    metrics.queued(7)
    metrics.reconcile_error()
    waiting.append("c")
    assert value(metrics, "imagebuild_workqueue_depth") == 3
    assert value(metrics, "imagebuild_builds_active") == 4
    assert value(metrics, "imagebuild_builds_queued") == 7
    assert value(metrics, "imagebuild_reconcile_errors_total") == 1
    assert value(metrics, "imagebuild_operator_info", version="1.2.3") == 1


def test_two_operators_in_one_process_do_not_share_numbers() -> None:
    one, other = Metrics("1"), Metrics("1")
    one.active(5)
    assert value(other, "imagebuild_builds_active") == 0


def test_what_is_exposed_is_what_is_defined() -> None:
    exposed = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type)
        for family in Metrics("1").registry.collect()
    }
    assert exposed == {(definition.name, definition.kind) for definition in DEFINITIONS}


def test_the_reference_has_a_row_for_each_metric() -> None:
    rows = re.findall(r"^\| `(imagebuild_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", REFERENCE.read_text(), re.MULTILINE)
    assert rows == [
        (
            definition.name,
            definition.kind,
            ", ".join(f"`{label}`" for label in definition.labels) or "-",
            definition.meaning,
        )
        for definition in DEFINITIONS
    ]
