"""The table of causes: every row is reached by a Pod as kubelets really leave them, and says what to do."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.causes.cause import Cause, Found
from imagebuild_operator.core.failures import CAUSES, Evidence, explain, find
from imagebuild_operator.pod.prepared import REASONS
from tests.corpus.logs import recorded
from tests.unit.core.pod_documents import DELETED, pod, terminated
from tests.unit.core.texts import begins

# Where it ran out of memory, the kubelet mostly says so as well: both have one row.
TOLD_BY_PREPARE = {cause.doc.name: cause.reason for cause in CAUSES if cause.doc.found is Found.PREPARE}
EVICTION = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "drained"}
PRESSURE = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}
LET_GO = {"deletionTimestamp": "2026-01-01T00:10:02Z", "deletionGracePeriodSeconds": 0}
TOO_MANY = "error building image: GET https://registry.example.com/v2/a/manifests/1: TOOMANYREQUESTS: slow down"
BROKEN = "error building image: GET https://registry.example.com/v2/a/manifests/1: unexpected status code 502 Oops"
UNTRUSTED = (
    'error building image: Get "https://r.example.com/v2/": tls: failed to verify certificate: x509: certificate '
    "signed by unknown authority"
)
PLAIN = 'error building image: Get "https://r.example.com/v2/": http: server gave HTTP response to HTTPS client'
NOWHERE = 'error pushing image: Get "https://r.example.com/v2/": dial tcp: lookup r.example.com: no such host'
NO_IMAGE = "error building image: GET https://r.example.com/v2/a/manifests/1: MANIFEST_UNKNOWN: manifest unknown"
DENIED = "error building image: GET https://registry.example.com/v2/a/manifests/1: DENIED: requested access"


def said(reason: Reason) -> str:
    """A termination message of the init container."""
    return json.dumps({"reason": reason, "message": "words of its own"})


def test_the_init_container_has_a_row_for_each_of_its_reasons() -> None:
    assert sorted(TOLD_BY_PREPARE.values()) == sorted(REASONS - {Reason.OUT_OF_MEMORY})


def test_what_a_hint_quotes_holds_no_credential() -> None:
    log = "error building image: error finding target stage: https://me:hunter2@a is not a valid target build stage\n"
    _, explanation = explain(Evidence(pod(build=terminated(1)), log))
    assert "https://***@a" in explanation.hint
    assert "hunter2" not in explanation.hint


def add(what: str) -> str:
    return (
        f"error building image: error building stage: failed to execute command: downloading remote source file: {what}"
    )


# One Pod for each row of CAUSES that no recorded log reaches, with a word that its explanation must hold.
ROWS: list[tuple[str, Reason, dict[str, Any], str]] = [
    (
        "pod-disrupted",
        Reason.DISRUPTED,
        {"build": terminated(143), "metadata": DELETED, "conditions": [EVICTION]},
        "drained",
    ),
    ("pod-deleted", Reason.POD_LOST, {"build": terminated(143), "metadata": DELETED}, "deleted"),
    ("timeout", Reason.TIMEOUT, {"reason": "DeadlineExceeded", "build": terminated(137)}, "spec.timeout"),
    (
        "node-pressure",
        Reason.EVICTED,
        {"reason": "Evicted", "message": "low on memory", "conditions": [PRESSURE]},
        "low on memory",
    ),
    (
        "storage-limit",
        Reason.OUT_OF_STORAGE,
        {"reason": "Evicted", "message": "ephemeral storage exceeds 1Gi", "build": terminated(137)},
        "exceeds 1Gi",
    ),
    (
        "pod-preempted",
        Reason.DISRUPTED,
        {"reason": "Preempting", "message": "Preempted in order to admit a critical pod"},
        "critical",
    ),
    ("node-gone", Reason.POD_LOST, {"reason": "NodeLost"}, "node went away: NodeLost"),
    (
        "node-full",
        Reason.DISRUPTED,
        {"reason": "OutOfmemory", "message": "Node didn't have enough resource"},
        "enough resource",
    ),
    (
        "node-refused",
        Reason.POD_REJECTED,
        {"reason": "UnexpectedAdmissionError", "message": "no such device"},
        "no such device",
    ),
    ("container-lost", Reason.POD_LOST, {"build": terminated(255, reason="Unknown")}, "node restarted"),
    ("memory-limit", Reason.OUT_OF_MEMORY, {"build": terminated(137, reason="OOMKilled")}, "exit code 137"),
    ("executor-killed", Reason.EXECUTOR_FAILED, {"build": terminated(137)}, "does not say what for"),
    *(
        (name, reason, {"prepare": terminated(1, message=said(reason))}, "words of its own")
        for name, reason in TOLD_BY_PREPARE.items()
    ),
    (
        "prepare-without-report",
        Reason.SOURCE_FAILED,
        {"prepare": terminated(3, message="Killed")},
        "Fetching the source failed with exit code 3",
    ),
    (
        "registry-rate-limit",
        Reason.RATE_LIMITED,
        {"build": terminated(1, message=TOO_MANY)},
        "for now: GET",
    ),
    (
        "registry-certificate",
        Reason.CERTIFICATE_UNKNOWN,
        {"build": terminated(1, message=UNTRUSTED)},
        "of r.example.com is not trusted: Get",
    ),
    (
        "registry-without-tls",
        Reason.CERTIFICATE_UNKNOWN,
        {"build": terminated(1, message=PLAIN)},
        "r.example.com does not speak TLS: Get",
    ),
    (
        "registry-missing",
        Reason.REGISTRY_NOT_FOUND,
        {"build": terminated(1, message=NOWHERE)},
        "There is no host r.example.com: Get",
    ),
    (
        "image-missing",
        Reason.IMAGE_NOT_FOUND,
        {"build": terminated(1, message=NO_IMAGE)},
        "There is no image r.example.com/a:1: GET",
    ),
    (
        "registry-unavailable",
        Reason.REGISTRY_UNAVAILABLE,
        {"build": terminated(1, message=BROKEN)},
        "cannot be reached: GET",
    ),
    (
        "registry-login",
        Reason.REGISTRY_AUTH_FAILED,
        {"build": terminated(1, message=DENIED)},
        "without a Secret: GET",
    ),
    (
        "add-url-untrusted",
        Reason.CERTIFICATE_UNKNOWN,
        {"build": terminated(1, message=add('Get "https://a/x": tls: failed to verify certificate: x509: unknown'))},
        "not trusted: downloading remote source file: Get",
    ),
    (
        "executor-not-started",
        Reason.EXECUTOR_FAILED,
        {"build": terminated(128, reason="StartError", message='exec: "--context": no such file')},
        'not be started: exec: "--context"',
    ),
    (
        "executor-without-digest",
        Reason.EXECUTOR_FAILED,
        {"phase": "Succeeded", "build": terminated(0, message="")},
        "no digest",
    ),
    ("pod-without-result", Reason.POD_LOST, {"message": "the node said nothing"}, "the node said nothing"),
    ("unknown", Reason.BUILD_FAILED, {"build": terminated(7)}, "exit code 7: error building image: no such stage"),
]
LOG = "INFO[0001] step\nerror building image: no such stage\n"


def _log(fields: dict[str, Any]) -> str:
    """The log that goes with such a Pod: what its termination message says, or one of a failing build."""
    build = fields.get("build", {}).get("terminated", {})
    return f"INFO[0001] step\n{build['message']}\n" if build.get("message") else LOG if build else ""


def test_every_row_of_the_table_is_reached_by_some_pod() -> None:
    reached = {find(Evidence(pod(**fields), _log(fields))).doc.name for _, _, fields, _ in ROWS}
    reached |= {find(Evidence(pod(build=terminated(each.exit_code)), each.log)).doc.name for each in recorded()}
    assert reached == {cause.doc.name for cause in CAUSES}


@pytest.mark.parametrize(("name", "reason", "fields", "word"), ROWS, ids=[row[0] for row in ROWS])
def test_a_row_says_its_reason_and_why(name: str, reason: Reason, fields: dict[str, Any], word: str) -> None:
    evidence = Evidence(pod(**fields), _log(fields))
    assert find(evidence).doc.name == name
    found, explanation = explain(evidence)
    assert found.reason is reason
    assert word in explanation.message


LOST = [cause for cause in CAUSES if cause.reason in (Reason.DISRUPTED, Reason.POD_LOST)]


@pytest.mark.parametrize("cause", LOST, ids=lambda cause: cause.doc.name)
def test_who_lost_a_pod_is_asked_for_a_run_only_where_no_attempt_follows(cause: Cause) -> None:
    """The hint stands in what is told of each attempt, too."""
    assert cause.doc.hint.endswith("if no attempt follows by itself.")


# Their page sums up several explanations; of PREPARE, those that the init container makes.
SEVERAL = {"timeout", "node-pressure", "memory-limit", "registry-certificate", "registry-missing", "registry-login"}


def every_evidence() -> Iterator[Evidence]:
    """Each Pod of the table above, and each recorded log."""
    yield from (Evidence(pod(**fields), _log(fields)) for _, _, fields, _ in ROWS)
    yield from (Evidence(pod(build=terminated(each.exit_code)), each.log) for each in recorded())


def test_what_is_told_is_what_the_page_says() -> None:
    """A message and a hint may go on after what stands there; words in braces stand for any."""
    differ = {}
    for evidence in every_evidence():
        cause = find(evidence)
        told, doc = cause.explain(evidence), cause.doc
        same = begins(told.message, doc.says.rstrip(":")) and begins(told.hint, doc.hint)
        if not same and doc.found is not Found.PREPARE:
            differ[doc.name] = (told, doc)
    assert set(differ) == SEVERAL, differ


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"build": terminated(0, reason="OOMKilled", message="no digest")}, Reason.OUT_OF_MEMORY),
        ({"prepare": terminated(137, reason="OOMKilled")}, Reason.OUT_OF_MEMORY),
        ({"reason": "Evicted", "build": terminated(137, reason="OOMKilled")}, Reason.OUT_OF_STORAGE),
        ({"reason": "Evicted", "message": "exceeds 1Gi", "build": {"running": {}}}, Reason.OUT_OF_STORAGE),
        # It came too late for a node under pressure, and none of its containers ran.
        ({"reason": "Evicted", "message": "Pod was rejected: The node had condition: [DiskPressure]."}, Reason.EVICTED),
        ({"reason": "DeadlineExceeded", "prepare": terminated(143)}, Reason.TIMEOUT),
        ({"reason": "Preempting"}, Reason.DISRUPTED),
        ({"reason": "Terminated", "message": "node is shutting down"}, Reason.POD_LOST),
        ({"reason": "NodeAffinity"}, Reason.DISRUPTED),
        ({"reason": "OutOfexample.com/gpu", "message": "Pod was rejected: not enough"}, Reason.DISRUPTED),
        ({"reason": "TopologyAffinityError", "message": "Pod was rejected: no locality"}, Reason.DISRUPTED),
        ({"reason": "PodOSNotSupported"}, Reason.POD_REJECTED),
        ({"reason": "AppArmor", "message": "Pod was rejected: Cannot enforce AppArmor"}, Reason.POD_REJECTED),
        # A kubelet that is newer than the table.
        ({"reason": "SomethingNew", "message": "Pod was rejected: for a new reason"}, Reason.POD_REJECTED),
        ({"reason": "NodeShutdown", "message": "Pod was rejected as the node is shutting down."}, Reason.POD_LOST),
        ({"prepare": terminated(137, reason="ContainerStatusUnknown")}, Reason.POD_LOST),
        ({"prepare": terminated(128, reason="StartError", message="no python3")}, Reason.SOURCE_FAILED),
        ({"reason": "SomethingNew", "build": terminated(1)}, Reason.BUILD_FAILED),
        # It had ended by itself before somebody asked it to go.
        ({"build": terminated(1, at="2026-01-01T00:09:59Z"), "metadata": DELETED}, Reason.BUILD_FAILED),
        ({"build": terminated(1, at=""), "metadata": DELETED}, Reason.POD_LOST),
        # The kubelet's last word on the Pod, after its containers have ended, sets the time of the deletion anew.
        ({"build": terminated(2), "metadata": LET_GO}, Reason.POD_LOST),
        ({"build": terminated(2), "metadata": LET_GO, "gone": True}, Reason.POD_LOST),
        ({"build": terminated(2, at="2026-01-01T00:09:30Z"), "metadata": LET_GO}, Reason.BUILD_FAILED),
        ({"phase": "Running", "build": {"running": {}}, "gone": True}, Reason.POD_LOST),
        ({"phase": "Failed", "build": terminated(1), "gone": True}, Reason.BUILD_FAILED),
    ],
)
def test_what_the_pod_says_is_weighed_in_order(fields: dict[str, Any], reason: Reason) -> None:
    assert find(Evidence(pod(**fields))).reason is reason


@pytest.mark.parametrize(
    ("containers", "fetching"),
    [
        ({"prepare": terminated(143)}, True),
        ({"prepare": {"running": {}}}, True),
        ({"prepare": {"running": {}}, "build": {"waiting": {"reason": "PodInitializing"}}}, True),
        ({"prepare": terminated(0), "build": {"waiting": {"reason": "PodInitializing"}}}, False),
        ({"prepare": terminated(0), "build": terminated(137)}, False),
        ({"prepare": {"waiting": {"reason": "PodInitializing"}}}, False),
        ({"build": terminated(137)}, False),
        ({}, False),
    ],
)
def test_a_timeout_says_what_took_the_time(containers: dict[str, Any], fetching: bool) -> None:
    cause, explanation = explain(Evidence(pod(reason="DeadlineExceeded", **containers)))
    assert cause.reason is Reason.TIMEOUT
    assert ("still being fetched" in explanation.message, "fetch less" in explanation.hint) == (fetching, fetching)
    assert explanation.hint.startswith("Raise spec.timeout")


def test_a_killed_init_container_asks_for_its_own_memory() -> None:
    _, explanation = explain(Evidence(pod(prepare=terminated(137, reason="OOMKilled"))))
    assert "spec.sourceResources.limits.memory" in explanation.hint


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        ("Correct spec.source.git.revision.", "Correct spec.source.git.revision."),
        ("Push it.", "Push it. Then set the annotation imagebuild.dev/requestedAt."),
        ("", "Mend what the message names. Then set the annotation imagebuild.dev/requestedAt."),
    ],
)
def test_what_the_init_container_says_is_taken_over_word_for_word(hint: str, told: str) -> None:
    """After it comes what starts the build again, unless a field of the spec is what has to change."""
    said = json.dumps({"reason": "RevisionNotFound", "message": "There is no branch x.", "hint": hint})
    found, explanation = explain(Evidence(pod(prepare=terminated(1, message=said))))
    assert (found.reason, explanation.message, explanation.hint) == (
        Reason.REVISION_NOT_FOUND,
        "There is no branch x.",
        told,
    )


@pytest.mark.parametrize("message", ["", "{}", "[]", '{"message": 5}', "not json", '{"message": ""}'])
def test_an_init_container_without_a_message_of_ours_shows_its_log(message: str) -> None:
    evidence = Evidence(pod(prepare=terminated(128, message=message)), "Cloning\nfatal: no route to host\n")
    assert evidence.prepare_failure is None
    assert explain(evidence)[1].message.endswith("exit code 128: fatal: no route to host")
