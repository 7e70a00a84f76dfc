import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.core.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90m", 5400.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("1h0m0.5s", 3600.5),
        ("300ms", 0.3),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        ("10ns", 1e-8),
        ("0", 0.0),
        ("0s", 0.0),
        ("2m2m", 240.0),
    ],
)
def test_reads_what_go_reads(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "1", "h", "1h30", "-1h", "+1h", "1d", "1 h", "1h ", "1H", "1e3s", "1,5h", "P1D", "."]
)
def test_refuses_the_rest_and_shows_the_syntax(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write numbers with the units"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5400, "1h30m"),
        (3600, "1h"),
        (3601, "1h1s"),
        (45, "45s"),
        (1.5, "1.5s"),
        (0.25, "0.25s"),
        (0, "0s"),
        (0.0001, "0s"),
        (59.9999, "1m"),
    ],
)
def test_writes_the_shortest_usual_form(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_no_duration_is_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        format_duration(-1)


@given(st.integers(min_value=0, max_value=8760 * 3600 * 1000))
def test_what_is_written_reads_back(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)
