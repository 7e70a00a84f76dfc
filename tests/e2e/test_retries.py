"""A registry has its troubles: the build is tried again while they may pass, and tells of each attempt.

The registry is the cluster's real one behind a proxy that fails on demand. The executor itself tries some requests
several times, so it is the build's status that decides when the trouble is over, never a count of requests.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.cluster.faulty import FaultyRegistry
from tests.cluster.handle import ClusterHandle
from tests.e2e.registry_troubles import TROUBLES, WRONG_LOGINS, Trouble, manifest, prepare
from tests.e2e.team import FINISHED, JSON, Team

IN_PROGRESS = {"Succeeded": "Unknown", "Ready": "Unknown", "Reconciling": "True"}
REFUSED = "answers-401"
UNHEARD = "nobody-listens"


@pytest.fixture(scope="module")
def faulty(cluster: ClusterHandle) -> Iterator[FaultyRegistry]:
    with cluster.faulty_registry() as registry:
        yield registry


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "retries")
    prepare(space)
    yield space
    space.delete()


@dataclass
class Course:
    """How a build came to its end: the status at each look, those alike in phase and attempt counted once."""

    statuses: list[JSON] = field(default_factory=list)

    def add(self, status: JSON) -> None:
        if not self.statuses or stage(self.statuses[-1]) != stage(status):
            self.statuses.append(status)

    @property
    def result(self) -> JSON:
        return self.statuses[-1]

    @property
    def pauses(self) -> list[JSON]:
        """The looks between two attempts."""
        return [status for status in self.statuses if "nextAttemptTime" in status["run"]]


def stage(status: JSON) -> tuple[Any, ...]:
    return status["phase"], status["run"]["attempt"], "nextAttemptTime" in status["run"]


@pytest.fixture(scope="module")
def unheard(team: Team, faulty: FaultyRegistry) -> JSON:
    """The status of a build after its first attempt, in which nobody listened at the registry."""
    faulty.refuse()
    try:
        team.apply(manifest(team, UNHEARD))
        return team.until_status(UNHEARD, lambda status: "failure" in status, "failed attempt")
    finally:
        faulty.listen()


@pytest.fixture(scope="module")
def courses(team: Team, faulty: FaultyRegistry, unheard: JSON) -> dict[str, Course]:
    """All builds at once, each healed when as many attempts of it have failed as its trouble lasts."""
    faulty.fail(*(trouble.fault_of(team) for trouble in TROUBLES))
    team.apply(*(each.manifest(team) for each in TROUBLES), manifest(team, REFUSED, login=WRONG_LOGINS))
    found: dict[str, Course] = {name: Course() for name in (*(each.name for each in TROUBLES), REFUSED, UNHEARD)}

    def ended() -> bool:
        statuses = statuses_of(team)
        for name, status in statuses.items():
            found[name].add(status)
        lasting = [each for each in TROUBLES if len(over(statuses.get(each.name, NEW))) < each.attempts]
        faulty.fail(*(each.fault_of(team) for each in lasting))
        return len(statuses) == len(found) and all(status["phase"] in FINISHED for status in statuses.values())

    team.until(ended, "end of all builds")
    return found


NEW: JSON = {"run": {}}


def over(status: JSON) -> list[JSON]:
    """The attempts that have ended, newest first."""
    return [attempt for attempt in status["run"].get("attempts", []) if "completionTime" in attempt]


def statuses_of(team: Team) -> dict[str, JSON]:
    """The statuses of all builds that have begun a run."""
    return {name: status for name, status in team.builds().items() if "run" in status}


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
class TestTroubles:
    def test_the_run_ends_as_the_registry_lets_it(
        self, team: Team, courses: dict[str, Course], trouble: Trouble
    ) -> None:
        status = courses[trouble.name].result
        assert status["phase"] == trouble.phase, status
        assert status["run"]["number"] == 1
        if trouble.phase == "Succeeded":
            assert status["digest"] == team.digest(team.image(trouble.name))
            assert "failure" not in status
        else:
            assert status["failure"]["reason"] == trouble.reason
            assert not {"digest", "image", "images"} & set(status)
            assert condition(status, "Stalled")["reason"] == trouble.reason

    def test_each_attempt_is_told(self, courses: dict[str, Course], trouble: Trouble) -> None:
        run = courses[trouble.name].result["run"]
        failed = trouble.failed_attempts
        expected = [trouble.reason] * failed + ["Succeeded"] * (trouble.phase == "Succeeded")
        told = list(reversed(run["attempts"]))
        assert [attempt["reason"] for attempt in told] == expected
        assert [attempt["number"] for attempt in told] == list(range(1, len(expected) + 1))
        assert run["attempt"] == len(expected)
        assert run.get("retries", {}).get("failures", 0) == len(expected) - 1
        for attempt in told:
            assert attempt["startTime"] <= attempt["completionTime"]

    def test_each_attempt_is_one_pod_and_two_status_writes(
        self, team: Team, courses: dict[str, Course], trouble: Trouble
    ) -> None:
        attempts = courses[trouble.name].result["run"]["attempt"]
        written = [(entry["verb"], entry["objectRef"]["resource"]) for entry in writes_about(team, trouble.name)]
        assert written.count(("create", "pods")) == attempts == len(team.pods(trouble.name))
        assert written.count(("patch", "imagebuilds")) == 2 * attempts

    def test_a_pause_before_each_further_attempt_is_told(self, courses: dict[str, Course], trouble: Trouble) -> None:
        course = courses[trouble.name]
        assert len(course.pauses) == course.result["run"]["attempt"] - 1
        for pause in course.pauses:
            told = {kind: condition(pause, kind) for kind in ("Succeeded", "Ready", "Reconciling")}
            assert {kind: each["status"] for kind, each in told.items()} == IN_PROGRESS
            assert {each["reason"] for each in told.values()} == {"Retrying"}
            assert pause["failure"]["reason"] == trouble.reason
            # The executor wrote one before it tried to push.
            assert "digest" not in pause
            assert length(pause) > timedelta()
            assert f"Attempt {len(over(pause)) + 1} " in condition(pause, "Reconciling")["message"]


def length(pause: JSON) -> timedelta:
    """How long a pause was meant to be when it began."""
    begin = datetime.fromisoformat(over(pause)[0]["completionTime"])
    return datetime.fromisoformat(pause["run"]["nextAttemptTime"]) - begin


def test_the_next_pause_is_longer(courses: dict[str, Course]) -> None:
    first, second = courses["answers-500"].pauses
    assert length(second) > length(first)


def condition(status: JSON, kind: str) -> JSON:
    [found] = [each for each in status["conditions"] if each["type"] == kind]
    return dict(found)


def writes_about(team: Team, name: str) -> list[JSON]:
    """The operator's stored writes of a build and of its Pods."""
    return [
        entry
        for entry in team.writes()
        if entry["verb"] in ("create", "patch")
        and entry["responseStatus"]["code"] < 300
        and (entry["objectRef"].get("name") == name or entry["objectRef"].get("name", "").startswith(f"{name}-1-"))
    ]


def test_a_refused_login_is_not_tried_again(team: Team, courses: dict[str, Course]) -> None:
    status = courses[REFUSED].result
    assert status["phase"] == "Failed"
    assert (status["run"]["number"], status["run"]["attempt"]) == (1, 1)
    assert len(team.pods(REFUSED)) == 1
    assert not courses[REFUSED].pauses
    assert condition(status, "Stalled")["reason"] == status["failure"]["reason"]
    assert status["failure"]["reason"] not in ("RegistryUnavailable", "RateLimited")


def test_a_registry_that_nobody_listens_for_is_waited_for(team: Team, unheard: JSON) -> None:
    assert unheard["failure"]["reason"] == "RegistryUnavailable"
    assert "connection refused" in unheard["failure"]["message"]
    status = team.result(UNHEARD)
    assert status["phase"] == "Succeeded", status
    assert [attempt["reason"] for attempt in status["run"]["attempts"]] == ["Succeeded", "RegistryUnavailable"]
    assert status["digest"] == team.digest(team.image(UNHEARD))
