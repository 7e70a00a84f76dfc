"""Pods that are refused or never start: the cluster's words and what to do are told at once, and the run is given up.

One namespace for what is refused in each way, all builds at once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cluster.handle import ClusterHandle
from tests.e2e.team import JSON, Team

SECONDS = 120
TOLD_WITHIN_SECONDS = 30
BOUND = "100Mi"
POLICY = "no-kaniko.imb.test"


@dataclass(frozen=True)
class Never:
    """A build whose Pod never starts: why, what must be told, and what is in the way in its namespace."""

    cause: str
    reason: str
    message: str
    hint: str
    spec: JSON = field(default_factory=dict)
    objects: tuple[JSON, ...] = ()
    labels: JSON = field(default_factory=dict)
    final: str = "StartTimeout"

    def __str__(self) -> str:
        return self.cause


def quota(hard: JSON) -> JSON:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "tight"}, "spec": {"hard": hard}}


_LIMITS = {"type": "Container", "max": {"memory": BOUND}}
_RANGE = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "tight"}, "spec": {"limits": [_LIMITS]}}
_CLAIM = {"persistentVolumeClaim": {"claimName": "nobodys-claim"}}
_KEY = {"name": "TOKEN", "valueFrom": {"configMapKeyRef": {"name": "cluster-ca", "key": "nobodys-key"}}}

REFUSED = (
    Never(
        "quota-exceeded",
        "PodForbidden",
        r"exceeded quota: tight",
        r"Free room in ResourceQuota tight",
        objects=(quota({"pods": "0"}),),
    ),
    Never(
        "quota-wants-resources",
        "PodForbidden",
        r"failed quota: tight: must specify limits\.cpu",
        r"Set limits\.cpu in spec\.resources",
        objects=(quota({"limits.cpu": "9"}),),
    ),
    Never(
        "limit-range",
        "PodForbidden",
        r"maximum memory usage per Container is 100Mi",
        r"Bring memory in spec\.resources within 100Mi",
        objects=(_RANGE,),
    ),
    Never(
        "pod-security",
        "PodForbidden",
        r'violates PodSecurity "restricted',
        r"enforce=baseline",
        labels={"pod-security.kubernetes.io/enforce": "restricted"},
    ),
    Never(
        "service-account-missing",
        "PodForbidden",
        r"nobodys-account",
        r"Create ServiceAccount nobodys-account",
        spec={"podTemplate": {"serviceAccountName": "nobodys-account"}},
    ),
    Never(
        "policy-denied",
        "PodForbidden",
        r"no kaniko here",
        rf"Have {re.escape(POLICY)} let build Pods pass",
        labels={"imb.test/policy": "no-kaniko"},
    ),
)
WAITING = (
    Never(
        "image-not-pulled",
        "PodNotStarting",
        r"image of container build cannot be pulled",
        r"Correct spec\.executor\.image",
        spec={"executor": {"image": "registry.imb.test:15000/nothing/here:1"}},
    ),
    Never(
        "no-node-fits",
        "PodNotStarting",
        r"No node can take the Pod: .*didn't match Pod's node affinity/selector",
        r"Lower spec\.resources\.requests",
        spec={"podTemplate": {"nodeSelector": {"imb.test/disk": "fast"}}},
    ),
    Never(
        "claim-missing",
        "PodNotStarting",
        r'persistentvolumeclaim "nobodys-claim" not found',
        r"Create PersistentVolumeClaim nobodys-claim",
        spec={"source": _CLAIM},
    ),
    Never(
        "object-missing",
        "PodNotStarting",
        r'secret "nobodys-login" not found',
        r"Create the secret nobodys-login",
        spec={"registries": {"secretRefs": [{"name": "nobodys-login"}]}},
    ),
    Never(
        "key-missing",
        "PodNotStarting",
        r"nobodys-key",
        r"Add the key nobodys-key",
        spec={"buildArgs": [_KEY]},
    ),
)
NEVER = (*REFUSED, *WAITING)


def policy() -> tuple[JSON, JSON]:
    """Of the whole cluster, for namespaces with the label of `policy-denied` alone."""
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": POLICY}}
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    chosen = {"namespaceSelector": {"matchLabels": {"imb.test/policy": "no-kaniko"}}}
    rules = {"matchConstraints": {"resourceRules": [pods]}, "failurePolicy": "Fail"}
    said = {"validations": [{"expression": "false", "message": "no kaniko here"}]}
    return (
        {**kind, "kind": "ValidatingAdmissionPolicy", "spec": {**rules, **said}},
        {
            **kind,
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {"policyName": POLICY, "validationActions": ["Deny"], "matchResources": chosen},
        },
    )


@pytest.fixture(scope="module")
def teams(cluster: ClusterHandle, operator: None) -> Iterator[dict[str, Team]]:
    """Each build in its place: those that only wait share one."""
    for document in policy():
        cluster.apply(document)
    common = Team.create(cluster, "never")
    places = {case.cause: common for case in WAITING}
    for case in REFUSED:
        places[case.cause] = team = Team.create(cluster, case.cause)
        if case.labels:
            labels = [f"{name}={value}" for name, value in case.labels.items()]
            cluster.kubectl("label", "namespace", team.namespace, *labels, "--overwrite")
        for document in case.objects:
            metadata = {**document["metadata"], "namespace": team.namespace}
            team.apply({**document, "metadata": metadata})
            if document["kind"] == "ResourceQuota":
                await_count(team)
    yield places
    for team in {id(team): team for team in places.values()}.values():
        team.delete()
    cluster.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", POLICY)


def await_count(team: Team) -> None:
    """Until what the quota counts is counted, the API server has other words for its refusal."""

    def counted() -> bool:
        return "hard" in team.cluster.get("resourcequota", "tight", "-n", team.namespace).get("status", {})

    team.until(counted, "count of the quota", SECONDS)


@pytest.fixture(scope="module")
def builds(teams: dict[str, Team]) -> None:
    for case in NEVER:
        team = teams[case.cause]
        # Past the time in which something that is in the way must be told.
        team.apply(team.manifest(case.cause, **{"startTimeout": "40s", **case.spec}))


def condition(status: Any, reason: str) -> str:
    """The message with this reason; empty when it is not told."""
    told = [each for each in status.get("conditions", []) if each["reason"] == reason]
    return str(told[0]["message"]) if told else ""


@pytest.mark.usefixtures("builds")
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.cause, marks=pytest.mark.cause(case.cause)) for case in NEVER]
)
def test_what_keeps_a_pod_from_starting_is_told_and_given_up(teams: dict[str, Team], case: Never) -> None:
    team = teams[case.cause]
    waiting = team.until_status(
        case.cause,
        lambda status: bool(condition(status, case.reason)) or status.get("phase") == "Failed",
        "word of what is in the way",
        SECONDS,
    )
    if waiting["phase"] != "Failed":
        message = condition(waiting, case.reason)
        assert re.search(case.message, message), message
        assert re.search(case.hint, message), message
    status = team.result(case.cause, SECONDS)
    assert status["failure"]["reason"] == case.final, status
    assert re.search(case.message, status["failure"]["message"]), status["failure"]
    assert re.search(case.hint, status["failure"]["hint"]), status["failure"]
