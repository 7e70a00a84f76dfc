"""Kubernetes quantities: amounts with a decimal or binary suffix, or an exponent.

Source: k8s.io/apimachinery, pkg/api/resource/quantity.go and suffix.go.
"""

import re
from fractions import Fraction
from typing import Final

from imagebuild_operator.api.schema import QUANTITY

_SUFFIXES: Final[dict[str, Fraction]] = {
    "": Fraction(1),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    **{suffix: Fraction(1000**power) for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Fraction(1024**power) for power, suffix in enumerate("KMGTPE", start=1)},
}


def quantity(size: int) -> str:
    """The shortest form of a number of bytes, exactly that many, e.g. `512Mi`, `1536Mi` or `200M`."""
    units = ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki", "G", "M", "k")
    forms = [f"{size // int(_SUFFIXES[unit])}{unit}" for unit in units if size and size % _SUFFIXES[unit] == 0]
    return min([*forms, str(size)], key=len)


def amount(text: int | str) -> Fraction | None:
    """The amount in its base unit (bytes, cores); None for what is no quantity.

    A wrong quantity is the API server's to refuse, in its own words.
    """
    found = re.fullmatch(QUANTITY, str(text))
    if found is None:
        return None
    number, unit = found[1].removesuffix("."), found[2] or ""
    # An E alone is a suffix, exa; before a number it is an exponent.
    scale = _SUFFIXES[unit] if unit in _SUFFIXES else Fraction(10) ** int(unit[1:])
    return Fraction(number) * scale
