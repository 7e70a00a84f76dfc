"""Builds whose Pod waits for something that is not there yet."""

from collections.abc import Mapping
from typing import Any

from tests.e2e.team import Team

# The operator tells within 30 seconds; builds of a whole module start at once.
SECONDS = 60.0


def until_told(team: Team, name: str, words: str) -> None:
    """Wait until a build tells what its Pod waits for."""

    def told(status: Mapping[str, Any]) -> bool:
        conditions = status.get("conditions", [])
        return any(each["reason"] == "PodNotStarting" and words in each["message"] for each in conditions)

    team.until_status(name, told, f"word of {words}", SECONDS)


def assert_waited(team: Team, name: str) -> None:
    """It has gone on by itself, with the Pod that waited."""
    status = team.result(name)
    assert (status["phase"], status["run"]["attempt"]) == ("Succeeded", 1), status
