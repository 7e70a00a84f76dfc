"""The program as a whole: exit code and termination message, whatever happens."""

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.pod.plan import VARIABLE, LoginsPlan, Plan, RegistrySecret
from imagebuild_operator.pod.prepared import (
    WARNING_LIMIT,
    WARNINGS_KEPT,
    Prepared,
    PrepareFailure,
    parse_result,
)
from imagebuild_operator.prepare.__main__ import carry_out, main
from imagebuild_operator.prepare.result import MESSAGE_BYTES, Result, encode
from tests.unit.prepare.git_server import GitServer


@pytest.fixture(autouse=True)
def process_state() -> Iterator[None]:
    """`main` sets what belongs to its whole process."""
    handler, mask = signal.getsignal(signal.SIGTERM), os.umask(0o022)
    yield
    signal.signal(signal.SIGTERM, handler)
    os.umask(mask)


def plan_of(tmp_path: Path) -> Plan:
    return Plan(context=tmp_path / "context", scratch=tmp_path / "scratch")


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Prepared("c" * 40, "main"), 0),
        (Prepared(), 0),
        (Prepared(warnings=("one", "two")), 0),
        (PrepareFailure(Reason.SOURCE_UNREACHABLE, "no", "yes"), 1),
    ],
)
def test_the_operator_reads_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Result, code: int
) -> None:
    plan = plan_of(tmp_path)
    monkeypatch.setenv(VARIABLE, plan.model_dump_json())
    seen: list[Plan] = []

    def run(given: Plan) -> Result:
        seen.append(given)
        return outcome

    assert main(tmp_path / "message", run) == code
    assert seen == [plan]
    assert parse_result((tmp_path / "message").read_text()) == outcome


def test_room_for_the_message_is_kept_while_the_disk_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(tmp_path)
    monkeypatch.setenv(VARIABLE, plan.model_dump_json())
    kept: list[int] = []

    def run(given: Plan) -> Result:
        kept.extend(file.stat().st_blocks * 512 for file in given.scratch.iterdir())
        return PrepareFailure(Reason.OUT_OF_STORAGE, "full", "free")

    assert main(tmp_path / "message", run) == 1
    assert sum(kept) > MESSAGE_BYTES
    assert list(plan.scratch.iterdir()) == []


def test_a_disk_that_is_full_from_the_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be written into a folder that is a file."""
    plan = plan_of(tmp_path)
    monkeypatch.setenv(VARIABLE, plan.model_dump_json())
    plan.scratch.touch()
    outcome = PrepareFailure(Reason.OUT_OF_STORAGE, "full", "free")
    assert main(tmp_path / "message", lambda _: outcome) == 1
    assert parse_result((tmp_path / "message").read_text()) == outcome


@pytest.mark.parametrize("text", [None, "", "{", '{"context": "/x"}', '{"context": "/x", "scratch": "/y", "new": {}}'])
def test_a_plan_that_is_not_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if text is not None:
        monkeypatch.setenv(VARIABLE, text)
    assert main(tmp_path / "message") == 1
    failure = parse_result((tmp_path / "message").read_text())
    assert isinstance(failure, PrepareFailure)
    assert VARIABLE in failure.message


@pytest.mark.parametrize(
    ("raised", "reason", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), Reason.OUT_OF_STORAGE, "full"),
        (PermissionError(errno.EACCES, "Permission denied", "/prepare/x"), Reason.SOURCE_FAILED, "(/prepare/x)"),
        (RuntimeError("the password is hunter2"), Reason.SOURCE_FAILED, "RuntimeError"),
    ],
)
def test_whatever_goes_wrong_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, reason: Reason, said: str
) -> None:
    def fail(_: object) -> None:
        raise raised

    monkeypatch.setattr("imagebuild_operator.prepare.__main__.read_logins", fail)
    logins = LoginsPlan(secrets=(RegistrySecret(secret="x", folder=tmp_path),), target=tmp_path / "y")
    result = carry_out(plan_of(tmp_path).model_copy(update={"logins": logins}))
    assert isinstance(result, PrepareFailure)
    assert result.reason == reason
    assert said in result.message
    assert "hunter2" not in result.message + result.hint


@pytest.mark.parametrize("character", ["x", "ß", "中", "\U0001f600", "\0", '"', "\n", "\udcff"])
def test_the_message_is_always_whole_json_within_its_bound(character: str) -> None:
    text = encode(PrepareFailure(Reason.SOURCE_FAILED, character * 10_000, character * 10_000))
    assert len(text.encode(errors="replace")) <= MESSAGE_BYTES
    assert json.loads(text)["reason"] == "SourceFailed"
    warnings = (character * 2 * WARNING_LIMIT,) * (WARNINGS_KEPT + 1)
    text = encode(Prepared("c" * 6000, character * 6000, "d" * 6000, warnings))
    assert len(text.encode(errors="replace")) <= MESSAGE_BYTES
    prepared = parse_result(text)
    assert isinstance(prepared, Prepared)
    assert prepared.commit.startswith("c" * 50)


def test_a_long_branch_is_cut_and_not_spoilt() -> None:
    prepared = parse_result(encode(Prepared("c" * 40, "größe/" * 1000)))
    assert isinstance(prepared, Prepared)
    assert prepared.revision == f"{'größe/' * 42}grö…"


def test_the_program_run_as_the_pod_runs_it_ends_at_once_when_it_is_told_to(tmp_path: Path, server: GitServer) -> None:
    """With a git server that never answers."""
    hold = threading.Event()
    server.before.append(lambda request: hold.wait(5))
    plan = Plan.model_validate(
        {
            "context": tmp_path / "context",
            "scratch": tmp_path / "scratch",
            "source": {"kind": "git", "url": server.url()},
        }
    )
    program = (
        "import pathlib, sys; from imagebuild_operator.prepare.__main__ import carry_out, main; "
        "sys.exit(main(pathlib.Path(sys.argv[1]), lambda plan: carry_out(plan, protocols='http')))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), VARIABLE: plan.model_dump_json()}
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "message")], env=environment)
    while not server.seen:
        assert process.poll() is None, "it ended before it asked the server"
        time.sleep(0.05)
    started = time.monotonic()
    process.terminate()
    assert process.wait(timeout=10) == 128 + signal.SIGTERM
    assert time.monotonic() - started < 2
    hold.set()


def test_logs_go_to_standard_output(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    program = (
        "import pathlib, sys; from imagebuild_operator.prepare.__main__ import main; main(pathlib.Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "message")], env=environment, capture_output=True, text=True
    )
    assert VARIABLE in done.stdout
    assert done.stderr == ""
    assert logging.getLogger("imagebuild_operator").handlers == []
