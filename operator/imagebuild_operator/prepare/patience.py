"""Steps that need the network are tried again when it fails."""

import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.result import PrepareError

log = logging.getLogger(__name__)

# Name resolution and routes of a Pod that has just started sometimes need a moment.
PAUSES: Final = (2.0, 5.0)

T = TypeVar("T")


def patiently(step: Callable[[], T], pause: Callable[[float], None] = time.sleep) -> T:
    """What a step returns, which is tried three times if the source cannot be reached.

    Raises:
        PrepareError: the step's last one.
    """
    for seconds in PAUSES:
        try:
            return step()
        except PrepareError as error:
            if error.failure.reason != Reason.SOURCE_UNREACHABLE:
                raise
            log.info("%s Trying again in %g s.", error, seconds)
        pause(seconds)
    return step()
