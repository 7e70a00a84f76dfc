"""Snapshots, log levels and which layers are cached: what each option changes, in one namespace and all at once."""

import re
from collections.abc import Iterator

import pytest

from tests.cluster.handle import ClusterHandle
from tests.e2e.team import JSON, Team

MARKER = "this step runs"
STEP = f"RUN echo {MARKER} | tr a-z A-Z"
CACHED = "Using caching version of cmd: "
# The second step changes what the file holds, and neither its size, mode nor time.
STEALTHY = [f"RUN echo {word} > /file && touch -d '2020-01-01 00:00:00' /file" for word in ("old", "new")]


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "executor-options")
    yield space
    space.delete()


@pytest.fixture(scope="module")
def builds(team: Team) -> None:
    """All of them, applied at once."""
    stealthy = team.inline(*STEALTHY)
    copy_first = team.inline("COPY words /words", STEP, words="some")
    copy_last = team.inline(STEP, "COPY words /words", words="some")
    copies: JSON = {"repository": team.image("copies").rpartition(":")[0], "copyLayers": True, "runLayers": False}
    team.apply(
        team.manifest("by-default", stealthy),
        team.manifest("full", stealthy, executor={"snapshotMode": "full"}),
        team.manifest("by-time", stealthy, executor={"snapshotMode": "time"}),
        team.manifest("talkative", executor={"verbosity": "debug"}),
        team.manifest("chatty", executor={"verbosity": "trace"}),
        team.manifest("copies", copy_first, cache=copies),
        team.manifest("runs", copy_last, cache={}),
    )


@pytest.mark.usefixtures("builds")
class TestSnapshots:
    @pytest.mark.parametrize(("name", "content"), [("by-default", "old"), ("by-time", "old"), ("full", "new")])
    def test_only_a_full_one_looks_into_files(self, team: Team, name: str, content: str) -> None:
        status = team.result(name)
        assert status["phase"] == "Succeeded", status
        assert team.files(status["image"])["file"].content == f"{content}\n"


@pytest.mark.usefixtures("builds")
class TestVerbosity:
    @pytest.mark.parametrize(
        ("name", "levels"),
        [("by-default", {"info"}), ("talkative", {"info", "debug"}), ("chatty", {"info", "debug", "trace"})],
    )
    def test_the_log_has_what_was_asked_for(self, team: Team, name: str, levels: set[str]) -> None:
        status = team.result(name)
        assert status["phase"] == "Succeeded", status
        assert set(re.findall(r" level=(info|debug|trace) ", team.log(name))) == levels


@pytest.mark.usefixtures("builds")
class TestCachedLayers:
    """Each is built twice; a step that runs says so in capitals."""

    def test_copies_and_no_runs(self, team: Team) -> None:
        log = twice(team, "copies")
        assert commands(log) == ["COPY words /words"]
        assert MARKER.upper() in log

    def test_runs_and_no_copies_by_default(self, team: Team) -> None:
        log = twice(team, "runs")
        assert commands(log) == [STEP]
        assert MARKER.upper() not in log


def twice(team: Team, name: str) -> str:
    """The log of a second run, of the same as the first."""
    status = team.result(name)
    assert status["phase"] == "Succeeded", status
    first = team.log(name)
    assert MARKER.upper() in first
    assert commands(first) == []
    assert team.rebuild(name, "again")["phase"] == "Succeeded", team.story()
    return team.log(name)


def commands(log: str) -> list[str]:
    """Those whose layer came from the cache."""
    return [line.partition(CACHED)[2].rstrip('"') for line in log.splitlines() if CACHED in line]
