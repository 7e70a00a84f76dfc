"""What people see with kubectl: one line that tells the story, a reference that reads, waits that end."""

import re
from collections.abc import Iterator

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.handle import ClusterHandle
from tests.e2e.team import JSON, Team


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "kubectl")
    yield space
    space.delete()


@pytest.fixture(scope="module")
def web(team: Team) -> JSON:
    """The status of a build that was waited for as people do, right after its creation."""
    team.apply(team.manifest("web"), team.manifest("broken", team.inline("RUN exit 3")))
    said = team.kubectl("wait", "--for=condition=Succeeded", "imagebuild/web", "--timeout=120s")
    assert said.strip() == "imagebuild.imagebuild.dev/web condition met"
    team.kubectl("wait", "--for=condition=Stalled", "imagebuild/broken", "--timeout=120s")
    return team.status("web")


def table(text: str) -> dict[str, dict[str, str]]:
    """Rows by their NAME, cells by their column's title; a cell may be empty, so columns count by their place."""
    head, *rows = text.strip().splitlines()
    columns = [(found.group(), found.start()) for found in re.finditer(r"\S+", head)]
    ends = [start for _, start in columns[1:]] + [None]
    cells = [{title: row[start:end].strip() for (title, start), end in zip(columns, ends, strict=True)} for row in rows]
    return {row["NAME"]: row for row in cells}


def test_one_line_tells_the_story(team: Team, web: JSON) -> None:
    rows = table(team.kubectl("get", "imb"))
    assert list(rows["web"]) == ["NAME", "PHASE", "IMAGE", "REASON", "AGE"]
    age = rows["web"].pop("AGE")
    assert re.fullmatch(r"(\d+[hms])+", age)
    assert rows["web"] == {"NAME": "web", "PHASE": "Succeeded", "IMAGE": team.image("web"), "REASON": "Succeeded"}
    assert (rows["broken"]["PHASE"], rows["broken"]["REASON"]) == ("Failed", "StepFailed")


def test_the_wide_line_adds_digest_duration_and_what_to_do(team: Team, web: JSON) -> None:
    rows = table(team.kubectl("get", "imb", "-o", "wide"))
    assert rows["web"]["DIGEST"] == web["digest"]
    assert rows["web"]["DURATION"] == web["run"]["duration"]
    assert re.fullmatch(r"(\d+[hms])+", rows["web"]["DURATION"])
    assert rows["broken"]["MESSAGE"].startswith("Run 1 failed: ")
    assert rows["broken"]["MESSAGE"].endswith(team.status("broken")["failure"]["hint"])


def test_a_wait_for_success_of_a_failed_build_does_not_end_well(team: Team, web: JSON) -> None:
    with pytest.raises(ClusterError, match="timed out waiting"):
        team.kubectl("wait", "--for=condition=Succeeded", "imagebuild/broken", "--timeout=1s")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [("status.phase=Succeeded", ["web"]), ("status.phase=Failed", ["broken"]), ("status.phase!=Succeeded", ["broken"])],
)
def test_builds_are_selected_by_phase(team: Team, web: JSON, selector: str, expected: list[str]) -> None:
    said = team.kubectl("get", "imagebuilds", f"--field-selector={selector}", "-o", "name")
    assert said.split() == [f"imagebuild.imagebuild.dev/{name}" for name in expected]


@pytest.mark.parametrize("name", ["imb", "imagebuild", "imagebuilds", "builds"])
def test_all_its_names_work(team: Team, web: JSON, name: str) -> None:
    """The last is the category, which other kinds of builds may share."""
    assert "imagebuild.imagebuild.dev/web" in team.kubectl("get", name, "-o", "name").split()


def test_explain_reads_like_documentation(team: Team) -> None:
    text = " ".join(team.kubectl("explain", "imagebuild.spec.source.git").split())
    for sentence in (
        "A git repository, fetched over https or ssh before the build starts",
        "url <string> -required-",
        "Address of the repository, without credentials: over https, e.g. https://github.com/acme/web.git, or over ssh",
        "Branch, tag, full reference (refs/...) or full commit (40 hexadecimal digits) to build.",
        "Over https of type kubernetes.io/basic-auth",
        "Build steps never see it.",
    ):
        assert sentence in text


@pytest.mark.parametrize("part", ["spec", "status"])
def test_explain_has_a_word_on_every_field(team: Team, part: str) -> None:
    text = team.kubectl("explain", f"imagebuild.{part}")
    assert len(re.findall(r"^  \w+\t<", text, re.MULTILINE)) >= 10
    assert "<no description>" not in text


def test_describe_shows_the_events_of_a_run(team: Team, web: JSON) -> None:
    text = team.kubectl("describe", "imagebuild", "web")
    events = text[text.index("Events:") :]
    assert re.search(r"Normal +Started +\S+ +imagebuild-operator +Run 1 started in Pod web-1-1-", events), events
    assert re.search(rf"Normal +Succeeded +\S+ +imagebuild-operator +Run 1 pushed {web['digest']}", events), events
    assert len(events.strip().splitlines()) == 5, events


def test_describe_shows_the_reason_of_a_failure_and_what_to_do(team: Team, web: JSON) -> None:
    text = team.kubectl("describe", "imagebuild", "broken")
    [event] = re.findall(r"Warning +StepFailed +\S+ +imagebuild-operator +(Run 1 failed: .*)", text)
    failure = team.status("broken")["failure"]
    for said in (failure["message"], failure["hint"]):
        assert said in event
    assert re.search(rf"^    Hint: +{re.escape(failure['hint'])}$", text, re.MULTILINE), text
