"""Tables of failures that the init container reports: each row marked with the cause that it produces."""

from collections.abc import Iterable
from typing import Any

import pytest

from imagebuild_operator.core.causes.cause import Found
from imagebuild_operator.core.failures import CAUSES

NAMES = {cause.reason.value: cause.doc.name for cause in CAUSES if cause.doc.found is Found.PREPARE}


def reported(rows: Iterable[tuple[Any, ...]]) -> list[Any]:
    """The rows as parameters; each begins with the name of a build and its reason."""
    return [pytest.param(*row, id=row[0], marks=pytest.mark.cause(NAMES[row[1]])) for row in rows]
