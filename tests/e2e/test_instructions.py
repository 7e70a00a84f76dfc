"""Failed builds name the instruction that was at work and its line, and are not fooled by what steps print."""

import json
from collections.abc import Iterator

import pytest

from tests.cluster.handle import ClusterHandle
from tests.e2e.cheap_builds import unprepared
from tests.e2e.failing_instructions import PLACES, PRINTED, FailingAt
from tests.e2e.team import JSON, Team

BY_GIT = tuple(case for case in PLACES if not case.spec)
LAST_LINES, LAST_BYTES = 20, 2048


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "instructions")
    yield space
    space.delete()


@pytest.fixture(scope="module")
def builds(team: Team) -> None:
    """All of them: with the tests' own executor, with Google's, and from a repository."""
    trigger = team.manifest("trigger", team.inline("ONBUILD RUN exit 9"))
    team.apply(trigger, *(manifest(team, case, "") for case in (*PLACES, *PRINTED) if case.name != BASED))
    google = {"image": team.cluster.google_executor(), "variant": "google", "version": "v1.24.0"}
    for case in BY_GIT:
        team.cluster.git.create(repository(team, case), {"Dockerfile": case.text(team), "README": "x"})
    assert team.result("trigger")["phase"] == "Succeeded"
    based = next(case for case in PLACES if case.name == BASED)
    team.apply(
        manifest(team, based, ""),
        *(manifest(team, case, "google-", executor={**case.spec.get("executor", {}), **google}) for case in PLACES),
        *(
            manifest(team, case, "git-", source=team.git(repository(team, case)), registries=team.registries)
            for case in BY_GIT
        ),
    )


# Its base image is built first.
BASED = "brought-by-the-base"


def repository(team: Team, case: FailingAt) -> str:
    return f"public/{team.namespace}-{case.name}"


def manifest(team: Team, case: FailingAt, prefix: str, **spec: JSON) -> JSON:
    document = case.manifest(team, **{"registries": unprepared(team), **spec})
    document["metadata"]["name"] = f"{prefix}{case.name}"
    text = json.dumps(document).replace("$HOST/cache", team.image(f"{prefix}cache").rpartition(":")[0])
    found: JSON = json.loads(text)
    return found


def told(team: Team, name: str) -> JSON:
    """The failure of a build."""
    status = team.result(name)
    assert status["phase"] == "Failed", status
    failure: JSON = status["failure"]
    return failure


def assert_failed_at(team: Team, case: FailingAt, failure: JSON) -> None:
    assert failure["exitCode"] == case.exit_code, failure
    assert case.message in failure["message"], failure
    assert failure.get("line") == case.line, failure
    if case.instruction:
        assert failure.get("instruction") == case.expected(team)[:200], failure


@pytest.mark.usefixtures("builds")
class TestPlaces:
    @pytest.mark.parametrize("case", PLACES, ids=str)
    def test_a_dockerfile_in_the_spec(self, team: Team, case: FailingAt) -> None:
        assert_failed_at(team, case, told(team, case.name))

    @pytest.mark.parametrize("case", PLACES, ids=str)
    def test_the_same_with_googles_executor(self, team: Team, case: FailingAt) -> None:
        assert_failed_at(team, case, told(team, f"google-{case.name}"))

    @pytest.mark.parametrize("case", BY_GIT, ids=str)
    def test_a_dockerfile_in_a_repository(self, team: Team, case: FailingAt) -> None:
        """Whose text the operator never sees: what the log does not quote is told by its line alone."""
        failure = told(team, f"git-{case.name}")
        assert failure["exitCode"] == case.exit_code, failure
        assert failure.get("line") == case.line, failure
        given = case.expected(team).partition(" AS ")[0]
        assert failure.get("instruction") in (given, None), failure

    def test_of_a_repository_it_is_told_how_a_mended_file_is_built(self, team: Team) -> None:
        again = "Then set the annotation imagebuild.dev/requestedAt, or name the new revision."
        hint = told(team, "second-step")["hint"]
        assert "requestedAt" not in hint
        assert told(team, "git-second-step")["hint"] == f"{hint} {again}"

    def test_a_second_run_that_takes_its_first_layer_from_the_cache(self, team: Team) -> None:
        told(team, "in-the-cache")
        status = team.rebuild("in-the-cache", "again")
        assert "Using caching version of cmd: RUN date" in team.log("in-the-cache")
        assert (status["failure"]["instruction"], status["failure"]["line"]) == ("RUN sleep 8 && exit 3", 3)


@pytest.mark.usefixtures("builds")
class TestWhatStepsPrint:
    @pytest.mark.parametrize("case", PRINTED, ids=str)
    def test_it_is_taken_for_nothing_else(self, team: Team, case: FailingAt) -> None:
        failure = told(team, case.name)
        assert not failure["reason"].startswith("Registry"), "a step said so, not the executor"
        assert_failed_at(team, case, failure)
        tail = failure["logTail"]
        assert f"exit status {case.exit_code}" in tail, "the executor's last words are always there"
        assert len(tail.splitlines()) <= LAST_LINES
        assert len(tail.encode()) <= LAST_BYTES
        if case.absent:
            assert case.absent not in json.dumps(team.get(case.name)["status"], ensure_ascii=False)
