"""Compute resources of a container: the user's, over the operator's defaults, without contradictions."""

import re
from decimal import Decimal
from typing import Any, Final

from imagebuild_operator.api.v1alpha1 import Resources

Quantity = int | str

_UNITS: Final = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
_QUANTITY: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,2})|([A-Za-z]{0,2}))")


def amount(quantity: Quantity) -> Decimal | None:
    """A resource.Quantity (apimachinery) as a number; None when it is none, which the API server will say itself."""
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None or (found[3] or "") not in _UNITS:
        return None
    return Decimal(found[1]) * (Decimal(10) ** int(found[2]) if found[2] else _UNITS[found[3] or ""])


def merged(wanted: Resources | None, defaults: Resources) -> dict[str, Any]:
    """Requests and limits: what the user says, the defaults for the rest.

    Where a default contradicts what the user says (a request above a limit), the default gives way.
    """
    own_requests = dict(wanted.requests or {}) if wanted else {}
    own_limits = dict(wanted.limits or {}) if wanted else {}
    limits = {**(defaults.limits or {}), **own_limits}
    requests = {**(defaults.requests or {}), **own_requests}
    for name in requests.keys() & limits.keys():
        asked, bound = amount(requests[name]), amount(limits[name])
        if asked is None or bound is None or asked <= bound:
            continue
        if name not in own_limits:
            limits[name] = requests[name]
        elif name not in own_requests:
            requests[name] = limits[name]
    return {"requests": requests, "limits": limits}


def go_memory_limit(limits: dict[str, Any]) -> str | None:
    """GOMEMLIMIT for the executor: two fifths of the container's memory, at least 100 MiB.

    After unpacking the base image the executor's heap competes with the processes of RUN; a soft limit makes Go give
    memory back in time.
    """
    bound = amount(limits.get("memory", ""))
    if bound is None:
        return None
    return f"{max(int(bound * 2 / 5) // 1024**2, 100)}MiB"
