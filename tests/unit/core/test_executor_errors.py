"""What is left of an executor's error behind words that already say what was going on."""

import pytest

from imagebuild_operator.core.executor_errors import what_failed


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (
            "error building image: error building stage: failed to execute command: starting command: x",
            "starting command: x",
        ),
        (
            "error building image: error building stage: failed to get filesystem from image: x",
            "failed to get filesystem from image: x",
        ),
        (
            "error building image: GET https://registry.example.com/v2/: EOF",
            "GET https://registry.example.com/v2/: EOF",
        ),
        ("error pushing image: failed to push: EOF", "error pushing image: failed to push: EOF"),
        ("Error: unknown flag: error building image: x", "Error: unknown flag: error building image: x"),
        ("", ""),
    ],
)
def test_the_beginning_that_many_have_alike_is_left_out(line: str, left: str) -> None:
    assert what_failed(line) == left
