"""The operator's settings that decisions depend on, and the deadlines that follow from them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from imagebuild_operator.api.v1alpha1 import Run
from imagebuild_operator.core.durations import parse_duration
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.times import parse_time
from imagebuild_operator.pod.quantities import amount
from imagebuild_operator.pod.settings import PodSettings

# Quantities of the API end at 2^63 (apimachinery, resource.Quantity); nobody needs as much as an exbibyte.
MOST_MEMORY: Final = 2**60


@dataclass(frozen=True)
class Policy:
    """What applies where the spec says nothing. Times are seconds, memory is bytes.

    Attributes:
        memory_raises: attempts with more memory that a run may have.
        memory_decay: how old a learned limit may be before a run tries with less; None for as old as it likes.
    """

    pod: PodSettings
    timeout: float = 3600.0
    start_timeout: float = 600.0
    retry_limit: int = 2
    memory_factor: int = 2
    memory_limit: int = 8 * 1024**3
    memory_raises: int = 2
    memory_decay: float | None = 7 * 24 * 3600.0

    def deadline(self, build: BuildView, run: Run, now: datetime) -> datetime:
        """When the run's time is over, all attempts together, counted from the record of the first."""
        asked = build.spec.timeout if build.spec else None
        seconds = parse_duration(asked) if asked else self.timeout
        return (parse_time(run.start_time) or now) + timedelta(seconds=seconds)

    def start_timeout_of(self, build: BuildView) -> float:
        """How long an attempt may fail to start."""
        asked = build.spec.start_timeout if build.spec else None
        return parse_duration(asked) if asked else self.start_timeout

    def no_output_timeout_of(self, build: BuildView) -> float | None:
        """How long the build may say nothing; None for as long as it likes."""
        asked = build.spec.no_output_timeout if build.spec else None
        return parse_duration(asked) if asked else None

    def retry_limit_of(self, build: BuildView) -> int:
        """How many attempts a run may have after failures of a passing kind."""
        retry = build.spec.retry if build.spec else None
        return retry.limit if retry is not None and retry.limit is not None else self.retry_limit

    def memory_factor_of(self, build: BuildView) -> int:
        """How many times its limit an attempt gets after one that ran out of memory; 1 for no more than before."""
        retry = build.spec.retry if build.spec else None
        return retry.memory_factor if retry is not None and retry.memory_factor is not None else self.memory_factor

    def memory_limit_of(self, build: BuildView) -> int:
        """The highest limit that an attempt is raised to."""
        retry = build.spec.retry if build.spec else None
        asked = amount(retry.memory_limit) if retry is not None and retry.memory_limit is not None else None
        return self.memory_limit if asked is None else min(int(asked), MOST_MEMORY)
