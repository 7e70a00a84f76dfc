"""Builds of one concurrency group: one after another, or only the newest of them."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.cluster.handle import ClusterHandle
from tests.e2e.audit import story_of
from tests.e2e.cheap_builds import cheap, lasting, let_go
from tests.e2e.crowd import moment
from tests.e2e.team import JSON, Team
from tests.e2e.watching import BUILD_PODS, Watch, most_live
from tests.unit.core.kstatus import kstatus

GROUP_LABEL = "imagebuild.dev/concurrency-group"
# Not in alphabetical order: it is the time of coming that counts.
IN_TURN = ("third", "first", "second")


@pytest.fixture(scope="module")
def space(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    """One namespace, in which the build runs already that the others of its group will meet."""
    team = Team.create(cluster, "groups")
    lasting_ones = {IN_TURN[0]: "shop", "running": "web", "unwanted": "docs", "paused": "shelf"}
    team.apply(*(lasting(team, name, concurrencyGroup=group) for name, group in lasting_ones.items()))
    yield team
    team.delete()


@pytest.fixture(scope="module")
def watch(space: Team) -> Iterator[Watch]:
    with Watch(space.cluster, BUILD_PODS) as running:
        yield running


def most_of_group(space: Team, watch: Watch, group: str) -> int:
    """The most Pods of a group of this namespace that were live at a time."""

    def kind(pod: JSON) -> str:
        label = pod["metadata"]["labels"].get(GROUP_LABEL, "")
        return label if pod["metadata"]["namespace"] == space.namespace else ""

    return most_live(watch.changes, kind)[group]


def message_of(status: JSON) -> str:
    """The one message of all conditions."""
    [message] = {condition["message"] for condition in status["conditions"]}
    return str(message)


def queue_up(space: Team, manifest: JSON) -> str:
    """Apply a build that has to wait; returns what it is told."""
    name = manifest["metadata"]["name"]
    space.apply(manifest)
    return message_of(space.until_status(name, lambda status: status["phase"] == "Queued", "place in the queue", 30))


def test_a_group_builds_one_after_another_and_others_go_past_it(space: Team, watch: Watch) -> None:
    first, *others = IN_TURN
    space.until_building(first)
    told = [queue_up(space, cheap(space, name, concurrencyGroup="shop")) for name in others]
    assert told[0].endswith(f"for build {first} of its concurrency group to end.")
    assert told[1].endswith("for the builds before it in its concurrency group.")
    # Neither a build of no group nor one of another waits for them.
    space.apply(cheap(space, "alone"), cheap(space, "elsewhere", concurrencyGroup="bakery"))
    for name in ("alone", "elsewhere"):
        assert space.result(name)["phase"] == "Succeeded"
    let_go(space, first)
    runs = []
    for name in IN_TURN:
        status = space.result(name)
        assert status["phase"] == "Succeeded"
        runs.append(status["run"])
    for earlier, later in pairwise(runs):
        assert moment(earlier["completionTime"]) <= moment(later["startTime"])
    assert most_of_group(space, watch, "shop") == 1


def test_the_newest_takes_the_place_of_the_others(space: Team, watch: Watch) -> None:
    newest = cheap(space, "newest", concurrencyGroup="web", concurrencyPolicy="Replace")
    pod = space.until_building("running")
    queue_up(space, cheap(space, "waiting", concurrencyGroup="web"))
    space.apply(newest)
    assert space.result("newest")["phase"] == "Succeeded"
    for name in ("running", "waiting"):
        assert_superseded(space, name)
    assert space.status("running")["run"]["podName"] == pod
    assert "podName" not in space.status("waiting")["run"]
    assert most_of_group(space, watch, "web") == 1
    made = {change.object["metadata"]["name"] for change in watch.changes if is_of(space, change.object, "web")}
    assert made == {pod, space.status("newest")["run"]["podName"]}


def is_of(space: Team, pod: JSON, group: str) -> bool:
    metadata = pod["metadata"]
    return bool(metadata["namespace"] == space.namespace and metadata["labels"].get(GROUP_LABEL) == group)


def assert_superseded(space: Team, name: str) -> None:
    """Cancelled, and a GitOps controller sees that nothing will come of it any more."""
    build = space.get(name)
    status = build["status"]
    assert (status["phase"], status["run"]["reason"]) == ("Cancelled", "Superseded")
    assert {(each["type"], each["status"], each["reason"]) for each in status["conditions"]} == {
        ("Succeeded", "False", "Superseded"),
        ("Ready", "False", "Superseded"),
        ("Stalled", "True", "Superseded"),
    }
    assert "ImageBuild newest, newer in the same concurrency group," in message_of(status)
    assert kstatus(build["metadata"]["generation"], status) == "Failed"
    assert [entry["reason"] for entry in status["history"]] == ["Superseded"]
    assert "failure" not in status
    assert "digest" not in status


def test_its_end_is_recorded_before_its_pod_is_deleted(space: Team) -> None:
    """So that an operator that dies in between does not take the Pod for lost."""
    pod = space.status("running")["run"]["podName"]
    assert story_of(space, "running") == [
        "user patch running",
        "operator patch running",
        f"operator create {pod}",
        "operator patch running",
        f"operator delete {pod}",
        f"kubelet delete {pod}",
    ]


def test_a_deleted_build_keeps_its_group_busy_until_its_pod_is_gone(space: Team, watch: Watch) -> None:
    pod = space.until_building("unwanted")
    queue_up(space, cheap(space, "heir", concurrencyGroup="docs"))
    space.kubectl("delete", "imagebuild", "unwanted")
    assert space.result("heir")["phase"] == "Succeeded"
    assert most_of_group(space, watch, "docs") == 1
    names = [change.object["metadata"]["name"] for change in watch.changes if is_of(space, change.object, "docs")]
    assert list(dict.fromkeys(names)) == [pod, space.status("heir")["run"]["podName"]]


def test_a_suspended_build_neither_waits_nor_runs_so_nobody_takes_its_place(space: Team, watch: Watch) -> None:
    space.until_building("paused")
    space.change("paused", suspend=True)
    before = space.until_status("paused", lambda status: status["phase"] == "Suspended", "suspension", 30)
    space.apply(lasting(space, "newer", concurrencyGroup="shelf", concurrencyPolicy="Replace"))
    space.until_building("newer")
    # Whatever makes the operator look at it again.
    space.kubectl("label", "imagebuild", "paused", "team=shop")
    let_go(space, "newer")
    assert space.result("newer")["phase"] == "Succeeded"
    assert space.status("paused") == before
    let_go(space, "paused")
    space.change("paused", suspend=False)
    status = space.result("paused")
    assert (status["phase"], status["run"]["number"], status["run"]["attempt"]) == ("Succeeded", 1, 2)
    assert most_of_group(space, watch, "shelf") == 1
