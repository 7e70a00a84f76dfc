"""A build that ran out of time: how long it had said nothing by then, and what that may mean."""

from datetime import datetime
from typing import Final

from imagebuild_operator.api.v1alpha1 import Failure
from imagebuild_operator.core.decisions import FetchLastOutput
from imagebuild_operator.core.durations import format_duration
from imagebuild_operator.core.observe import Observation
from imagebuild_operator.core.outcome import HINT_BYTES, clip
from imagebuild_operator.core.pods import PodView

# Ordinary steps are silent, too; one that takes as much as this of the whole time is worth a word.
LONG: Final = 3


def to_ask(seen: Observation, pod: PodView) -> FetchLastOutput | None:
    """The look at when the build last said something; None once that is known, or when nothing can be learned."""
    build = pod.build
    if build is None or build.since is None or not seen.log or seen.last_output is not None:
        return None
    return FetchLastOutput(pod.name, build.name, build.since)


def hinted(late: Failure, seen: Observation, pod: PodView, ended: datetime) -> Failure:
    """The failure of a build that ran out of time, with a word on memory if its last third was silent.

    A limit that is only a little too small kills nothing: the kernel drops and reads the same pages again and again.
    Other things take long without a word, so this is a hint and no verdict.
    """
    since = pod.build.since if pod.build is not None else None
    if since is None or seen.last_output is None:
        return late
    silent = ended - seen.last_output
    if silent * LONG < ended - since:
        return late
    hint = (
        f"{late.hint or ''} It said nothing for its last {format_duration(int(silent.total_seconds()))}: if that is no "
        "slow step, it was short of memory, and spec.resources.limits.memory has to be raised."
    )
    return late.model_copy(update={"hint": clip(hint, HINT_BYTES)})
