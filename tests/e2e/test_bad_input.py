"""What users and the cluster do wrong: refused with words when applied, or survived."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.handle import ClusterHandle
from tests.e2e.missing import assert_waited, until_told
from tests.e2e.team import JSON, Team

LATE_SECRET = "late-login"
TOLD_WITHIN_SECONDS = 30


@pytest.fixture(scope="module")
def ground(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    """One namespace with the builds of this module: one waits for its Secret, while two others are disturbed."""
    team = Team.create(cluster, "bad-input")
    late = {**team.registries, "secretRefs": [{"name": LATE_SECRET}]}
    endless = team.inline("RUN echo started && sleep 300")
    team.apply(
        team.manifest("late", team.inline("LABEL is=late"), registries=late),
        team.manifest("deleted", endless),
        team.manifest("bereft", endless),
    )
    yield team
    team.delete()


FILE = {"path": "Dockerfile", "content": "FROM scratch\n"}
GIT = {"url": "https://git.imb.test:15443/public/app.git"}


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        pytest.param(
            {"source": {"git": GIT, "inline": {"files": [FILE]}}},
            "spec.source",
            "exactly one of git, inline, ",
            id="two sources",
        ),
        pytest.param({"source": {"subPath": "web"}}, "spec.source", "exactly one of git, inline, ", id="no source"),
        pytest.param({"dockerfile": "../Dockerfile"}, "spec.dockerfile", "..", id="a Dockerfile above the context"),
        pytest.param(
            {"source": {"git": GIT, "subPath": "web/../.."}},
            "spec.source.subPath",
            "..",
            id="a context above the source",
        ),
        pytest.param(
            {"source": {"inline": {"files": [FILE | {"path": "../etc/passwd"}]}}},
            "spec.source.inline.files[0].path",
            "..",
            id="a file above the context",
        ),
        pytest.param(
            {"output": {"images": ["registry.imb.test:15000/Shop/web:1"]}},
            "spec.output.images[0]",
            "lower",
            id="capital letters",
        ),
        pytest.param(
            {"privileged": True}, "spec.privileged", "field not declared in schema", id="a field that is not there"
        ),
    ],
)
def test_what_can_never_work_is_refused_when_applied(ground: Team, spec: JSON, field: str, words: str) -> None:
    with pytest.raises(ClusterError) as refused:
        ground.apply(ground.manifest("refused", **spec))
    assert field in str(refused.value)
    assert words in str(refused.value)


def test_a_deleted_build_takes_its_pod_along(ground: Team) -> None:
    pod = ground.until_building("deleted")
    ground.kubectl("delete", "imagebuild", "deleted")
    ground.until(lambda: not ground.pods("deleted"), f"end of Pod {pod}", 60)
    assert [line for line in ground.operator_log() if line["level"] not in ("info", "debug")] == []


def test_a_deleted_pod_is_told_and_another_one_builds(ground: Team) -> None:
    pod = ground.until_building("bereft")
    ground.kubectl("delete", "pod", pod)
    status = ground.until_status("bereft", lambda status: status["run"]["attempt"] == 2, "next attempt")
    assert status["failure"]["reason"] == "PodLost"
    assert "deleted" in status["failure"]["message"]
    assert "digest" not in status
    assert status["run"]["attempts"][1]["reason"] == "PodLost"
    ground.request("bereft", "once more")
    status = ground.until_status("bereft", lambda status: status["run"]["number"] == 2, "next run")
    assert status["run"]["podName"] != pod
    assert status["lastHandledRequest"] == "once more"
    assert "failure" not in status


def test_a_secret_that_comes_late_is_told_of_and_waited_for(ground: Team) -> None:
    status = until_told(ground, "late", f'"{LATE_SECRET}" not found', TOLD_WITHIN_SECONDS)
    assert {condition["type"]: condition["status"] for condition in status["conditions"]} == {
        "Succeeded": "Unknown",
        "Ready": "Unknown",
        "Reconciling": "True",
    }
    secret = ground.cluster.pull_secret(LATE_SECRET, ground.cluster.registry)
    ground.apply(secret | {"metadata": {"name": LATE_SECRET, "namespace": ground.namespace}})
    assert_waited(ground, "late")
    assert ground.status("late")["digest"] == ground.digest(ground.image("late"))
    assert_told_in_time_and_posted_once(ground)


def assert_told_in_time_and_posted_once(team: Team) -> None:
    created = datetime.fromisoformat(team.get("late")["metadata"]["creationTimestamp"])
    writes = [write for write in team.writes() if write["objectRef"].get("name", "").startswith("late")]
    pods = [write for write in writes if (write["verb"], write["objectRef"]["resource"]) == ("create", "pods")]
    assert len(pods) == 1
    patches = [write for write in writes if write["verb"] == "patch"]
    told = datetime.fromisoformat(patches[1]["requestReceivedTimestamp"])
    assert (told - created).total_seconds() <= TOLD_WITHIN_SECONDS
    assert len(patches) <= 4, "recorded, told, building, pushed"
