"""The operator as a process: how it ends, what it says about itself, and what it needs to be allowed."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from imagebuild_operator.shell.permissions import REQUIRED
from tests import installation
from tests.cluster.handle import ClusterHandle
from tests.e2e.exposition import ask_operator, operator_pod, sample
from tests.e2e.team import JSON, Team

ENDS_WITHIN_SECONDS = 10.0


def test_sigterm_ends_it_soon_and_running_builds_are_finished_by_the_next(team: Team) -> None:
    cluster = team.cluster
    running, fresh = ("running-1", "running-2"), ("fresh-1", "fresh-2")
    team.apply(*(team.manifest(name, team.inline("RUN sleep 6 && echo built > /built")) for name in running))
    for name in running:
        team.until_building(name)
    pod = operator_pod(cluster)

    def follow_log() -> tuple[str, float]:
        """Its last line, and when it ended, which is when the process did."""
        text = cluster.kubectl("logs", "-f", pod, "-n", installation.NAMESPACE)
        return text.splitlines()[-1], time.monotonic()

    with ThreadPoolExecutor() as pool:
        log = pool.submit(follow_log)
        # Builds that come in the very moment, so that there is something to be done half.
        pool.submit(team.apply, *(team.manifest(name) for name in fresh))
        started = time.monotonic()
        cluster.kubectl("delete", "pod", pod, "-n", installation.NAMESPACE, "--grace-period=30")
        last, ended = log.result()
    assert json.loads(last)["message"] == "Stopped"
    assert ended - started < ENDS_WITHIN_SECONDS
    for name in (*running, *fresh):
        status = team.result(name)
        assert (status["phase"], status["run"]["number"], status["run"]["attempt"]) == ("Succeeded", 1, 1), team.story()
        assert status["digest"] == team.digest(team.image(name))
        assert [each["metadata"]["name"] for each in team.pods(name)] == [status["run"]["podName"]]


def test_it_says_that_it_lives_and_serves(cluster: ClusterHandle, operator: None) -> None:
    assert ask_operator(cluster, "/healthz") == "ok\n"
    assert ask_operator(cluster, "/readyz") == "ok\n"


def test_its_metrics_move_with_a_build(team: Team) -> None:
    before = ask_operator(team.cluster, "/metrics")
    team.apply(team.manifest("web"), team.manifest("broken", team.inline("RUN exit 3")))
    assert team.result("web")["phase"] == "Succeeded"
    assert team.result("broken")["failure"]["reason"] == "StepFailed"
    after = ask_operator(team.cluster, "/metrics")

    def increase(name: str, **labels: str) -> float:
        return sample(after, name, **labels) - sample(before, name, **labels)

    assert increase("imagebuild_builds_total", result="succeeded", reason="Succeeded") >= 1
    assert increase("imagebuild_builds_total", result="failed", reason="StepFailed") >= 1
    assert increase("imagebuild_build_duration_seconds_count", result="succeeded") >= 1
    assert increase("imagebuild_build_duration_seconds_sum", result="succeeded") >= 1
    assert increase("imagebuild_api_requests_total", verb="patch", resource="imagebuilds/status", code="200") >= 4
    assert increase("imagebuild_api_requests_total", verb="create", resource="pods", code="201") >= 2
    assert increase("imagebuild_reconcile_errors_total") == 0
    assert sample(after, "imagebuild_operator_info") == 1


def test_its_service_leads_to_the_metrics(cluster: ClusterHandle, operator: None) -> None:
    service = f"services/{installation.RELEASE}-metrics:http"
    text = cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{installation.NAMESPACE}/{service}/proxy/metrics")
    assert "# TYPE imagebuild_builds_total counter" in text


def test_its_log_lines_are_json_and_name_the_build_and_the_run(team: Team) -> None:
    assert team.build("web")["phase"] == "Succeeded"
    lines = [json.loads(line) for line in installation.operator_log(team.cluster, lines=-1).splitlines()]
    for line in lines:
        assert {"time", "level", "logger", "message"} <= line.keys()
        assert datetime.fromisoformat(line["time"]).tzinfo is not None
    ours = [line for line in lines if line.get("namespace") == team.namespace]
    assert {(line["name"], line["run"]) for line in ours} == {("web", 1)}
    pod = team.status("web")["run"]["podName"]
    assert [line["message"] for line in ours] == [
        "Status written: phase Building, reason Building",
        f"Pod {pod} created",
        "Status written: phase Succeeded, reason Succeeded",
    ]


@pytest.mark.parametrize("namespaced", [False, True], ids=["cluster-wide", "one-namespace"])
def test_without_permissions_it_ends_and_names_each(
    team: Team, operator_image: tuple[str, str], namespaced: bool
) -> None:
    team.apply(powerless(team, ":".join(operator_image), team.namespace if namespaced else ""))
    team.until(lambda: state(team).get("terminated") is not None, "end of the operator without permissions", 60)
    log = team.kubectl("logs", "powerless")
    assert state(team)["terminated"]["exitCode"] == 1, log
    where = f'in namespace "{team.namespace}"' if namespaced else "in all namespaces"
    said = [json.loads(line)["message"] for line in log.splitlines()]
    for permission in REQUIRED:
        wanted = f'A permission is missing: the operator may not {permission.verb} "{permission.target}" ('
        assert [where in message for message in said if message.startswith(wanted)] == [True], log
    assert len(said) == len(REQUIRED), log


def powerless(team: Team, image: str, namespaces: str) -> JSON:
    """The operator with the namespace's own ServiceAccount, which nobody has granted anything."""
    environment = {"IMAGEBUILD_OPERATOR_IMAGE": image, "IMAGEBUILD_WATCH_NAMESPACES": namespaces}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "powerless", "namespace": team.namespace},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "operator",
                    "image": image,
                    "env": [{"name": name, "value": value} for name, value in environment.items()],
                }
            ],
        },
    }


def state(team: Team) -> JSON:
    statuses = team.cluster.get("pod", "powerless", "-n", team.namespace)["status"].get("containerStatuses", [{}])
    found: JSON = statuses[0].get("state", {})
    return found
