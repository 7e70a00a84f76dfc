"""The operator dies, and dies again, while builds run: every image is built once, and told of rightly."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests import installation
from tests.cluster import cgroups
from tests.cluster.handle import ClusterHandle
from tests.e2e.team import FINISHED, JSON, Team

BUILDS = 20
KILLS = 10
AT_ONCE = 4
STOP_SECONDS = 10.0
SELECTOR = ("-n", installation.NAMESPACE, "-l", f"app.kubernetes.io/name={installation.RELEASE}")
COMMAND = b"python3\0-m\0imagebuild_operator\0"


@pytest.fixture
def team(team: Team) -> Iterator[Team]:
    """A namespace of its own, and an operator that is ready again afterwards."""
    yield team
    team.until(lambda: bool(ready_pods(team.cluster)), "operator that is ready", 60)


def operator_pods(cluster: ClusterHandle) -> list[JSON]:
    items: list[JSON] = cluster.get("pods", *SELECTOR)["items"]
    return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]


def ready_pods(cluster: ClusterHandle) -> list[JSON]:
    return [
        pod
        for pod in operator_pods(cluster)
        if {"type": "Ready", "status": "True"}.items()
        <= next((c for c in pod["status"].get("conditions", []) if c["type"] == "Ready"), {}).items()
    ]


def operator_processes() -> set[int]:
    """The operator's process on the node, found among the cluster's own ones by its whole command line."""
    found = set()
    for pid in cgroups.processes():
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes() == COMMAND:
                found.add(pid)
    return found


def signal_operator(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def replace_pods(cluster: ClusterHandle) -> None:
    """Have the Deployment make a new Pod: the kubelet would wait longer before each restart within the same one."""
    names = [pod["metadata"]["name"] for pod in operator_pods(cluster)]
    cluster.kubectl("delete", "pod", "-n", installation.NAMESPACE, "--force", "--grace-period=0", *names)


def phases(team: Team) -> dict[str, str]:
    items = team.cluster.get("imagebuilds", "-n", team.namespace)["items"]
    return {build["metadata"]["name"]: build["status"]["phase"] for build in items}


def unfinished(team: Team) -> int:
    return sum(phase not in FINISHED for phase in phases(team).values())


def created_pods(team: Team) -> list[str]:
    """Names of all Pods that were ever made in the namespace, by anybody."""
    return [
        entry["objectRef"]["name"]
        for entry in team.cluster.audit_entries(team.since)
        if entry["verb"] == "create"
        and entry["objectRef"].get("namespace") == team.namespace
        and (entry["objectRef"]["resource"], entry["objectRef"].get("subresource")) == ("pods", None)
        and entry["responseStatus"]["code"] == 201
    ]


def test_twenty_builds_outlive_ten_hard_kills(team: Team) -> None:
    builds = [team.manifest(f"build-{n}", team.inline(f"RUN echo {n} >/number")) for n in range(BUILDS)]
    share = BUILDS // KILLS
    with ThreadPoolExecutor(max_workers=1) as pool:
        for kill in range(KILLS):
            team.until(lambda: unfinished(team) <= AT_ONCE - share and bool(operator_processes()), "room for more")
            victims = operator_processes()
            applied = pool.submit(team.apply, *builds[kill * share : (kill + 1) * share])
            # Another moment of the first steps each time: the record, the Pod, the kubelet's first words.
            time.sleep(0.1 + kill * 0.06)
            signal_operator(victims, signal.SIGKILL)
            replace_pods(team.cluster)
            applied.result()
    team.until(lambda: unfinished(team) == 0, "end of all builds")
    statuses = {name: team.status(name) for name in phases(team)}
    assert len(statuses) == BUILDS
    assert {status["phase"] for status in statuses.values()} == {"Succeeded"}
    assert {(status["run"]["number"], status["run"]["attempt"]) for status in statuses.values()} == {(1, 1)}
    assert {name: status["digest"] for name, status in statuses.items()} == {
        name: team.digest(team.image(name)) for name in statuses
    }
    assert len({status["digest"] for status in statuses.values()}) == BUILDS
    pods = created_pods(team)
    assert len(pods) == BUILDS
    assert set(pods) == {status["run"]["podName"] for status in statuses.values()}


def test_an_operator_that_is_asked_to_stop_does_so_within_seconds_and_the_build_goes_on(team: Team) -> None:
    replace_pods(team.cluster)
    team.until(lambda: bool(ready_pods(team.cluster)), "operator that is ready", 60)
    [pod] = ready_pods(team.cluster)
    team.apply(team.manifest("web", team.inline("RUN sleep 3")), team.manifest("shop", team.inline("RUN sleep 3")))
    asked, victims = time.monotonic(), operator_processes()
    signal_operator(victims, signal.SIGTERM)
    team.until(lambda: not victims & operator_processes(), "end of the operator", STOP_SECONDS)
    assert time.monotonic() - asked < STOP_SECONDS
    assert exit_code(team, pod["metadata"]["name"]) == 0
    for name in ("web", "shop"):
        assert team.result(name)["digest"] == team.digest(team.image(name))
    assert len(created_pods(team)) == 2


def exit_code(team: Team, pod: str) -> int:
    """How the first process of the operator's Pod ended, once the kubelet tells."""

    def ended() -> list[JSON]:
        document = team.cluster.get("pod", pod, "-n", installation.NAMESPACE)
        states = [each[state] for each in document["status"]["containerStatuses"] for state in ("state", "lastState")]
        return [state["terminated"] for state in states if "terminated" in state]

    team.until(lambda: bool(ended()), f"word of the end in Pod {pod}", 30)
    return int(ended()[0]["exitCode"])
