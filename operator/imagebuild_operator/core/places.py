"""What a build that waits is told: its place, and what it waits for."""

from typing import Final

from imagebuild_operator.core.queueing import Obstacle

# Up to here a place is told exactly; beyond, rounded up, so that a long queue is not written anew with each step.
EXACT: Final = 20


def why(obstacle: Obstacle | None) -> str:
    """The middle of a sentence that begins with the run."""
    if obstacle is None:
        return "waits for its turn"
    return f"waits, {_place(obstacle.place)}, for {_what(obstacle)}"


def _what(obstacle: Obstacle) -> str:
    if obstacle.limit is None:
        if obstacle.build:
            what = f"build {obstacle.build} of its concurrency group"
            return f"the Pod of {what} to go" if obstacle.leaving else f"{what} to end"
        return "the builds before it in its concurrency group"
    where = " of its namespace" if obstacle.in_namespace else ""
    if obstacle.limit == 1:
        return f"the running build{where} to end"
    return f"one of the {obstacle.limit} running builds{where} to end"


def _place(place: int) -> str:
    if place == 1:
        return "next in line"
    if place <= EXACT:
        ending = {2: "nd", 3: "rd"}.get(place, "th")
        return f"{place}{ending} in line"
    return f"within the first {_rounded_up(place)} in line"


def _rounded_up(place: int) -> int:
    """To the next of 50, 100, 200, 500, 1000, 2000 and so on."""
    step = 10
    while step * 10 < place:
        step *= 10
    return next(step * times for times in (2, 5, 10) if step * times >= place)
