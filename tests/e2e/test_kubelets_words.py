"""What a kubelet says of Pods that it refuses or cannot start, and of containers that end without a word.

All is real but for the status of one Pod: no kubelet of today leaves one behind without any result. That Pod waits for
a scheduler that does not exist, and the test writes its status.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from imagebuild_operator.core.failures import CAUSES
from tests.cluster import cgroups
from tests.cluster.faulty import FaultyRegistry
from tests.cluster.handle import ClusterHandle
from tests.cluster.settings import NODE_NAME
from tests.e2e.binding import NOBODY, bind
from tests.e2e.team import JSON, Team

SECONDS = 60
ROWS = {cause.doc.name: cause for cause in CAUSES}
SILENT = "/silent/context.tar"


def bound(team: Team, name: str) -> None:
    bind(team, name, NODE_NAME)


def left_without_result(team: Team, name: str) -> None:
    team.until(lambda: bool(team.pods(name)), f"Pod of {name}", SECONDS)
    [pod] = team.pods(name)
    patch = json.dumps({"status": {"phase": "Failed", "message": "nothing more is known"}})
    team.kubectl("patch", "pod", pod["metadata"]["name"], "--subresource=status", "--type=merge", "--patch", patch)


def fetching_killed(team: Team, name: str) -> None:
    killed(team, name, "initContainerStatuses")


def executor_killed(team: Team, name: str) -> None:
    killed(team, name, "containerStatuses")


def killed(team: Team, name: str, kind: str) -> None:
    """Kill all of a container from outside; no node says why."""

    def running() -> list[str]:
        statuses = (each for pod in team.pods(name) for each in pod["status"].get(kind, []))
        return [each["containerID"].rpartition("/")[2] for each in statuses if "running" in each["state"]]

    team.until(lambda: bool(running()), f"container of {name}", SECONDS)
    [identity] = running()
    assert cgroups.kill_all(cgroups.of_container(identity))


@dataclass(frozen=True)
class Word:
    """A build, what is done to its Pod, and what must be told of it."""

    name: str
    cause: str
    message: str
    hint: str
    spec: Callable[[Team], JSON]
    done: Callable[[Team, str], None] | None = field(default=None)

    def __str__(self) -> str:
        return self.name


def requests(**amounts: str) -> JSON:
    return {"requests": {"cpu": "50m", "memory": "64Mi", **amounts}, "limits": amounts}


def template(**members: Any) -> Callable[[Team], JSON]:
    return lambda _: {"podTemplate": members}


def unscheduled(**spec: Any) -> Callable[[Team], JSON]:
    return lambda _: {"podTemplate": NOBODY, **spec}


WORDS = (
    Word(
        "no-memory",
        "node-full",
        r"The node could not take the Pod after all: .*enough resource: memory",
        r"requestedAt",
        unscheduled(resources=requests(memory="900Gi")),
        bound,
    ),
    Word(
        "no-label",
        "node-full",
        r"The node could not take the Pod after all: .*didn't match Pod's node affinity",
        r"requestedAt",
        template(**NOBODY, nodeSelector={"imb.test/disk": "fast"}),
        bound,
    ),
    Word(
        "other-system",
        "node-refused",
        r"The node refused the Pod: .*`kubernetes\.io/os` label doesn't match",
        r"^Check spec\.resources and spec\.podTemplate",
        template(labels={"kubernetes.io/os": "windows"}),
    ),
    Word(
        "no-result",
        "pod-without-result",
        r"without a result.*nothing more",
        r"^Look at the Events of the Pod",
        unscheduled(),
        left_without_result,
    ),
    Word(
        "no-tls",
        "source-failed",
        r"^insecure\.imb\.test:15002 does not speak TLS\.$",
        r"^Check spec\.source\.http\.url",
        lambda team: {"source": {"http": {"url": f"https://{team.cluster.insecure_registry.host}/context.tar"}}},
    ),
    Word(
        "fetching-killed",
        "prepare-without-report",
        r"^Fetching the source failed with exit code 137",
        r"^Mend what the log of the container prepare tells of",
        lambda _: {"source": {"http": {"url": f"https://registry.imb.test:15009{SILENT}"}}},
        fetching_killed,
    ),
    Word(
        "executor-killed",
        "executor-killed",
        r"^The executor was killed \(exit code 137\)",
        r"^Look in the log of the node's kernel",
        lambda team: {"source": team.inline("RUN sleep 600")},
        executor_killed,
    ),
    Word(
        "no-executor",
        "executor-not-started",
        r"^The executor could not be started: .*no such file or directory",
        r"^Check that spec\.executor\.image is a kaniko executor",
        lambda team: {"executor": {"image": team.busybox}},
    ),
)


@pytest.fixture(scope="module")
def silent(cluster: ClusterHandle) -> Iterator[FaultyRegistry]:
    """A server that never answers."""
    with cluster.faulty_registry() as faulty:
        faulty.fail({"path": f"^{SILENT}$", "action": "hang"})
        yield faulty


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None, silent: FaultyRegistry) -> Iterator[Team]:
    space = Team.create(cluster, "kubelets")
    space.apply(*(space.manifest(word.name, **{"retry": {"limit": 0}, **word.spec(space)}) for word in WORDS))
    yield space
    space.delete()


@pytest.mark.parametrize(
    "word", [pytest.param(word, id=word.name, marks=pytest.mark.cause(word.cause)) for word in WORDS]
)
def test_what_a_kubelet_says_is_told(team: Team, word: Word) -> None:
    if word.done is not None:
        word.done(team, word.name)
    status = team.until_status(word.name, lambda status: "failure" in status, "failure", SECONDS)
    assert status["failure"]["reason"] == ROWS[word.cause].reason, status["failure"]
    assert re.search(word.message, status["failure"]["message"]), status["failure"]
    assert re.search(word.hint, status["failure"].get("hint", "")), status["failure"]
