"""Failed builds: the status says why in words, how the build ended, and what it said last."""

import json
import re
from collections.abc import Iterator

import pytest

from imagebuild_operator.core.pods import PodView
from imagebuild_operator.pod.manifest import pod_name
from tests.cluster.handle import ClusterHandle
from tests.cluster.namespaces import Namespaces
from tests.cluster.nodes import FIRST
from tests.e2e.failing_builds import CLAIMED, FAILING, FAKED, PASSWORD, Failing, fake_executor, memory, prepare, tags
from tests.e2e.operator_process import held_up, operator_processes
from tests.e2e.team import JSON, Team


@pytest.fixture(scope="module")
def ground(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    """One namespace in which all builds of this module run at once; each test waits for its own."""
    team = Team.create(cluster, "failures")
    prepare(team)
    survivor = team.manifest("survivor", team.inline("RUN tail /dev/zero || true"), resources=memory("128Mi"))
    taken = team.manifest("taken", team.inline("LABEL a=b"))
    team.apply(fake_executor(team), *(case.manifest(team) for case in FAILING), survivor, taken)
    team.result("fake-executor")
    team.apply(*(case.manifest(team) for case in FAKED))
    yield team
    cluster.kubectl("delete", "namespace", team.namespace, "--wait=false")


def conditions(status: JSON) -> dict[str, JSON]:
    return {condition["type"]: condition for condition in status["conditions"]}


def assert_text(pattern: str, text: str) -> None:
    assert re.search(pattern, text, re.MULTILINE) if pattern else not text, f"{pattern!r} is not in {text!r}"


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=pytest.mark.cause(case.cause)) for case in (*FAILING, *FAKED)]
)
def test_a_failed_build_says_why(ground: Team, case: Failing) -> None:
    status = ground.result(case.name)
    assert status["phase"] == "Failed"
    failure = status["failure"]
    assert failure["reason"] == case.reason, failure
    assert_text(case.message, failure["message"])
    assert_text(case.hint, failure.get("hint", ""))
    assert_text(case.log, failure.get("logTail", ""))
    assert failure.get("exitCode") in ((case.exit_code, None) if case.evicted else (case.exit_code,))
    assert not {"digest", "image", "images"} & set(status)
    assert_conditions_of_a_failure(status, failure)
    assert "Usage:" not in json.dumps(failure), "the executor's 85 lines of flags hide the error"
    assert PASSWORD not in json.dumps(status)


def assert_conditions_of_a_failure(status: JSON, failure: JSON) -> None:
    told = conditions(status)
    assert {kind: (each["status"], each["reason"]) for kind, each in told.items()} == {
        "Succeeded": ("False", failure["reason"]),
        "Ready": ("False", failure["reason"]),
        "Stalled": ("True", failure["reason"]),
    }
    assert told["Stalled"]["message"].startswith(failure["message"])


def test_nothing_is_in_the_registry_and_an_event_tells_of_each(ground: Team) -> None:
    cases = (*FAILING, *FAKED)
    for case in cases:
        ground.result(case.name)
    assert tags(ground) & {"fake-executor", *(case.name for case in cases)} == {"fake-executor"}
    events = ground.cluster.get("events", "-n", ground.namespace)["items"]
    told = {(event["involvedObject"]["name"], event["reason"]) for event in events if event["type"] == "Warning"}
    assert {(case.name, case.reason) for case in cases} <= told


def test_a_digest_left_before_the_push_failed_is_not_believed(ground: Team) -> None:
    """The real executor, when the registry refuses its push, and a fake one leave a digest and exit with 1."""
    for name in ("push-refused", "digest-and-exit-1"):
        status = ground.result(name)
        [pod] = [PodView.parse(raw) for raw in ground.pods(name)]
        assert pod.build is not None
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", pod.build.message), "without it this test proves nothing"
        assert pod.build.exit_code == 1
        assert status["phase"] == "Failed"
        assert pod.build.message not in json.dumps(status)


def test_a_step_that_survives_the_memory_limit_is_a_success_with_a_warning(ground: Team) -> None:
    status = ground.result("survivor")
    [pod] = [PodView.parse(raw) for raw in ground.pods("survivor")]
    assert pod.build is not None
    assert (pod.build.exit_code, pod.build.reason) == (0, "OOMKilled"), "without it this test proves nothing"
    assert status["phase"] == "Succeeded"
    assert status["digest"] == ground.digest(ground.image("survivor"))
    assert "failure" not in status
    for condition in status["conditions"]:
        assert "killed at the memory limit" in condition["message"]
    ground.until(lambda: bool(warnings_of(ground, "survivor")), "Warning Event", 10)
    [(reason, text)] = warnings_of(ground, "survivor")
    assert reason == "OutOfMemorySurvived"
    assert status["digest"] in text
    assert "spec.resources.limits.memory above 128Mi" in text


def warnings_of(team: Team, name: str) -> list[tuple[str, str]]:
    return [(event["reason"], event["message"]) for event in team.events(name) if event["type"] == "Warning"]


@pytest.mark.cause("pod-name-taken")
def test_a_foreign_pod_of_the_same_name_is_neither_used_nor_touched(ground: Team) -> None:
    first = ground.result("taken")
    assert first["phase"] == "Succeeded"
    build = ground.get("taken")
    name = pod_name("taken", build["metadata"]["uid"], 2, 1)
    foreign = foreign_pod(ground, name)
    ground.request("taken", "again")
    status = ground.until_status("taken", lambda status: status["phase"] == "Failed", "conflict")
    assert status["failure"]["reason"] == "NameConflict"
    assert name in status["failure"]["message"]
    assert_conditions_of_a_failure(status, status["failure"])
    assert status["digest"] == first["digest"], "it still describes the last success"
    assert ground.cluster.get("pod", name, "-n", ground.namespace)["metadata"]["uid"] == foreign
    ground.kubectl("delete", "pod", name, "--grace-period=0", "--force")
    ground.request("taken", "now that it is gone")
    status = ground.until_status("taken", lambda status: status["phase"] == "Succeeded", "success")
    assert status["run"]["number"] == 3
    assert "failure" not in status


def foreign_pod(team: Team, name: str) -> str:
    """A Pod that looks like the second run's in everything but its owner, and has succeeded; returns its uid."""
    labels = {"app.kubernetes.io/managed-by": "imagebuild-operator", "imagebuild.dev/build": "taken"}
    say = f"printf %s {CLAIMED} >/dev/termination-log"
    team.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": team.namespace,
                "labels": labels,
                "annotations": {"imagebuild.dev/run": "2"},
            },
            "spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "build", "image": team.busybox, "command": ["/bin/sh", "-c", say]}],
            },
        }
    )

    def pod() -> JSON:
        return team.cluster.get("pod", name, "-n", team.namespace)

    team.until(lambda: pod()["status"]["phase"] == "Succeeded", f"end of Pod {name}", 60)
    return str(pod()["metadata"]["uid"])


def test_of_a_log_that_is_gone_before_it_is_read_the_kubelets_copy_of_its_end_is_told(ground: Team) -> None:
    """The operator comes to look when the node has the container's log no more."""
    ground.apply(ground.manifest("unread", ground.inline("RUN sleep 5 && echo what the step says && exit 7")))
    pod = ground.until_building("unread")
    operators = operator_processes()
    with held_up():
        ground.until(lambda: phase_of(ground, pod) == "Failed", f"end of Pod {pod}", 60)
        assert ground.status("unread")["phase"] == "Building", "without it this test proves nothing"
        remove_log(ground, pod)
        assert ground.log("unread").startswith("failed to try resolving symlinks in path ")
    status = ground.result("unread", 60)
    failure = status["failure"]
    assert (status["phase"], failure["reason"], failure["exitCode"]) == ("Failed", "StepFailed", 7), failure
    assert "what the step says" in failure["logTail"]
    assert_conditions_of_a_failure(status, failure)
    assert (status["run"]["attempt"], len(ground.pods("unread"))) == (1, 1)
    assert operator_processes() == operators


def phase_of(team: Team, pod: str) -> str:
    [phase] = [each["status"]["phase"] for each in team.pods() if each["metadata"]["name"] == pod]
    return str(phase)


def remove_log(team: Team, pod: str) -> None:
    """Take the log of the container that builds off the node."""
    uid = team.cluster.get("pod", pod, "-n", team.namespace)["metadata"]["uid"]
    inside = Namespaces(team.cluster.processes.find("namespaces"))
    inside.run("rm", "-r", str(FIRST.data / "pod-logs" / f"{team.namespace}_{pod}_{uid}" / "build"))
