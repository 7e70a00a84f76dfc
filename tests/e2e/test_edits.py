"""A spec that changes: what builds again, what does not, and what becomes of the build that runs."""

import time
from collections.abc import Iterator

import pytest

from tests.cluster.handle import ClusterHandle
from tests.e2e.audit import story_of
from tests.e2e.failing_builds import ONE_ATTEMPT, memory
from tests.e2e.team import JSON, Team

QUIET_SECONDS = 2.0
# Busybox keeps the one long line in memory: more than 64 MiB of it, and less than 512.
HUNGRY = "RUN head -c 100000000 /dev/zero | tail >/dev/null"


@pytest.fixture(scope="module")
def ground(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    """One namespace with the first version of each build of this module."""
    team = Team.create(cluster, "edits")
    team.apply(
        team.manifest("switched", two_dockerfiles(team)),
        team.manifest("swinging", saying(team, "a")),
        team.manifest("tuned", saying(team, "tuned")),
        team.manifest("hungry", team.inline(HUNGRY), resources=memory("64Mi"), retry=ONE_ATTEMPT),
    )
    yield team
    team.delete()


def saying(team: Team, word: str) -> JSON:
    """A source whose image says a word."""
    return team.inline(f"ENV WORD={word}")


def two_dockerfiles(team: Team) -> JSON:
    return team.inline("RUN echo old && sleep 300", "ENV WORD=old", New=team.dockerfile("ENV WORD=new"))


def word_of(team: Team, name: str) -> str:
    """What the image in the registry says."""
    environment: list[str] = team.config(team.image(name))["config"]["Env"]
    return next(entry.removeprefix("WORD=") for entry in environment if entry.startswith("WORD="))


def test_a_changed_dockerfile_ends_the_running_build_before_the_next_one_starts(ground: Team) -> None:
    old = ground.until_building("switched")
    ground.apply(ground.manifest("switched", two_dockerfiles(ground), dockerfile="New"))
    status = ground.result("switched")
    assert status["phase"] == "Succeeded"
    assert status["run"]["number"] == 2
    assert status["digest"] == ground.digest(ground.image("switched"))
    assert word_of(ground, "switched") == "new"
    new = status["run"]["podName"]
    assert story_of(ground, "switched") == [
        "user patch switched",
        "operator patch switched",
        f"operator create {old}",
        "user patch switched",
        "operator patch switched",
        f"operator delete {old}",
        # The kubelet's own delete comes when no container of it is left, and takes the Pod out of the API.
        f"kubelet delete {old}",
        f"operator create {new}",
        "operator patch switched",
    ]


def test_there_and_back_builds_three_times(ground: Team) -> None:
    digests = []
    for number, word in enumerate(("a", "b", "a"), start=1):
        ground.apply(ground.manifest("swinging", saying(ground, word)))
        status = ground.result("swinging")
        assert status["phase"] == "Succeeded"
        assert status["run"]["number"] == number
        assert word_of(ground, "swinging") == word
        assert status["digest"] == ground.digest(ground.image("swinging"))
        digests.append(status["digest"])
    assert digests[0] != digests[1] != digests[2]
    assert len(ground.pods("swinging")) == 3


def test_a_raised_memory_limit_alone_mends_a_build_that_ran_out_of_it(ground: Team) -> None:
    status = ground.result("hungry")
    assert status["failure"]["reason"] == "OutOfMemory"
    assert len(ground.pods("hungry")) == 1
    ground.apply(ground.manifest("hungry", ground.inline(HUNGRY), resources=memory("512Mi"), retry=ONE_ATTEMPT))
    status = ground.result("hungry")
    assert status["phase"] == "Succeeded"
    assert status["run"]["number"] == 2
    assert status["digest"] == ground.digest(ground.image("hungry"))
    assert "failure" not in status
    assert not [condition for condition in status["conditions"] if condition["type"] == "Stalled"]


def test_other_resources_alone_build_nothing_but_are_taken_note_of(ground: Team) -> None:
    before = ground.result("tuned")
    ground.apply(ground.manifest("tuned", saying(ground, "tuned"), resources=memory("300Mi")))
    ground.until(lambda: ground.status("tuned")["observedGeneration"] == 2, "word of the new generation", 10)
    assert_left_alone(ground, "tuned")
    after = ground.status("tuned")
    assert after["phase"] == "Succeeded"
    assert after["run"] == before["run"] | {"generation": 2}
    assert after["digest"] == before["digest"]
    assert {condition["observedGeneration"] for condition in after["conditions"]} == {2}
    assert story_of(ground, "tuned")[-2:] == ["user patch tuned", "operator patch tuned"]


def assert_left_alone(team: Team, name: str) -> None:
    """Nobody writes for a while, and there is one Pod."""
    version = team.get(name)["metadata"]["resourceVersion"]
    time.sleep(QUIET_SECONDS)
    assert team.get(name)["metadata"]["resourceVersion"] == version
    assert len(team.pods(name)) == 1


def test_the_same_manifest_again_changes_nothing(ground: Team) -> None:
    ground.result("tuned")
    manifest = ground.manifest("tuned", saying(ground, "tuned"), resources=memory("300Mi"))
    ground.apply(manifest)
    ground.until_status("tuned", lambda status: status["observedGeneration"] == 2, "word of generation 2", 10)
    version = ground.get("tuned")["metadata"]["resourceVersion"]
    ground.apply(manifest)
    assert_left_alone(ground, "tuned")
    assert ground.get("tuned")["metadata"]["resourceVersion"] == version


def test_a_request_builds_again_once(ground: Team) -> None:
    first = ground.result("tuned")
    status = ground.rebuild("tuned", "the first of May")
    assert status["phase"] == "Succeeded"
    assert status["run"]["number"] == first["run"]["number"] + 1
    assert status["run"]["requestedAt"] == "the first of May"
    assert status["digest"] == ground.digest(ground.image("tuned"))
    pods = {pod["metadata"]["name"] for pod in ground.pods("tuned")}
    assert pods == {first["run"]["podName"], status["run"]["podName"]}
    ground.request("tuned", "the first of May")
    time.sleep(QUIET_SECONDS)
    assert ground.status("tuned")["run"] == status["run"]
