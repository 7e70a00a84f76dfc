"""Whole logs of real builds that failed, of two executors: the place each failed at is found in them.

They are of the builds in tests/e2e/failing_instructions.py: chainguard's v1.25.16 and Google's v1.24.0.
"""

import json
from pathlib import Path

import pytest

from imagebuild_operator.api.v1alpha1 import Failure
from imagebuild_operator.core.executor_log import plain
from imagebuild_operator.core.failures import Evidence, find
from imagebuild_operator.core.outcome import judge
from imagebuild_operator.pod.dockerfile import instructions
from imagebuild_operator.pod.outline import encode, marks_of
from tests.e2e.failing_instructions import PLACES, FailingAt
from tests.unit.core.pod_documents import pod, terminated

LOGS = Path(__file__).parent / "executor_logs"
HOST = "registry.example.com"
RECORDED = sorted(LOGS.glob("*/*.log"))
# Of those that are not about the exit code of a step.
CAUSES = {
    "missing-base": "image-missing",
    "missing-base-of-an-argument": "image-missing",
    "missing-file": "source-file-missing",
    "missing-file-first": "source-file-missing",
    "missing-file-of-a-cached-build": "source-file-missing",
    "no-such-program": "shell-missing",
    "unknown-instruction": "dockerfile-syntax",
    "unknown-user": "user-unknown",
}
CASES = {case.name: case for case in PLACES}


def named(text: str) -> str:
    """With the images that the recorded builds used."""
    for word, image in (
        ("$BUSYBOX", f"{HOST}/busybox:1"),
        ("$HOST/busybox", f"{HOST}/busybox"),
        ("$HOST", f"{HOST}/team"),
    ):
        text = text.replace(word, image)
    return text


def expected(case: FailingAt) -> str:
    return " ".join(named(case.instruction).split())


def test_there_is_a_log_of_every_kind_of_place() -> None:
    assert len(RECORDED) > 30
    assert {log.stem for log in RECORDED} <= set(CASES)
    assert {log.name for log in RECORDED if log.parent.name == "google"} == {
        log.name for log in RECORDED if log.parent.name == "chainguard"
    }


@pytest.mark.parametrize("log", RECORDED, ids=lambda log: f"{log.parent.name}-{log.stem}")
class TestRecordedLogs:
    def test_with_the_dockerfile_at_hand(self, log: Path) -> None:
        case = CASES[log.stem]
        ended = judge(pod(build=terminated(case.exit_code)), log.read_text(), named(case.dockerfile))
        assert isinstance(ended, Failure)
        assert (ended.instruction, ended.line) == (expected(case), case.line)

    def test_its_cause_is_known(self, log: Path) -> None:
        evidence = Evidence(pod(build=terminated(CASES[log.stem].exit_code)), plain(log.read_text()))
        assert find(evidence).doc.name == CAUSES.get(log.stem, "step-failed")

    def test_with_its_outline_there_is_no_other_place(self, log: Path) -> None:
        case = CASES[log.stem]
        outline = encode(marks_of(instructions(named(case.dockerfile))))
        prepared = terminated(0, message=json.dumps({"commit": "c", "outline": outline}))
        ended = judge(pod(prepare=prepared, build=terminated(case.exit_code)), log.read_text())
        assert isinstance(ended, Failure)
        # Two instructions take files: only their texts tell which of them wants this one.
        assert ended.line == (None if case.files else case.line)
        assert ended.instruction in (expected(case), expected(case).partition(" AS ")[0], None)
