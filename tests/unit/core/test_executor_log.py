"""What the executor said, told apart from what steps print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.core.executor_log import error_line, last_words, messages, plain, without_usage

USAGE = (
    'Usage:\n  executor [flags]\n  executor [command]\n\nFlags:\n  -c, --context string\n\nUse "executor [command]"\n'
)
STEP_FAILED = "error building image: error building stage: failed to execute command: waiting for process to exit: "
DENIED = "error building image: GET https://registry.example.com/v2/a/manifests/1: UNAUTHORIZED: who are you"
PUSH_DENIED = "error pushing image: failed to push: DENIED"


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", ""),
        ("\n\n", ""),
        ("only this", "only this"),
        ("a\nb\n\n", "b"),
        ("error building image: x\nlater output\n", "error building image: x"),
        ("error building image: one\nerror pushing image: two\n", "error pushing image: two"),
        ("Error: no tests found\nerror building image: exit status 1\n", "error building image: exit status 1"),
        (f"Error: error resolving source context: EOF\n{USAGE}", "Error: error resolving source context: EOF"),
        (f"INFO x\nError: unknown flag: --y\n{USAGE}", "Error: unknown flag: --y"),
        ("errors: 3\nerrorless\nlast", "last"),
        ("  fatal: not a repository  \nhint", "fatal: not a repository"),
        # A step that ends without a newline.
        (f"no end{STEP_FAILED}exit status 8\n", f"{STEP_FAILED}exit status 8"),
        (f"fake {DENIED}{STEP_FAILED}exit status 8\n", f"{STEP_FAILED}exit status 8"),
        (f"{PUSH_DENIED}\nan {DENIED}\n", PUSH_DENIED),
        ("x" * 2_000_000 + f"{STEP_FAILED}exit status 8\n", f"{STEP_FAILED}exit status 8"),
        (f"{DENIED}\n" + "x\n" * 150_000, "x"),
    ],
)
def test_the_line_that_says_what_went_wrong(log: str, line: str) -> None:
    assert error_line(log) == line


@pytest.mark.parametrize(
    ("log", "exit_code", "line"),
    [
        # Two pipes: what a step printed at its end may come after the executor's words about it.
        (f"{STEP_FAILED}exit status 1\n{DENIED}\n", 1, f"{STEP_FAILED}exit status 1"),
        (f"{STEP_FAILED}signal: killed\n{DENIED}\n", 255, f"{STEP_FAILED}signal: killed"),
        (f"{STEP_FAILED}exit status 1\n{DENIED}\n", 7, DENIED),
        (f"{STEP_FAILED}signal: killed\n{DENIED}\n", 1, DENIED),
        # A step of before printed it, and the push failed.
        (f'{STEP_FAILED}exit status 1\ntime="x" level=info msg="Pushing image to a"\n{PUSH_DENIED}\n', 1, PUSH_DENIED),
        (f"{'x' * 3_000_000}{STEP_FAILED}exit status 1\n{'x' * 80 * 1024}", 1, f"{STEP_FAILED}exit status 1"),
        (f"my {STEP_FAILED}exit status 1 or so\n{DENIED}\n", 1, f"{STEP_FAILED}exit status 1 or so"),
    ],
)
def test_a_step_that_failed_is_told_by_its_exit_code_whatever_came_later(log: str, exit_code: int, line: str) -> None:
    assert error_line(log, exit_code) == line


@pytest.mark.parametrize("begun", ["\x1b", "\x1b[", "\x1b[1;31", "\x1b(", "\x1b]0;title", "\x1b]8;;https://x", "\x1bP"])
def test_a_step_that_is_killed_in_an_escape_sequence_does_not_hide_the_executors_words(begun: str) -> None:
    assert last_words(plain(f"10 %{begun}{STEP_FAILED}signal: killed\n"), 255) == f"{STEP_FAILED}signal: killed"


def test_nothing_stands_in_for_the_executors_own_words() -> None:
    assert last_words("Compiling\nKilled\n", 137) == ""
    assert error_line("Compiling\nKilled\n", 137) == "Killed"


def test_the_usage_of_the_executor_is_cut_and_that_of_other_programs_is_not() -> None:
    assert without_usage(f"INFO x\nError: unknown flag: --y\n{USAGE}") == "INFO x\nError: unknown flag: --y"
    other = "Error: bad option\n\nUsage:\n  npm run\n\nerror building image: exit status 1\n"
    assert without_usage(other) == other
    assert error_line(other) == "error building image: exit status 1"


def test_a_usage_that_a_step_printed_hides_nothing() -> None:
    log = f"Error: unknown flag: --y\n{USAGE}{STEP_FAILED}exit status 9\n"
    assert without_usage(log) == log
    assert without_usage(f"{log}Error: bad\n{USAGE}") == f"{log}Error: bad"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('time="2026-01-01T00:00:00Z" level=info msg="RUN echo \\"a\\\\b\\" \\u00e9\\x1b\\t"', 'RUN echo "a\\b" é\x1b'),
        ('time="2026-01-01T00:00:00Z" level=info msg=word', "word"),
        ('no endtime="2026-01-01T00:00:00Z" level=info msg="RUN true"', "RUN true"),
        ("INFO[0001] RUN echo a   ", "RUN echo a"),
        ("INFO[2026-01-01T00:00:00Z] RUN echo a", "RUN echo a"),
        ('{"level":"info","msg":"RUN echo \\"a\\"","time":"2026-01-01T00:00:00Z"}', 'RUN echo "a"'),
        ('{"msg":"of a step"}', None),
        ('{"level":"info","msg":', None),
        ('{"level":"info","msg":5}', None),
        ("RUN echo a", None),
        ('time="2026" level=info msg="half', None),
        ('time="2026" level=info msg="\\U00110000"', "\ufffd"),
    ],
)
def test_messages_of_each_format(line: str, message: str | None) -> None:
    assert list(messages(f"a\n{line}\nb")) == ([] if message is None else [message])


def test_the_executor_logs_in_one_format_and_a_step_may_print_any() -> None:
    color, json = "INFO[0001] RUN color", '{"level":"info","msg":"RUN json"}'
    text = 'time="2026-01-01T00:00:00Z" level=info msg="RUN text"'
    assert list(messages("\n".join((color, json, text, color)))) == ["RUN text"]
    assert list(messages("\n".join((json, color)))) == ["RUN color"]
    assert list(messages(json)) == ["RUN json"]


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        ("\x1b[36mINFO\x1b[0m[0001] RUN echo", "INFO[0001] RUN echo"),
        ("\x1b[1;31mred\x1b[m \x1b]0;title\x07and \x1b]8;;https://x\x1b\\link\x1b(B", "red and link"),
        ("10 %\r50 %\r100 %\r\nnext\r\n", "100 %\nnext\n"),
        ("a\x00\x01\x02b\tc", "a\ufffdb\tc"),
        ("\ufffd\ufffd\ufffd", "\ufffd"),
        ("\ud800", "\ufffd"),
        ("\x1b", "\ufffd"),
        ("\x1b[1;3", ""),
        ("\x1b]0;a title that never ends\nnext", "\nnext"),
        ("\x1b]0;half a title\rnext", "next"),
    ],
)
def test_a_log_as_a_terminal_leaves_it(log: str, shown: str) -> None:
    assert plain(log) == shown


@given(st.text(alphabet='\x1b[]0m;\x07\\"\r\n msg=time:INFO{}Ee', max_size=200))
def test_nothing_raises(log: str) -> None:
    text = plain(log)
    assert "\x1b" not in text
    assert "\r" not in text
    list(messages(text))
    error_line(text, 1)


def test_what_a_step_left_in_the_pipes_may_stand_behind_the_executors_words() -> None:
    words = f"{STEP_FAILED}exit status 7"
    line = "0123456789012345678901234567890123456789\n"
    assert error_line(f"{words}\n{line * 4000}0123456789012345", 7) == words
