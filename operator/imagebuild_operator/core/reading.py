"""Tolerant access to JSON of the API server: a field of a wrong type reads as absent, and nothing raises."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

JSON = dict[str, Any]


def mapping(value: object, *path: str) -> Mapping[str, Any]:
    """The object below these keys; an empty one when anything on the way is missing or no object."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def text(value: Mapping[str, Any], key: str) -> str:
    """The string member; empty when it is missing or no string."""
    found = value.get(key)
    return found if isinstance(found, str) else ""


def number(value: Mapping[str, Any], key: str) -> int | None:
    """The integer member within what JSON of the API can hold (int64); None otherwise."""
    found = value.get(key)
    if isinstance(found, float) and math.isfinite(found):
        found = int(found)
    fits = isinstance(found, int) and not isinstance(found, bool) and -(2**63) <= found < 2**63
    return found if fits else None


def entries(value: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    """The objects in the list member; empty when it is missing or no list."""
    found = value.get(key)
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []
