"""The end of a log that goes into a status."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.core.executor_log import error_line, plain
from imagebuild_operator.core.log_tail import LINE_BYTES, LINES, LOG_TAIL_BYTES, log_tail

WORDS = (
    "error building image: error building stage: failed to execute command: waiting for process to exit: exit status 7"
)


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        ("", ""),
        ("\n \n\t\n", ""),
        ("one\n\n\ntwo  \n\n", "one\ntwo"),
        ("\tindented\n", "\tindented"),
        ("\ufffd\n", ""),
        ("bidi\u202e\n", "bidi\ufffd"),
        ("password=hunter2\n", "password=***"),
        ("Error: unknown flag: --y\nUsage:\n  executor [flags]\n\nFlags:\n  -c\n", "Error: unknown flag: --y"),
    ],
)
def test_what_is_shown(log: str, shown: str) -> None:
    assert log_tail(log) == shown


def test_the_last_lines_and_no_more() -> None:
    lines = [f"line {number}" for number in range(100)]
    assert log_tail("\n".join(lines)).splitlines() == lines[-LINES:]


def test_of_a_long_line_the_ends_are_shown() -> None:
    shown = log_tail(f"before\nbegin{'x' * 1_000_000}end\n{WORDS}\n", 7)
    assert shown.splitlines()[-1] == WORDS
    long = shown.splitlines()[-2]
    assert long.endswith("xxxend")
    assert "…" in long
    assert len(long.encode()) <= LINE_BYTES
    short = log_tail(f"before\nbegin{'x' * 1000}end\n{WORDS}\n", 7)
    assert short.splitlines()[0] == "before"
    assert short.splitlines()[1].startswith("beginxxx")


@pytest.mark.parametrize("after", [["later"] * 30, ["x" * 399] * 10, ["ä" * 1000] * 30])
def test_the_executors_words_stay_whatever_comes_after(after: list[str]) -> None:
    shown = log_tail("\n".join(("before", WORDS, *after)), 7)
    assert shown.splitlines()[0] == WORDS
    assert len(shown.splitlines()) <= LINES
    assert len(shown.encode()) <= LOG_TAIL_BYTES


def test_words_in_the_middle_of_a_line_are_not_told_twice() -> None:
    assert log_tail(f"no end{WORDS}\n", 7) == f"no end{WORDS}"


def test_a_credential_is_hidden_before_anything_is_cut() -> None:
    key = "\n".join(
        ("-----BEGIN PRIVATE KEY-----", *("MIIEpAIBAAKCAQEA" * 4 for _ in range(50)), "-----END PRIVATE KEY-----")
    )
    shown = log_tail(f"{key}\n{WORDS}\n", 7)
    assert "MII" not in shown
    assert shown.endswith(WORDS)
    assert "hunter2" not in log_tail(f"{'x' * 190} password={'hunter2' * 60}\n")


@pytest.mark.parametrize("cut", [0, 10, 40])
def test_of_a_credential_that_is_cut_in_two_neither_half_is_shown(cut: int) -> None:
    """The rest of a line has no name before it that would tell what it is."""
    line = f"password={'hunter2' * 10} "
    after = 64 * 1024 - len(line) + cut
    assert "hunter" not in log_tail(f"{'x' * 500}{line}{'y' * after}")
    assert log_tail(f"{'x' * 500}{line}{'y' * after}").endswith("yyy")
    lines = "one more line\n" * (after // 14)
    assert "hunter" not in log_tail(f"{'x' * 500}{line}\n{lines}")
    assert error_line(f"{'x' * 500}{line}{'y' * (after + 192 * 1024)}") == ""


@given(
    st.text() | st.text(alphabet='ab\n😀\x00\x1b[ error building image: "password="', min_size=30), st.integers(0, 255)
)
def test_it_is_always_within_its_bounds(text: str, exit_code: int) -> None:
    shown = log_tail(plain(text), exit_code)
    assert len(shown.encode()) <= LOG_TAIL_BYTES
    assert len(shown.split("\n")) <= LINES
    assert all(c.isprintable() or c in "\n\t" for c in shown)
