"""The cluster takes a build's Pod away: the build goes on in another Pod, and tells of both attempts.

All of it on a second node, which can be drained, filled and lost while everything else stays on the first.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from imagebuild_operator.pod.quantities import amount
from tests.cluster import cgroups
from tests.cluster.errors import ClusterError
from tests.cluster.handle import ClusterHandle
from tests.cluster.logind import Logind
from tests.cluster.namespaces import Namespaces
from tests.cluster.nodes import Node
from tests.cluster.second import wait_for_node
from tests.cluster.settings import NODE_NAME, SECOND_TAINT
from tests.e2e.artifacts import archive
from tests.e2e.binding import NOBODY, bind
from tests.e2e.cheap_builds import unprepared
from tests.e2e.team import FINISHED, JSON, Team

# A Pod's host name is its own, which ends in the numbers of run and attempt and a hash.
FIRST_ATTEMPT_LASTS = "RUN case $(hostname) in *-1-1-*) echo waiting && sleep 600 ;; esac"
TOLERATIONS = [{"key": SECOND_TAINT, "operator": "Exists"}]
DISK_PRESSURE = "node.kubernetes.io/disk-pressure"
INODES_LEFT = 1000
# What all Pods of the second node may use is between this and what makes its kubelet evict. `dd` keeps the block in
# memory until somebody reads on.
HUNGRY_AT_FIRST = "RUN case $(hostname) in *-1-1-*) dd if=/dev/zero bs=640M count=1 | sleep 600 ;; esac"
BYTES_LEFT = 16 << 20


@pytest.fixture(scope="module")
def logind(cluster: ClusterHandle) -> Iterator[Logind]:
    with cluster.logind() as service:
        yield service


@pytest.fixture(scope="module")
def second(cluster: ClusterHandle, logind: Logind) -> Iterator[Node]:
    with cluster.second_node() as node:
        yield node


@pytest.fixture(autouse=True)
def _usable(cluster: ClusterHandle, second: Node) -> Iterator[None]:
    """Each test finds the second node as it was at first."""
    yield
    cluster.kubectl("uncordon", second.name)


def best_on(node: Node, *tolerations: JSON) -> JSON:
    """A Pod template: on this node if it is to be had, but well on any other."""
    here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}]}
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": here}]}
    return {"tolerations": [*TOLERATIONS, *tolerations], "affinity": {"nodeAffinity": preferred}}


def begin(team: Team, name: str, node: Node, step: str = FIRST_ATTEMPT_LASTS, **spec: Any) -> JSON:
    """Start a build whose first attempt lasts until it is taken away, on this node; returns its Pod."""
    team.apply(beginning(team, name, node, step, **spec))
    return begun(team, name, node)


def beginning(team: Team, name: str, node: Node, step: str = FIRST_ATTEMPT_LASTS, **spec: Any) -> JSON:
    return team.manifest(name, team.inline(step), podTemplate=best_on(node), registries=unprepared(team), **spec)


def begun(team: Team, name: str, node: Node) -> JSON:
    """The Pod of a build, once it builds on this node."""
    pod = team.cluster.get("pod", team.until_building(name), "-n", team.namespace)
    assert pod["spec"]["nodeName"] == node.name
    return pod


def assert_second_attempt_succeeded(team: Team, name: str, *reasons: str) -> JSON:
    """One run, two Pods, one digest; the first attempt ended for one of the reasons. Returns the second Pod."""
    status = team.result(name)
    assert_earlier_attempts_ended(status, *reasons)
    run = status["run"]
    assert (run["number"], run["attempt"], run["retries"]) == (1, 2, {"disruptions": 1})
    later, earlier = run["attempts"]
    assert (later["number"], earlier["number"]) == (2, 1)
    assert earlier["startTime"] < earlier["completionTime"] <= later["startTime"] < later["completionTime"]
    assert run["startTime"] == earlier["startTime"]
    assert "failure" not in status
    assert status["digest"] == team.digest(team.image(name))
    assert [entry["digest"] for entry in status["history"]] == [status["digest"]]
    return team.cluster.get("pod", run["podName"], "-n", team.namespace)


def assert_earlier_attempts_ended(status: JSON, *reasons: str) -> None:
    """A success whose attempts of before, however many, ended for one of the reasons and were counted."""
    assert status["phase"] == "Succeeded", status
    later, *earlier = status["run"]["attempts"]
    assert later["reason"] == "Succeeded"
    assert {attempt["reason"] for attempt in earlier} <= set(reasons)
    assert status["run"]["retries"] == {"disruptions": len(earlier)}


def grace_periods(entries: list[JSON]) -> list[int | None]:
    """What the deletions of Pods among some requests asked for; 0 ends a Pod on paper before its node has."""
    deletions = [entry for entry in entries if (entry["verb"], entry["objectRef"]["resource"]) == ("delete", "pods")]
    return [(entry.get("requestObject") or {}).get("gracePeriodSeconds") for entry in deletions]


@pytest.fixture(scope="module")
def left(cluster: ClusterHandle, operator: None, second: Node) -> Iterator[Team]:
    """Two builds on the second node: the Pod of one is deleted by hand, and then the node is drained of the other."""
    team = Team.create(cluster, "left")
    team.apply(*(beginning(team, name, second) for name in ("deleted", "drained")))
    pods = {name: begun(team, name, second)["metadata"]["name"] for name in ("deleted", "drained")}
    cluster.kubectl("cordon", second.name)
    team.kubectl("delete", "pod", pods["deleted"])
    # Without --force, which only Pods without a controller need.
    cluster.kubectl("drain", second.name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
    yield team
    team.delete()


@pytest.mark.cause("pod-disrupted")
def test_a_build_on_a_drained_node_is_built_on_another(left: Team) -> None:
    pod = assert_second_attempt_succeeded(left, "drained", "Disrupted")
    assert pod["spec"]["nodeName"] == NODE_NAME


@pytest.mark.cause("pod-deleted")
def test_a_pod_deleted_by_hand_is_replaced(left: Team) -> None:
    assert_second_attempt_succeeded(left, "deleted", "PodLost")


@pytest.mark.cause("pod-preempted")
def test_a_build_gives_way_to_a_pod_of_higher_priority(team: Team, second: Node) -> None:
    """Beside two thirds of the node's memory there is no room for two thirds more."""
    node = team.cluster.get("node", second.name)
    memory = f"{in_kibibytes(node['status']['allocatable']['memory']) * 2 // 3}Ki"
    resources = {"requests": {"cpu": "50m", "memory": memory}, "limits": {"memory": memory}}
    begin(team, "preempted", second, resources=resources)
    team.apply(
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": team.namespace},
            "value": 1000,
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "important", "namespace": team.namespace},
            "spec": {
                "priorityClassName": team.namespace,
                "nodeSelector": {"kubernetes.io/hostname": second.name},
                "tolerations": TOLERATIONS,
                "terminationGracePeriodSeconds": 1,
                "containers": [
                    {
                        "name": "important",
                        "image": team.busybox,
                        "command": ["/bin/sleep", "3600"],
                        "resources": {"requests": {"memory": memory}},
                    }
                ],
            },
        },
    )
    pod = assert_second_attempt_succeeded(team, "preempted", "Disrupted")
    assert pod["spec"]["nodeName"] == NODE_NAME
    team.until(lambda: phase(team, "important") == "Running", "start of the important Pod", 60)
    team.cluster.kubectl("delete", "priorityclass", team.namespace)


def in_kibibytes(quantity: str) -> int:
    found = amount(quantity)
    assert found is not None, quantity
    return int(found) // 1024


def phase(team: Team, pod: str) -> str:
    return str(team.cluster.get("pod", pod, "-n", team.namespace)["status"]["phase"])


@contextmanager
def pressure(team: Team, node: Node) -> Iterator[None]:
    """The file system of the node's kubelet, a small one, runs out of inodes."""
    inside = Namespaces(team.cluster.processes.find("namespaces"))
    waste = node.kubelet_root / "waste"
    fill = f"mkdir {waste} && cd {waste} && free=$(stat -f -c %d .) && seq $((free - {INODES_LEFT})) | xargs touch"
    try:
        inside.run("sh", "-c", fill)
        yield
    finally:
        inside.run("rm", "-r", str(waste))
        team.until(lambda: DISK_PRESSURE not in taints(team, node), "end of the pressure", 60)


@pytest.mark.cause("node-pressure")
def test_builds_that_a_node_under_pressure_evicts_or_turns_away_are_built_on_another(team: Team, second: Node) -> None:
    """The scheduler may be late to know of the pressure; the second build tolerates what it would have known it by."""
    begin(team, "squeezed", second)
    with pressure(team, second):
        team.until(lambda: DISK_PRESSURE in taints(team, second), "pressure", 60)
        template = best_on(second, {"key": DISK_PRESSURE, "operator": "Exists"})
        team.apply(team.manifest("turned-away", podTemplate=template))
        team.until_status("turned-away", lambda status: "failure" in status, "failed attempt")
        team.cluster.kubectl("cordon", second.name)
        squeezed, turned_away = team.result("squeezed"), team.result("turned-away")
    assert_earlier_attempts_ended(squeezed, "Evicted")
    pod = team.cluster.get("pod", squeezed["run"]["podName"], "-n", team.namespace)
    assert pod["spec"]["nodeName"] == NODE_NAME
    assert_earlier_attempts_ended(turned_away, "Evicted")


@pytest.mark.cause("node-pressure")
def test_a_build_that_its_node_has_no_memory_for_is_built_again_as_it_was(team: Team, second: Node) -> None:
    """It stays below its own limit, so this is no attempt that ran out of memory."""
    resources = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}
    begin(team, "homeless", second, HUNGRY_AT_FIRST, resources=resources)
    failure = team.until_status("homeless", lambda status: "failure" in status, "failed attempt")["failure"]
    assert failure["reason"] == "Evicted"
    assert "The node was low on resource: memory." in failure["message"]
    assert "request is 64Mi" in failure["message"]
    assert "spec.resources.requests.memory" in failure["hint"]
    status = team.result("homeless")
    assert_earlier_attempts_ended(status, "Evicted")
    assert "memory" not in status
    pods = team.pods("homeless")
    assert len(pods) == len(status["run"]["attempts"]) > 1
    built_with = [pod["spec"]["containers"][0]["resources"] for pod in pods]
    assert {(each["limits"]["memory"], each["requests"]["memory"]) for each in built_with} == {("1Gi", "64Mi")}
    first = min(pods, key=lambda pod: int(pod["metadata"]["labels"]["imagebuild.dev/attempt"]))
    assert first["status"]["reason"] == "Evicted"
    assert "TerminationByKubelet" in {each.get("reason") for each in first["status"]["conditions"]}


def taints(team: Team, node: Node) -> set[str]:
    return {taint["key"] for taint in team.cluster.get("node", node.name)["spec"].get("taints", [])}


@contextmanager
def nearly_full(team: Team, node: Node) -> Iterator[None]:
    """The file system of the node's kubelet, which holds the Pods' folders, has little room left."""
    inside, root = Namespaces(team.cluster.processes.find("namespaces")), str(node.kubelet_root)
    blocks, free, size = map(int, inside.run("stat", "-f", "-c", "%b %f %S", root).split())
    resize = ("mount", "--no-mtab", "-o")
    try:
        inside.run(*resize, f"remount,size={(blocks - free) * size + BYTES_LEFT}", root)
        yield
    finally:
        inside.run(*resize, "remount,size=50%", root)


@pytest.mark.cause("source-disk-full")
def test_a_source_that_fills_the_disk_of_its_node_is_told(team: Team, second: Node) -> None:
    """Even the report that tells of it needs room there."""
    context = {"Dockerfile": team.dockerfile(), "zeros": "\0" * (4 * BYTES_LEFT)}
    template = {"nodeSelector": {"kubernetes.io/hostname": second.name}, "tolerations": TOLERATIONS}
    with team.cluster.file_server() as files, nearly_full(team, second):
        address = files.write("public/zeros.tar.gz", archive(context))
        status = team.build("overflowing", {"http": {"url": address}}, podTemplate=template)
    failure = status["failure"]
    assert (status["phase"], failure["reason"]) == ("Failed", "OutOfStorage"), failure
    assert failure["message"] == "The node's disk is full."
    assert failure["hint"] == "Free space on the nodes. Then set the annotation imagebuild.dev/requestedAt."


@pytest.mark.cause("node-gone")
def test_builds_on_a_node_that_shuts_down_go_on_elsewhere(team: Team, second: Node, logind: Logind) -> None:
    """One that runs there, and one that comes too late."""
    begin(team, "shut-down", second)
    team.apply(team.manifest("too-late", podTemplate=NOBODY, retry={"limit": 0}))
    logind.shut_down()
    try:
        bind(team, "too-late", second.name)
        for name, words in (("shut-down", "imminent node shutdown"), ("too-late", "the node is shutting down")):
            status = team.until_status(name, lambda status: "failure" in status, "failed attempt", 60)
            assert status["failure"]["reason"] == "PodLost"
            assert status["failure"]["message"].startswith("The Pod's node went away: ")
            assert words in status["failure"]["message"]
        # The scheduler may be late to know.
        assert_earlier_attempts_ended(team.result("shut-down"), "PodLost")
    finally:
        logind.call_off()
        wait_for_node(team.cluster, second, team.cluster.processes.find("kubelet-second"))


@pytest.mark.cause("container-lost")
def test_a_build_on_a_node_that_restarts_is_built_again(team: Team, second: Node) -> None:
    """As after a power cut: everything there ends at once, and nobody has seen how."""
    begin(team, "cut-off", second)
    for name in ("kubelet-second", "containerd-second"):
        team.cluster.processes.kill(name)
    assert cgroups.kill_all(second.cgroup)
    # A kubelet that does not find containerd at its start gives up.
    second.runtime_socket.unlink(missing_ok=True)
    team.cluster.processes.revive("containerd-second")
    team.until(second.runtime_socket.exists, "containerd", 60)
    team.cluster.processes.revive("kubelet-second")
    status = team.until_status("cut-off", lambda status: "failure" in status, "failed attempt", 120)
    assert status["failure"]["reason"] == "PodLost"
    assert "The node restarted or lost the container" in status["failure"]["message"]
    assert_second_attempt_succeeded(team, "cut-off", "PodLost")


@pytest.fixture
def lost(team: Team, second: Node) -> Iterator[JSON]:
    """A Pod that was told to go after its node was lost: nobody is there to end it."""
    pod = begin(team, "lost", second)
    team.cluster.processes.kill("kubelet-second")
    try:
        team.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=1", "--wait=false")
        yield pod
    finally:
        if not team.cluster.processes.find("kubelet-second").alive:
            team.cluster.processes.revive("kubelet-second")


def test_a_pod_stuck_on_a_lost_node_is_told_of_and_never_forced_to_go(team: Team, second: Node, lost: JSON) -> None:
    name, uid = lost["metadata"]["name"], lost["metadata"]["uid"]
    status = team.until_status("lost", lambda status: told(status) == "PodTerminating", "word on the Pod", 120)
    [message] = {each["message"] for each in status["conditions"]}
    assert name in message
    assert second.name in message
    assert "--force" in message, "what a person can do about it"
    assert status["phase"] not in FINISHED
    assert status["run"]["attempt"] == 1
    assert team.cluster.get("pod", name, "-n", team.namespace)["metadata"]["uid"] == uid
    team.cluster.processes.revive("kubelet-second")
    assert_second_attempt_succeeded(team, "lost", "PodLost")
    with pytest.raises(ClusterError, match="NotFound"):
        team.cluster.get("pod", name, "-n", team.namespace)
    assert grace_periods(team.writes("imagebuild:admin")) == [1], "without it the next line proves nothing"
    assert 0 not in grace_periods(team.writes())


def told(status: Any) -> str:
    """The one reason of all conditions."""
    [reason] = {each["reason"] for each in status["conditions"]}
    return str(reason)
