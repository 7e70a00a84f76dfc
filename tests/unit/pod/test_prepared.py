"""Reading what the init container left, whoever wrote it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.pod.prepared import Prepared, PrepareFailure, parse_result


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('{"commit": "abc", "revision": "main"}', Prepared("abc", "main")),
        ('{"commit": "", "revision": ""}', Prepared()),
        ('{"commit": "abc", "new": [1]}', Prepared("abc", "")),
        ('{"commit": "", "warnings": ["a", 5, "", "b"]}', Prepared(warnings=("a", "b"))),
        ('{"commit": "", "warnings": "a"}', Prepared()),
        ('{"commit": "", "warnings": {"a": "b"}}', Prepared()),
        ('{"reason": "R", "message": "M", "hint": "H"}', PrepareFailure("R", "M", "H")),
        ('{"message": "M"}', PrepareFailure("", "M", "")),
        ('{"commit": "abc", "message": "M"}', PrepareFailure("", "M", "")),
        ('{"message": 1}', None),
        ("{}", None),
        ("[]", None),
        ("null", None),
        ("12", None),
        ("", None),
        ('{"commit": "ab', None),
        ("Traceback (most recent call last):", None),
        ("[" * 100_000, None),
    ],
)
def test_messages(message: str, expected: object) -> None:
    assert parse_result(message) == expected


def test_texts_that_go_into_the_status_are_bounded() -> None:
    result = parse_result(f'{{"commit": "{"c" * 1000}", "revision": "{"r" * 1000}"}}')
    assert result == Prepared("c" * 64, "r" * 256)
    result = parse_result(json.dumps({"commit": "", "warnings": ["w" * 1000] * 100}))
    assert result == Prepared(warnings=("w" * 300,) * 4)


@given(st.text())
def test_nothing_raises(message: str) -> None:
    parse_result(message)
