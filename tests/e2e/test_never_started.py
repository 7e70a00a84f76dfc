"""Pods that are refused or never start: told within 30 s with what to do about it, and given up after startTimeout.

All builds at once. Those that something in their namespace is in the way of have one of their own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.handle import ClusterHandle
from tests.e2e.audit import requests
from tests.e2e.cheap_builds import cheap
from tests.e2e.team import JSON, Team

TOLD_WITHIN_SECONDS = 30
# Past the time in which an obstacle must be told; a refusal is told at once, and makes room in the queue.
START_TIMEOUT_SECONDS = 32
REFUSED_FOR_SECONDS = 20
SETUP_SECONDS = 60
POLICIES = "admissionregistration.k8s.io/v1"
POLICY = "no-builds-of-this-label"
POLICY_LABEL = {"example.com/builds": "never"}
POLICY_WORDS = "builds with this label are not for this cluster"
ENFORCE = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True)
class Obstacle:
    """What keeps a Pod from starting.

    Attributes:
        cause: that it is told as; empty if nobody knows it, and what to do is told at the end only.
        words: pattern of what the cluster says, which has to be passed on.
        hint: how what to do about it begins.
        spec: of the build, beside what all have.
        space: which of the namespaces it is in.
    """

    name: str
    cause: str
    words: str
    hint: str
    spec: JSON = field(default_factory=dict)
    space: str = "open"

    def __str__(self) -> str:
        return self.name


QUOTAS: dict[str, JSON] = {"full": {"pods": "0"}, "sparing": {"limits.cpu": "9"}}
LIMITS = {"type": "Container", "max": {"memory": "100Mi"}}
HUGE = {"memory": "900Gi"}
KEY = {"name": "TOKEN", "valueFrom": {"configMapKeyRef": {"name": "cluster-ca", "key": "nobodys-key"}}}

# The API server refuses these, so that there never is a Pod.
REFUSED = (
    Obstacle("quota", "quota-exceeded", "exceeded quota: tight", "Free room in ResourceQuota tight, ", space="full"),
    Obstacle(
        "quota-wants-resources",
        "quota-wants-resources",
        r"failed quota: tight: must specify limits\.cpu",
        "Set limits.cpu in spec.resources ",
        space="sparing",
    ),
    Obstacle(
        "limit-range",
        "limit-range",
        "maximum memory usage per Container is 100Mi",
        "Bring memory in spec.resources within 100Mi,",
        space="bounded",
    ),
    Obstacle(
        "pod-security",
        "pod-security",
        'violates PodSecurity "restricted',
        f"Label the namespace {ENFORCE}=baseline",
        space="restricted",
    ),
    Obstacle(
        "no-service-account",
        "service-account-missing",
        'serviceaccount "nobody" not found',
        "Create ServiceAccount nobody, ",
        {"podTemplate": {"serviceAccountName": "nobody"}},
    ),
    Obstacle(
        "policy",
        "policy-denied",
        POLICY_WORDS,
        f"Have {POLICY} let build Pods pass, ",
        {"podTemplate": {"labels": POLICY_LABEL}},
    ),
)
WAITING = (
    Obstacle(
        "no-image",
        "image-not-pulled",
        "^(.*startTimeout. )?The image of container build cannot be pulled: .*nothing/here",
        "Correct spec.executor.image, ",
        {"executor": {"image": "registry.imb.test:15000/nothing/here:1", "variant": "chainguard"}},
    ),
    Obstacle(
        "no-such-node",
        "no-node-fits",
        "No node can take the Pod: .*didn't match Pod's node affinity/selector",
        "Lower spec.resources.requests, add a node, or correct nodeSelector",
        {"podTemplate": {"nodeSelector": {"disk": "none"}}},
    ),
    Obstacle(
        "no-room",
        "no-node-fits",
        "No node can take the Pod: .*Insufficient memory",
        "Lower spec.resources.requests, ",
        {"resources": {"requests": HUGE, "limits": HUGE}},
    ),
    Obstacle(
        "no-claim",
        "claim-missing",
        'persistentvolumeclaim "none" not found',
        "Create PersistentVolumeClaim none, ",
        {"source": {"persistentVolumeClaim": {"claimName": "none"}}},
    ),
    Obstacle(
        "no-secret",
        "object-missing",
        'secret "nobodys-login" not found',
        "Create the secret nobodys-login in ",
        {"registries": {"secretRefs": [{"name": "nobodys-login"}]}},
    ),
    Obstacle(
        "no-config-map",
        "object-missing",
        'configmap "nothing" not found',
        "Create the configmap nothing in ",
        {"source": {"configMap": {"name": "nothing"}}},
    ),
    Obstacle("no-key", "key-missing", "nobodys-key", "Add the key nobodys-key to it, ", {"buildArgs": [KEY]}),
    Obstacle(
        "no-folder",
        "",
        "MountVolume.* hostPath type check failed",
        "Create or correct what the message names, ",
        {"source": {"persistentVolumeClaim": {"claimName": "broken"}}},
    ),
)
OBSTACLES = (*REFUSED, *WAITING)


@pytest.fixture(scope="module")
def spaces(cluster: ClusterHandle, operator: None) -> Iterator[dict[str, Team]]:
    """An ordinary namespace, and one for each thing in a namespace that is in the way of a build."""
    names = ("open", *QUOTAS, "bounded")
    found = {name: Team.create(cluster, f"never-{name}") for name in names}
    found["restricted"] = Team.create(cluster, "never-restricted", **{ENFORCE: "restricted"})
    cluster.apply(
        *(named(found[name], "ResourceQuota", "tight", hard=hard) for name, hard in QUOTAS.items()),
        named(found["bounded"], "LimitRange", "tight", limits=[LIMITS]),
        *broken_volume(found["open"]),
        *policy(),
    )
    try:
        found["full"].until(lambda: counted(found["full"]), "count of the quota", SETUP_SECONDS)
        found["sparing"].until(lambda: counted(found["sparing"]), "count of the quota", SETUP_SECONDS)
        found["open"].until(lambda: denied(found["open"]), "refusal by the policy", SETUP_SECONDS)
        yield found
    finally:
        kinds = "validatingadmissionpolicybinding,validatingadmissionpolicy"
        cluster.kubectl("delete", kinds, POLICY, "--ignore-not-found")
        for team in found.values():
            team.delete()
        cluster.kubectl("delete", "persistentvolume", found["open"].namespace, "--ignore-not-found", "--wait=false")


def named(team: Team, kind: str, name: str, **spec: Any) -> JSON:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": team.namespace}, "spec": spec}


def policy() -> list[JSON]:
    """The API server's own kind of policy, against Pods with a label."""
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    [label] = POLICY_LABEL
    without = f"!has(object.metadata.labels) || !('{label}' in object.metadata.labels)"
    spec = {
        "matchConstraints": {"resourceRules": [pods]},
        "validations": [{"expression": without, "message": POLICY_WORDS}],
    }
    binding = {"policyName": POLICY, "validationActions": ["Deny"]}
    metadata = {"name": POLICY}
    return [
        {"apiVersion": POLICIES, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": spec},
        {"apiVersion": POLICIES, "kind": "ValidatingAdmissionPolicyBinding", "metadata": metadata, "spec": binding},
    ]


def denied(team: Team) -> bool:
    """Whether the policy is at work; the API server needs a moment for that."""
    [(label, value)] = POLICY_LABEL.items()
    try:
        team.kubectl("run", "probe", "--image=any", f"--labels={label}={value}", "--dry-run=server")
    except ClusterError as error:
        assert POLICY_WORDS in str(error), error
        return True
    return False


def counted(team: Team) -> bool:
    """Until what the quota counts is counted, the API server has other words for its refusal."""
    return "hard" in team.cluster.get("resourcequota", "tight", "-n", team.namespace).get("status", {})


def broken_volume(team: Team) -> list[JSON]:
    """A volume whose folder is not there, and its claim."""
    wanted = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    volume = {
        **wanted,
        "capacity": {"storage": "1Gi"},
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": f"/no-such-folder/{team.namespace}", "type": "Directory"},
        "claimRef": {"namespace": team.namespace, "name": "broken"},
    }
    claim = {**wanted, "volumeName": team.namespace, "resources": {"requests": {"storage": "1Gi"}}}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": team.namespace}, "spec": volume},
        named(team, "PersistentVolumeClaim", "broken", **claim),
    ]


def manifest(team: Team, obstacle: Obstacle) -> JSON:
    seconds = REFUSED_FOR_SECONDS if obstacle in REFUSED else START_TIMEOUT_SECONDS
    spec = {"startTimeout": f"{seconds}s", **obstacle.spec}
    document = cheap(team, obstacle.name, **{key: value for key, value in spec.items() if key != "source"})
    document["spec"]["source"] = spec.get("source", document["spec"]["source"])
    return document


@dataclass(frozen=True)
class Word:
    """The status of a build that tells first what is in the way, and how long after its start."""

    status: JSON
    after: timedelta


@pytest.fixture(scope="module")
def told(cluster: ClusterHandle, spaces: dict[str, Team]) -> dict[str, Word]:
    """All builds are applied at once, and looked at until each has said what it waits for, or has ended."""
    cluster.apply(*(manifest(spaces[obstacle.space], obstacle) for obstacle in OBSTACLES))
    wanted = {obstacle.name: obstacle.words for obstacle in OBSTACLES}
    found: dict[str, Word] = {}

    def all_told() -> bool:
        for name, status in chain.from_iterable(team.builds().items() for team in spaces.values()):
            words = messages_of(status).get("Reconciling", "") if "conditions" in status else ""
            # Where much goes on, the kubelet may first say that it could not look in time.
            if name not in found and re.search(wanted[name], words):
                found[name] = Word(status, datetime.now(UTC) - datetime.fromisoformat(status["run"]["startTime"]))
        return len(found) == len(OBSTACLES)

    spaces["open"].until(all_told, "word of all obstacles", REFUSED_FOR_SECONDS + START_TIMEOUT_SECONDS)
    return found


@pytest.mark.parametrize("obstacle", OBSTACLES, ids=str)
def test_it_is_told_in_the_clusters_own_words_while_it_lasts(told: dict[str, Word], obstacle: Obstacle) -> None:
    status, reason = told[obstacle.name].status, reason_of(obstacle)
    assert {(each["type"], each["status"], each["reason"]) for each in status["conditions"]} == {
        ("Succeeded", "Unknown", reason),
        ("Ready", "Unknown", reason),
        ("Reconciling", "True", reason),
    }
    assert status["phase"] == "Pending"
    messages = messages_of(status)
    assert re.search(obstacle.words, messages["Reconciling"]), messages
    if obstacle.cause:
        assert f" {obstacle.hint}" in messages["Reconciling"]
        assert f" {obstacle.hint}" in messages["Ready"]
    assert told[obstacle.name].after <= timedelta(seconds=TOLD_WITHIN_SECONDS)


@pytest.mark.parametrize(
    "obstacle",
    [
        pytest.param(each, id=each.name, marks=[pytest.mark.cause(each.cause)] if each.cause else [])
        for each in OBSTACLES
    ],
)
def test_what_keeps_a_pod_from_starting_is_told_and_given_up(
    spaces: dict[str, Team], told: dict[str, Word], obstacle: Obstacle
) -> None:
    team = spaces[obstacle.space]
    status = team.result(obstacle.name, START_TIMEOUT_SECONDS + 60)
    assert status["phase"] == "Failed"
    failure = status["failure"]
    assert failure["reason"] == "StartTimeout"
    assert re.search(obstacle.words, failure["message"]), failure
    assert failure["hint"].startswith(obstacle.hint)
    messages = messages_of(status)
    stop = "" if failure["message"][-1] in ".…" else "."
    assert messages["Stalled"] == f"{failure['message']}{stop} {failure['hint']}"
    assert messages["Ready"].endswith(failure["hint"])
    team.until(lambda: bool(warnings(team, obstacle.name, "StartTimeout")), f"Event about {obstacle.name}", 15)
    assert any(failure["hint"] in note for note in warnings(team, obstacle.name, "StartTimeout"))
    first = messages_of(told[obstacle.name].status)["Reconciling"]
    notes = [note for note in warnings(team, obstacle.name, reason_of(obstacle)) if re.search(obstacle.words, note)]
    assert notes == [first], "one Event, in the words of the condition"
    team.until(lambda: not team.pods(obstacle.name), f"end of the Pod of {obstacle.name}", 60)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(("name", "space", "starts"), [("no-secret", "open", 1), ("quota", "full", 0)])
def test_however_often_the_cluster_says_it_an_event_is_posted_once(
    spaces: dict[str, Team], name: str, space: str, starts: int
) -> None:
    """One of the start, one of what is in the way, and one of the end; a Pod that is refused has not started."""
    team = spaces[space]
    team.result(name, START_TIMEOUT_SECONDS + 60)
    team.until(lambda: bool(warnings(team, name, "StartTimeout")), f"Event about {name}", 15)
    asked = requests(team, name)
    assert asked.count("create events") == starts + 2, asked


def reason_of(obstacle: Obstacle) -> str:
    """What is told while there is hope."""
    return "PodForbidden" if obstacle in REFUSED else "PodNotStarting"


def messages_of(status: JSON) -> dict[str, str]:
    return {each["type"]: each["message"] for each in status["conditions"]}


def warnings(team: Team, name: str, reason: str) -> list[str]:
    found = [each for each in team.events(name) if (each["type"], each["reason"]) == ("Warning", reason)]
    return [each["message"] for each in found]
