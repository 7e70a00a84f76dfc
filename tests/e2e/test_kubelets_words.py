"""What a kubelet says of Pods that no test can bring about: a lost node, a full disk of the node, a node that refuses.

The builds' Pods wait for a scheduler that does not exist, and the test writes into their status what kubelets do.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from imagebuild_operator.core.failures import CAUSES
from tests.cluster.handle import ClusterHandle
from tests.e2e.team import JSON, Team

SECONDS = 60
ROWS = {cause.doc.name: cause for cause in CAUSES}


@dataclass(frozen=True)
class Word:
    """A Pod's last status, and what must be told of it."""

    cause: str
    status: JSON
    message: str
    hint: str = field(default="")

    def __str__(self) -> str:
        return self.cause


def prepared(exit_code: int, message: str) -> JSON:
    ended = {"exitCode": exit_code, "reason": "Error", "message": message}
    state = {"name": "prepare", "image": "-", "imageID": "-", "ready": False, "restartCount": 0}
    return {"initContainerStatuses": [{**state, "state": {"terminated": ended}}]}


def report(reason: str, message: str, hint: str) -> JSON:
    return prepared(1, json.dumps({"reason": reason, "message": message, "hint": hint}))


# The words are the kubelet's and the init container's own (pkg/kubelet/lifecycle/predicate.go; node shutdown manager).
WORDS = (
    Word(
        "node-gone",
        {"reason": "Terminated", "message": "Pod was terminated in response to imminent node shutdown."},
        r"The Pod's node went away: .*imminent node shutdown",
        r"requestedAt",
    ),
    Word(
        "node-full",
        {"reason": "OutOfmemory", "message": "Node didn't have enough resource: memory"},
        r"had no room left for the Pod: .*enough resource",
        r"requestedAt",
    ),
    Word(
        "node-refused",
        {"reason": "UnexpectedAdmissionError", "message": "Allocate failed due to no such device"},
        r"The node refused the Pod: Allocate failed",
        r"^Check spec\.resources and spec\.podTemplate",
    ),
    Word("pod-without-result", {"message": "nothing more is known"}, r"without a result.*nothing more", r"^$"),
    Word(
        "source-failed",
        report("SourceFailed", "https://git.imb.test redirects to http.", "Put the final address into the spec."),
        r"redirects to http",
        r"^Put the final address",
    ),
    Word(
        "source-disk-full",
        report("OutOfStorage", "The node's disk is full.", "Free space on the nodes."),
        r"The node's disk is full",
        r"^Free space",
    ),
    Word("prepare-without-report", prepared(139, ""), r"Fetching the source failed with exit code 139", r"^$"),
)


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "kubelets")
    nobody = {"podTemplate": {"schedulerName": "nobody"}}
    space.apply(*(space.manifest(word.cause, retry={"limit": 0}, **nobody) for word in WORDS))
    yield space
    space.delete()


@pytest.mark.parametrize(
    "word", [pytest.param(word, id=word.cause, marks=pytest.mark.cause(word.cause)) for word in WORDS]
)
def test_what_a_kubelet_says_is_told(team: Team, word: Word) -> None:
    team.until(lambda: bool(team.pods(word.cause)), f"Pod of {word.cause}", SECONDS)
    [pod] = team.pods(word.cause)
    patch = json.dumps({"status": {"phase": "Failed", **word.status}})
    team.kubectl("patch", "pod", pod["metadata"]["name"], "--subresource=status", "--type=merge", "--patch", patch)
    status = team.until_status(word.cause, lambda status: "failure" in status, "failure", SECONDS)
    assert status["failure"]["reason"] == ROWS[word.cause].reason, status["failure"]
    assert re.search(word.message, status["failure"]["message"]), status["failure"]
    assert re.search(word.hint, status["failure"].get("hint", "")), status["failure"]
