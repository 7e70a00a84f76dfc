"""What a RUN step prints, or is called, is no verdict: the executor's last words alone are, and the exit code."""

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import Failure
from imagebuild_operator.core.failures import Evidence, explain, find
from imagebuild_operator.core.outcome import judge
from tests.unit.core.pod_documents import pod, terminated

OWN = "error building image: error building stage: failed to execute command: "
ENDED = f"{OWN}waiting for process to exit: exit status"
PANIC = "panic: out of luck\n\ngoroutine 1 [running]:\nmain.main()\n"


def evidence(log: str, exit_code: int = 1) -> Evidence:
    return Evidence(pod(build=terminated(exit_code)), log)


@pytest.mark.parametrize(
    "program",
    [
        "user nobody is not a uid and does not exist on the system",
        "a: no space left on device",
        "downloading remote source file: invalid response status 404",
    ],
)
def test_the_name_of_a_program_that_cannot_start_does_not_count(program: str) -> None:
    log = f'{OWN}starting command: exec: "{program}": executable file not found in $PATH\n'
    assert find(evidence(log)).doc.name == "shell-missing"


@pytest.mark.parametrize(
    ("log", "exit_code", "name"),
    [
        (f"{PANIC}{ENDED} 2\n", 2, "step-failed"),
        (f"{PANIC}error building image: something new\n", 1, "unknown"),
        (f"{PANIC}error building image: something new\n", 2, "unknown"),
        (f"error building image: something new\n{PANIC}", 2, "executor-crash"),
        (PANIC, 2, "executor-crash"),
    ],
)
def test_a_panic_is_the_executors_only_when_it_ends_with_it(log: str, exit_code: int, name: str) -> None:
    assert find(evidence(log, exit_code)).doc.name == name


def test_what_comes_through_the_other_pipe_after_the_step_had_ended_does_not_count() -> None:
    denied = "error building image: GET https://registry.example.com/v2/a/manifests/1: UNAUTHORIZED: who are you"
    assert find(evidence(f"{ENDED} 1\n{denied}\n")).doc.name == "step-failed"


def test_a_step_that_was_killed_at_the_limit_is_told_apart_from_the_executor() -> None:
    killed = pod(build=terminated(255, reason="OOMKilled"))
    log = f"{OWN}waiting for process to exit: signal: killed\n"
    cause, told = explain(Evidence(killed, log))
    assert cause.reason is Reason.OUT_OF_MEMORY
    assert told.message.startswith("A process of a RUN step was killed")


@pytest.mark.parametrize("end", ["", "\n", '\nUse "executor [command] --help"\n'])
def test_the_executors_own_usage_printed_by_a_step_does_not_hide_how_the_step_ended(end: str) -> None:
    quoted = f"Error: unknown flag: --x\nUsage:\n  executor [flags]{end}"
    assert find(evidence(f"{quoted}\n{ENDED} 9\n", 9)).doc.name == "step-failed"
    assert find(evidence(f"{quoted}\nerror pushing image: something new\n")).doc.name == "unknown"


@pytest.mark.parametrize(("length", "name"), [(1000, "tag-immutable"), (5000, "push-refused")])
def test_what_stands_far_behind_in_a_long_line_does_not_count(length: int, name: str) -> None:
    """The patterns take the square of what they look through."""
    line = f"error pushing image: PUT https://registry.example.com/v2/a/manifests/1: {'GET https://a/b: ' * 4000}"
    assert find(evidence(f"{line[:length]} immutable")).doc.name == name


def test_a_log_full_of_panics_is_none() -> None:
    assert find(evidence("panic: again\n" * 80_000, 2)).doc.name == "unknown"


@pytest.mark.parametrize(
    ("output", "hint"),
    [
        ("tar: write error: No space left on device", "Raise spec.resources.requests.ephemeral-storage."),
        ("JavaScript heap out of memory", "Raise spec.resources.limits.memory."),
        ("curl: (60) SSL certificate problem: unable to get local issuer", "Install its certificate authority"),
        ("curl: (6) Could not resolve host: files.example.com", "Check DNS, network policies and the proxy."),
        ("nothing in particular", ""),
    ],
)
def test_the_last_steps_output_gives_a_second_hint(output: str, hint: str) -> None:
    log = f'level=info msg="Running: [/bin/sh -c make]"\n{output}\n{ENDED} 1\n'
    found = find(evidence(log))
    told = found.explain(evidence(log)).hint
    assert found.doc.name == "step-failed"
    assert ("Its output says" in told) == bool(hint)
    assert hint in told


@pytest.mark.parametrize("end", ["exit status 1", "signal: segmentation fault (core dumped)"])
@pytest.mark.parametrize(
    "output", ["unable to get local issuer", "Temporary failure in name resolution", "MemoryError"]
)
def test_a_second_hint_leaves_room_for_what_builds_the_mended_step(output: str, end: str) -> None:
    log = f"{output}\n{OWN}waiting for process to exit: {end}\n"
    failed = judge(pod(build=terminated(255 if end.startswith("signal") else 1)), log)
    assert isinstance(failed, Failure)
    assert failed.hint is not None
    assert f'"{output}": ' in failed.hint
    assert failed.hint.endswith(". Then set the annotation imagebuild.dev/requestedAt, or name the new revision.")
    assert "…" not in failed.hint


def test_how_a_step_ended_is_told_once() -> None:
    _, told = explain(evidence(f"{ENDED} 3\n", 3))
    assert told.message == "A RUN step ended with exit code 3."


def test_what_an_earlier_step_printed_gives_none() -> None:
    log = f"Running: [/bin/sh -c a]\nNo space left on device\nRunning: [/bin/sh -c b]\nno\n{ENDED} 1\n"
    assert "output says" not in find(evidence(log)).explain(evidence(log)).hint
