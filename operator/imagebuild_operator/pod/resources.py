"""Compute resources of a container: the user's, completed by the operator's defaults."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from imagebuild_operator.api.v1alpha1 import Resources
from imagebuild_operator.pod.quantities import amount, quantity

MIB: Final = 1024 * 1024
# Half of the limit is more than the heap of 200,000 files ever takes of 256 MiB; two fifths leave RUN 25 MB more of it
# (docs/adr/0015).
HEAP_SHARE: Final = Fraction(2, 5)
# Below what is in use, 80 MB for 200,000 files, the collector would run all the time.
HEAP_FLOOR_MIB: Final = 100
# Go refuses a number that does not fit 64 bits; no executor's heap comes near a tebibyte.
HEAP_CEILING_MIB: Final = 1024 * 1024


def merged(asked: Resources | None, defaults: Resources) -> dict[str, Any]:
    """The `resources` of a container.

    What the user set stays as it is. A default never makes the Pod invalid: a default limit below the user's request
    is raised to it, and a default request above the user's limit is lowered to that.
    """
    requests, limits = _amounts(asked, "requests"), _amounts(asked, "limits")
    default_requests, default_limits = _amounts(defaults, "requests"), _amounts(defaults, "limits")
    for name, limit in default_limits.items():
        if name not in limits:
            limits[name] = _at_least(limit, requests.get(name))
    for name, request in default_requests.items():
        if name not in requests:
            requests[name] = _at_most(request, limits.get(name))
    parts = {"requests": requests, "limits": limits}
    return {part: dict(sorted(amounts.items())) for part, amounts in parts.items() if amounts}


def memory_limit(resources: Mapping[str, Any]) -> int | None:
    """The memory limit of a container in bytes; None without one."""
    limit = amount(resources.get("limits", {}).get("memory", ""))
    return None if limit is None else int(limit)


def with_memory(resources: dict[str, Any], limit: int) -> dict[str, Any]:
    """The same with another memory limit, and the request in the same proportion.

    The build is known to need more than it had: what the scheduler sets aside grows with that, and a Pod whose request
    is its limit stays so.
    """
    before = memory_limit(resources)
    changed = {**resources, "limits": {**resources.get("limits", {}), "memory": quantity(limit)}}
    request = amount(resources.get("requests", {}).get("memory", ""))
    if before and request is not None:
        scaled = min(int(request * limit / before), limit)
        changed["requests"] = {**resources["requests"], "memory": quantity(scaled)}
    return changed


def heap_limit(resources: dict[str, Any]) -> str | None:
    """The executor's GOMEMLIMIT; None without a memory limit.

    The executor's heap after unpacking a base image competes with the processes of RUN for the one limit of the
    container. It is a soft limit: a heap that needs more gets it, at the price of more garbage collection.
    """
    limit = amount(resources.get("limits", {}).get("memory", ""))
    if limit is None:
        return None
    return f"{min(max(int(limit * HEAP_SHARE / MIB), HEAP_FLOOR_MIB), HEAP_CEILING_MIB)}MiB"


def _amounts(resources: Resources | None, part: str) -> dict[str, int | str]:
    found = getattr(resources, part, None) if resources else None
    return dict(found or {})


def _at_least(default: int | str, bound: int | str | None) -> int | str:
    mine, theirs = amount(default), None if bound is None else amount(bound)
    return bound if bound is not None and mine is not None and theirs is not None and mine < theirs else default


def _at_most(default: int | str, bound: int | str | None) -> int | str:
    mine, theirs = amount(default), None if bound is None else amount(bound)
    return bound if bound is not None and mine is not None and theirs is not None and mine > theirs else default
