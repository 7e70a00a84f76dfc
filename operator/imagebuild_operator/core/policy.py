"""The operator's settings that decisions depend on, and the deadlines that follow from them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from imagebuild_operator.api.v1alpha1 import Run
from imagebuild_operator.core.durations import parse_duration
from imagebuild_operator.core.observe import BuildView
from imagebuild_operator.core.times import parse_time
from imagebuild_operator.pod.settings import PodSettings


@dataclass(frozen=True)
class Policy:
    """What applies where the spec says nothing. Times are seconds."""

    pod: PodSettings
    timeout: float = 3600.0
    start_timeout: float = 600.0
    retry_limit: int = 2

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
