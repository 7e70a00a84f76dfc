"""What real executors said of builds that failed: each recorded log is told by the row that its build was made for."""

import re
from pathlib import Path

import pytest

from imagebuild_operator.api.v1alpha1 import Failure
from imagebuild_operator.core.causes.cause import again
from imagebuild_operator.core.executor_log import without_usage
from imagebuild_operator.core.failures import Evidence, find
from imagebuild_operator.core.outcome import HINT_BYTES, judge
from tests.corpus.logs import EXECUTORS, Recorded, cases, recorded
from tests.e2e.broken_builds import Broken
from tests.unit.core.pod_documents import pod, terminated

CASES = {case.name: case for case in cases()}
LOGS = list(recorded())
UNKNOWN = "unknown"
MOST_UNKNOWN = 0.05
README = Path(__file__).parents[3] / "README.md"


def evidence(log: Recorded) -> Evidence:
    return Evidence(pod(build=terminated(log.exit_code)), log.log)


def test_every_build_is_recorded_with_every_executor() -> None:
    assert {(log.executor, log.build) for log in LOGS} == {(name, case) for name in EXECUTORS for case in CASES}


@pytest.mark.parametrize("log", LOGS, ids=str)
def test_a_recorded_log_is_told_by_the_row_of_its_build(log: Recorded) -> None:
    case = CASES[log.build]
    assert log.exit_code == case.exit_code
    cause = find(evidence(log))
    assert cause.doc.name == case.cause
    told = cause.explain(evidence(log))
    assert_told(case, told.message, told.hint)


@pytest.mark.parametrize("log", LOGS, ids=str)
def test_a_recorded_log_fits_into_the_status(log: Recorded) -> None:
    """Whole, with what is to be done once files are mended."""
    cause = find(evidence(log))
    told = cause.explain(evidence(log))
    for inline in (True, False):
        failure = judge(evidence(log).pod, log.log, inline=inline)
        assert isinstance(failure, Failure)
        assert (failure.reason, failure.hint) == (cause.reason, told.hint + again(cause, inline=inline))
        assert len((failure.hint or "").encode()) <= HINT_BYTES


def assert_told(case: Broken, message: str, hint: str) -> None:
    assert re.search(case.message, message), message
    assert re.search(case.hint, hint), hint


def test_the_failure_that_the_readme_shows_is_a_recorded_one() -> None:
    [log] = [log for log in LOGS if str(log) == "chainguard-source-file-missing"]
    failure = judge(evidence(log).pod, log.log)
    assert isinstance(failure, Failure)
    assert f"\n{failure.message}\n{failure.hint}\n```\n" in README.read_text()


def test_few_of_the_recorded_logs_end_as_unknown() -> None:
    unknown = [log for log in LOGS if find(evidence(log)).doc.name == UNKNOWN]
    assert len(unknown) < MOST_UNKNOWN * len(LOGS), [str(log) for log in unknown]


@pytest.mark.parametrize("log", [log for log in LOGS if log.exit_code == 1], ids=str)
def test_what_a_step_quotes_of_another_builds_log_does_not_count(log: Recorded) -> None:
    """The whole log of another failure, printed by a step that then fails in its own way."""
    own = "error building image: error building stage: failed to execute command: waiting for process to exit: "
    quoted = Evidence(pod(build=terminated(3)), f"{without_usage(log.log)}\n{own}exit status 3\n")
    assert find(quoted).doc.name == "step-failed"
