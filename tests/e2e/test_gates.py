"""A scheduling gate, as Kueue sets them: the build says that it waits, and goes on when the gate is gone.

Kueue itself is not here. What it does to a Pod with a queue's name on it is done by a policy of the API server.
"""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.cluster.handle import ClusterHandle
from tests.e2e.cheap_builds import cheap
from tests.e2e.crowd import moment
from tests.e2e.team import JSON, Team
from tests.unit.core.kstatus import kstatus

API = "admissionregistration.k8s.io/v1beta1"
POLICY = "gate-queued-pods"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
GATE = "kueue.x-k8s.io/admission"
START_TIMEOUT_SECONDS, TIMEOUT_SECONDS = 12, 15
EXPRESSION = f'Object{{spec: Object.spec{{schedulingGates: [Object.spec.schedulingGates{{name: "{GATE}"}}]}}}}'


def policy() -> list[JSON]:
    """Every Pod with the name of a queue gets the gate when it is made."""
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    spec = {
        "matchConstraints": {"resourceRules": [pods]},
        "matchConditions": [
            {
                "name": "queue",
                "expression": f"has(object.metadata.labels) && '{QUEUE_LABEL}' in object.metadata.labels",
            }
        ],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": EXPRESSION}}],
    }
    metadata = {"name": POLICY}
    return [
        {"apiVersion": API, "kind": "MutatingAdmissionPolicy", "metadata": metadata, "spec": spec},
        {
            "apiVersion": API,
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": {"policyName": POLICY},
        },
    ]


@pytest.fixture
def gated(team: Team) -> Iterator[Team]:
    """A namespace whose Pods with the name of a queue get a gate; the API server needs a moment for that."""
    cluster = team.cluster
    cluster.apply(*policy())
    try:
        team.until(lambda: bool(gates(probe(team))), "gate of a new Pod", 30)
        yield team
    finally:
        remove_policy(cluster)


def probe(team: Team) -> JSON:
    """A Pod as the API server would store it."""
    labels = f"--labels={QUEUE_LABEL}=builds"
    pod: JSON = json.loads(team.kubectl("run", "probe", "--image=any", labels, "--dry-run=server", "-o", "json"))
    return pod


def remove_policy(cluster: ClusterHandle) -> None:
    cluster.kubectl("delete", "mutatingadmissionpolicybinding,mutatingadmissionpolicy", POLICY, "--ignore-not-found")


def gates(pod: JSON) -> list[str]:
    return [gate["name"] for gate in pod["spec"].get("schedulingGates", [])]


def test_a_gated_build_waits_without_its_time_running_and_goes_on_when_the_gate_is_gone(gated: Team) -> None:
    template = {"labels": {QUEUE_LABEL: "builds"}}
    times = {"startTimeout": f"{START_TIMEOUT_SECONDS}s", "timeout": f"{TIMEOUT_SECONDS}s"}
    gated.apply(cheap(gated, "web", podTemplate=template, **times))
    gated.until_status("web", is_gated, "word on the gate", 10)
    [pod] = gated.pods("web")
    assert gates(pod) == [GATE]
    assert pod["metadata"]["labels"][QUEUE_LABEL] == "builds"

    time.sleep(max(START_TIMEOUT_SECONDS, TIMEOUT_SECONDS) + 2)
    build = gated.get("web")
    status = build["status"]
    assert status["phase"] == "Queued"
    assert {(each["type"], each["status"], each["reason"]) for each in status["conditions"]} == {
        ("Succeeded", "Unknown", "SchedulingGated"),
        ("Ready", "Unknown", "SchedulingGated"),
        ("Reconciling", "True", "SchedulingGated"),
    }
    assert all(GATE in condition["message"] for condition in status["conditions"])
    assert kstatus(build["metadata"]["generation"], status) == "InProgress"

    released = time.time()
    open_gates = json.dumps([{"op": "remove", "path": "/spec/schedulingGates"}])
    gated.kubectl("patch", "pod", pod["metadata"]["name"], "--type=json", "--patch", open_gates)
    status = gated.result("web")
    assert status["phase"] == "Succeeded"
    assert (status["run"]["attempt"], status["run"]["podName"]) == (1, pod["metadata"]["name"])
    # The time in which it was gated does not count. Times in a status are whole seconds.
    assert moment(status["run"]["startTime"]) >= released - 1


def is_gated(status: Mapping[str, Any]) -> bool:
    return {condition["reason"] for condition in status.get("conditions", [])} == {"SchedulingGated"}
