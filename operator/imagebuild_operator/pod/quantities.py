"""Kubernetes quantities: amounts with a decimal or binary suffix, or an exponent.

Source: k8s.io/apimachinery, pkg/api/resource/quantity.go and suffix.go.
"""

import re
from fractions import Fraction
from typing import Final

_FORM: Final = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,3}))?")
_SUFFIXES: Final[dict[str, Fraction]] = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    **{suffix: Fraction(1000**power) for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Fraction(1024**power) for power, suffix in enumerate("KMGTPE", start=1)},
}


def amount(quantity: int | str) -> Fraction | None:
    """The amount in its base unit (bytes, cores); None for what is no quantity.

    A wrong quantity is the API server's to refuse, in its own words.
    """
    found = _FORM.fullmatch(str(quantity))
    if found is None:
        return None
    number, suffix, exponent = found.groups()
    scale = Fraction(10) ** int(exponent) if exponent else _SUFFIXES.get(suffix or "", Fraction(1))
    return Fraction(number.removesuffix(".")) * scale
