"""Quantities, and completing what the user set."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.api.v1alpha1 import Resources
from imagebuild_operator.pod.quantities import amount, quantity
from imagebuild_operator.pod.resources import heap_limit, memory_limit, merged, with_memory

DEFAULTS = Resources(requests={"cpu": "250m", "memory": "512Mi"}, limits={"memory": "2Gi", "ephemeral-storage": "10Gi"})


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        (0, 0),
        (536870912, 536870912),
        ("1", 1),
        ("1.5Gi", 3 * 2**29),
        (".5", Fraction(1, 2)),
        ("2.", 2),
        ("250m", Fraction(1, 4)),
        ("1k", 1000),
        ("1Ki", 1024),
        ("1E", 10**18),
        ("1Ei", 2**60),
        ("1E3", 1000),
        ("1e10", 10**10),
        ("1e-3", Fraction(1, 1000)),
        ("5u", Fraction(5, 10**6)),
        ("1K", None),
        ("", None),
        ("x", None),
        ("1 Gi", None),
        ("1GiB", None),
    ],
)
def test_quantities(quantity: int | str, expected: object) -> None:
    assert amount(quantity) == expected


@pytest.mark.parametrize(
    ("size", "shortest"),
    [
        (0, "0"),
        (1, "1"),
        (1000, "1k"),
        (1024, "1Ki"),
        (2**30, "1Gi"),
        (3 * 2**29, "1536Mi"),
        (2**60, "1Ei"),
        (10**9, "1G"),
        (2 * 10**8, "200M"),
        (1500, "1500"),
        (1000 * 2**20, "1000Mi"),
    ],
)
def test_bytes_in_their_shortest_form(size: int, shortest: str) -> None:
    assert quantity(size) == shortest


@given(size=st.integers(0, 2**60))
def test_the_short_form_is_exact(size: int) -> None:
    assert amount(quantity(size)) == size


@pytest.mark.parametrize(
    ("before", "size", "after"),
    [
        (
            {"requests": {"cpu": "1", "memory": "512Mi"}, "limits": {"memory": "2Gi", "cpu": "2"}},
            4 * 2**30,
            {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "4Gi", "cpu": "2"}},
        ),
        ({"limits": {"memory": "2Gi"}}, 2**32, {"limits": {"memory": "4Gi"}}),
        (
            {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}},
            2**31,
            {"requests": {"memory": "2Gi"}, "limits": {"memory": "2Gi"}},
        ),
        (
            {"requests": {"memory": "wrong"}, "limits": {"memory": "1Gi"}},
            2**31,
            {"requests": {"memory": "wrong"}, "limits": {"memory": "2Gi"}},
        ),
    ],
)
def test_another_limit_and_the_request_in_proportion(before: dict[str, Any], size: int, after: dict[str, Any]) -> None:
    kept = {part: dict(amounts) for part, amounts in before.items()}
    assert with_memory(before, size) == after
    assert before == kept, "what it was made from stays as it is"
    assert memory_limit(after) == size


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            None,
            {
                "requests": {"cpu": "250m", "memory": "512Mi"},
                "limits": {"memory": "2Gi", "ephemeral-storage": "10Gi"},
            },
        ),
        # a default limit is raised to the request
        (
            {"requests": {"memory": "4Gi", "ephemeral-storage": 21474836480}},
            {
                "requests": {"cpu": "250m", "memory": "4Gi", "ephemeral-storage": 21474836480},
                "limits": {"memory": "4Gi", "ephemeral-storage": 21474836480},
            },
        ),
        # a default request is lowered to the limit
        (
            {"limits": {"memory": "256Mi", "cpu": "100m"}},
            {
                "requests": {"cpu": "100m", "memory": "256Mi"},
                "limits": {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "10Gi"},
            },
        ),
        # what the user set stays, also where the API server will refuse it in its own words
        (
            {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi", "example.com/gpu": 1}},
            {
                "requests": {"cpu": "250m", "memory": "2Gi"},
                "limits": {"memory": "1Gi", "ephemeral-storage": "10Gi", "example.com/gpu": 1},
            },
        ),
    ],
)
def test_merging(asked: dict[str, Any] | None, expected: dict[str, Any]) -> None:
    assert merged(Resources.model_validate(asked) if asked else None, DEFAULTS) == expected


quantities = st.one_of(
    st.integers(0, 10**12),
    st.builds(
        lambda number, unit: f"{number}{unit}", st.integers(0, 4096), st.sampled_from(["", "m", "M", "Mi", "Gi"])
    ),
)
amounts = st.dictionaries(st.sampled_from(["cpu", "memory", "ephemeral-storage"]), quantities)


@given(requests=amounts, limits=amounts)
def test_defaults_never_make_a_pod_invalid(requests: dict[str, int | str], limits: dict[str, int | str]) -> None:
    result = merged(Resources(requests=requests, limits=limits), DEFAULTS)
    assert result["requests"].items() >= requests.items()
    assert result["limits"].items() >= limits.items()
    assert result["limits"].keys() >= {"memory", "ephemeral-storage"}
    for name in result["requests"].keys() & result["limits"].keys():
        wrong = (amount(result["requests"][name]) or 0) > (amount(result["limits"][name]) or 0)
        assert not wrong or (name in requests and name in limits)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"memory": "2Gi"}, "819MiB"),
        ({"memory": "320Mi"}, "128MiB"),
        ({"memory": "64Mi"}, "100MiB"),
        ({"memory": 1073741824}, "409MiB"),
        ({"memory": "wrong"}, None),
        ({}, None),
    ],
)
def test_the_heap_limit(limits: dict[str, int | str], expected: str | None) -> None:
    assert heap_limit({"limits": limits}) == expected
