"""Memory: builds that are killed for want of it, that find what they need, and that remember it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.handle import ClusterHandle
from tests.e2e.failing_builds import ONE_ATTEMPT, memory
from tests.e2e.team import JSON, Team

# Busybox keeps the one long line in memory: more than 96 MiB of it, and less than 192 with what the executor takes.
HUNGRY = "RUN head -c 110000000 /dev/zero | tail >/dev/null"
MANY_FILES = "RUN mkdir /many && cd /many && seq {} | xargs touch"
RANDOM = "RUN dd if=/dev/urandom of=/random bs=1M count={}"
CONFINING: dict[str, JSON] = {
    "LimitRange": {"limits": [{"type": "Container", "max": {"memory": "160Mi"}}]},
    "ResourceQuota": {"hard": {"limits.memory": "160Mi"}},
}


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None, confined: dict[str, Team]) -> Iterator[Team]:
    """One namespace with all builds of this module but those of the namespaces that allow little."""
    space = Team.create(cluster, "memory")
    space.apply(
        build(space, "late", "RUN echo nothing more to say && sleep 600", timeout="45s"),
        build(space, "silent", "RUN echo nothing more to say && sleep 600", noOutputTimeout="8s"),
        build(space, "grows", HUNGRY, resources=memory("96Mi")),
        build(space, "executor", MANY_FILES.format(120000), resources=memory("40Mi"), retry=ONE_ATTEMPT),
        build(space, "step", "RUN tail /dev/zero", resources=memory("64Mi"), retry=ONE_ATTEMPT),
        build(space, "child", "RUN tail /dev/zero; exit $?", resources=memory("64Mi"), retry=ONE_ATTEMPT),
        build(space, "one-step-up", "RUN tail /dev/zero", resources=memory("64Mi"), retry={"memoryLimit": "100Mi"}),
        build(space, "large-layer", RANDOM.format(192), resources=memory("64Mi"), retry=ONE_ATTEMPT),
        build(space, "many-files", MANY_FILES.format(20000), resources=memory("96Mi"), retry=ONE_ATTEMPT),
    )
    yield space
    space.delete()


@pytest.fixture(scope="module")
def confined(cluster: ClusterHandle, operator: None) -> Iterator[dict[str, Team]]:
    """The namespaces that allow little, each with a build that needs more."""
    spaces = {kind: Team.create(cluster, f"confined {kind}") for kind in CONFINING}
    little = {"limits": {"memory": "128Mi"}}
    try:
        cluster.apply(*(confining(space, kind) for kind, space in spaces.items()))
        quota = ("ResourceQuota", "little", "-n", spaces["ResourceQuota"].namespace)
        spaces["ResourceQuota"].until(lambda: "used" in cluster.get(*quota)["status"], "quota", 30)
        for space in spaces.values():
            space.apply(build(space, "grows", HUNGRY, resources=memory("96Mi"), sourceResources=little))
        yield spaces
    finally:
        for space in spaces.values():
            space.delete()


def confining(team: Team, kind: str) -> JSON:
    metadata = {"name": "little", "namespace": team.namespace}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": CONFINING[kind]}


def build(team: Team, name: str, *lines: str, **spec: Any) -> JSON:
    return team.manifest(name, team.inline(*lines), **spec)


def limits(team: Team, name: str) -> dict[str, str]:
    """The memory limit that each Pod of a build had, by run and attempt."""
    found = {}
    for pod in team.pods(name):
        labels = pod["metadata"]["labels"]
        attempt = f"{labels['imagebuild.dev/run']}-{labels['imagebuild.dev/attempt']}"
        found[attempt] = pod["spec"]["containers"][0]["resources"]["limits"]["memory"]
    return found


def killed(team: Team, name: str) -> list[tuple[int, str]]:
    """How the containers of a build's Pods ended, the first one first."""
    pods = sorted(team.pods(name), key=lambda pod: int(pod["metadata"]["labels"]["imagebuild.dev/attempt"]))
    ends = [pod["status"]["containerStatuses"][0]["state"]["terminated"] for pod in pods]
    return [(end["exitCode"], end["reason"]) for end in ends]


def reasons(status: JSON) -> list[str]:
    return [attempt["reason"] for attempt in reversed(status["run"]["attempts"])]


def warnings(team: Team, name: str, reason: str) -> list[str]:
    events = team.events(name)
    return [event["message"] for event in events if (event["type"], event["reason"]) == ("Warning", reason)]


# --- more memory ---------------------------------------------------------------------------------------------------


def test_a_build_finds_the_memory_it_needs_and_its_next_run_starts_with_it(team: Team) -> None:
    status = team.result("grows")
    assert status["phase"] == "Succeeded", status
    assert reasons(status) == ["OutOfMemory", "Succeeded"]
    assert status["run"]["retries"] == {"memory": 1}
    assert killed(team, "grows")[0][1] == "OOMKilled"
    assert status["memory"]["learned"] == "192Mi"
    assert "limit" not in status["memory"]
    assert status["digest"] == team.digest(team.image("grows"))
    again = team.rebuild("grows", "again")
    assert (again["phase"], reasons(again), again["run"]["number"]) == ("Succeeded", ["Succeeded"], 2)
    assert again["memory"] == status["memory"]
    assert limits(team, "grows") == {"1-1": "96Mi", "1-2": "192Mi", "2-1": "192Mi"}
    larger = next(pod for pod in team.pods("grows") if pod["metadata"]["labels"]["imagebuild.dev/run"] == "2")
    assert larger["spec"]["containers"][0]["resources"]["requests"]["memory"] == "64Mi"
    [told] = warnings(team, "grows", "OutOfMemory")
    assert "Attempt 2 of run 1" in told
    assert "with 192Mi of memory" in told
    assert "spec.resources" not in told, "nobody has to do what the operator has just done"
    starts = [event["message"] for event in team.events("grows") if event["reason"] == "Started"]
    assert sorted(each.partition(" started in ")[0] for each in starts) == ["Attempt 2 of run 1", "Run 1", "Run 2"]
    # A limit of the spec's own above it ends what was learned.
    team.change("grows", resources=memory("256Mi"))
    last = team.rebuild("grows", "with more of its own")
    assert last["phase"] == "Succeeded"
    assert "memory" not in last
    assert limits(team, "grows")["3-1"] == "256Mi"


def test_the_limit_is_raised_no_further_than_it_may(team: Team) -> None:
    status = team.result("one-step-up")
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "OutOfMemory")
    assert limits(team, "one-step-up") == {"1-1": "64Mi", "1-2": "100Mi"}
    assert "above 100Mi" in status["failure"]["hint"]
    assert status["memory"] == {"limit": "100Mi"}


@pytest.mark.cause("no-output")
def test_silence_counts_as_memory_once(team: Team) -> None:
    status = team.result("silent")
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "NoOutput")
    assert reasons(status) == ["NoOutput", "NoOutput"]
    assert status["run"]["retries"] == {"memory": 1}
    assert status["memory"] == {"limit": "1Gi"}


def test_a_build_out_of_time_that_was_silent_for_long_has_a_hint(team: Team) -> None:
    status = team.result("late")
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "Timeout")
    assert "It said nothing for its last" in status["failure"]["hint"]
    assert "spec.resources.limits.memory" in status["failure"]["hint"]
    assert (status["run"]["attempt"], "memory" in status) == (1, False)


# --- who was killed ------------------------------------------------------------------------------------------------


@pytest.mark.cause("memory-limit")
@pytest.mark.parametrize(
    ("name", "end", "message"),
    [
        (
            "executor",
            (137, "OOMKilled"),
            "The executor was killed at the build's memory limit of 40Mi (exit code 137).",
        ),
        (
            "step",
            (255, "OOMKilled"),
            "A process of a RUN step was killed at the build's memory limit of 64Mi (exit code 255).",
        ),
        (
            "child",
            (137, "OOMKilled"),
            "A process of a RUN step was killed at the build's memory limit of 64Mi (exit code 137).",
        ),
    ],
)
def test_who_was_killed_is_told(team: Team, name: str, end: tuple[int, str], message: str) -> None:
    status = team.result(name)
    assert killed(team, name) == [end], "without it this test proves nothing"
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "OutOfMemory")
    assert status["failure"]["message"] == message
    assert "memory" not in status
    assert (status["run"]["attempt"], "retries" in status["run"]) == (1, False)


# --- namespaces that allow no more ---------------------------------------------------------------------------------


@pytest.mark.cause("memory-not-allowed")
@pytest.mark.parametrize("kind", CONFINING)
def test_a_namespace_that_allows_no_larger_pod_is_told_of(confined: dict[str, Team], kind: str) -> None:
    space = confined[kind]
    status = space.result("grows")
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "MemoryNotAllowed")
    assert reasons(status) == ["OutOfMemory", "MemoryNotAllowed"]
    assert "takes no Pod with 192Mi" in status["failure"]["message"]
    assert ("little" if kind == "ResourceQuota" else "160Mi") in status["failure"]["message"]
    assert "spec.retry.memoryLimit" in status["failure"]["hint"]
    posts = [each for each in space.writes() if (each["verb"], each["objectRef"]["resource"]) == ("create", "pods")]
    assert [each["responseStatus"]["code"] for each in posts] == [201, 403]


# --- how little is enough ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["large-layer", "many-files"])
def test_the_size_of_a_layer_is_no_matter_of_memory(team: Team, name: str) -> None:
    """The large ones are in `make soak`: 2 GiB within 64 Mi, 200,000 files within 256 Mi."""
    status = team.result(name)
    assert status["phase"] == "Succeeded", status
    assert killed(team, name) == [(0, "Completed")]
    assert status["digest"] == team.digest(team.image(name))
