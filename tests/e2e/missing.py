"""Builds whose Pod waits for something that is not there yet."""

from collections.abc import Mapping
from typing import Any

from tests.e2e.team import JSON, Team

# The operator tells within 30 seconds; builds of a whole module start at once.
SECONDS = 60.0


def until_told(team: Team, name: str, words: str, seconds: float = SECONDS) -> JSON:
    """Wait until a build tells what its Pod waits for; returns its status."""

    def waits(status: Mapping[str, Any]) -> bool:
        conditions = status.get("conditions", [])
        return any(each["reason"] == "PodNotStarting" and words in each["message"] for each in conditions)

    status = team.until_status(name, waits, f"word of {words or 'what is missing'}", seconds)
    assert status["phase"] == "Pending"
    return status


def told(team: Team, name: str) -> str:
    """Why the Pod does not start, once that is told."""
    status = until_told(team, name, "")
    return str(next(each["message"] for each in status["conditions"] if each["type"] == "Reconciling"))


def assert_waited(team: Team, name: str) -> None:
    """It has gone on by itself, with the Pod that waited."""
    status = team.result(name)
    assert (status["phase"], status["run"]["attempt"]) == ("Succeeded", 1), status
