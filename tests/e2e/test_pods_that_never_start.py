"""Pods that cannot start, each for another reason: told in the conditions within 30 s, given up after startTimeout."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.handle import ClusterHandle
from tests.e2e.cheap_builds import cheap
from tests.e2e.team import JSON, Team

TOLD_WITHIN_SECONDS = 30
START_TIMEOUT_SECONDS = 40
POLICY = "no-builds-of-this-label"
POLICY_LABEL = {"example.com/builds": "never"}
POLICY_WORDS = "builds with this label are not for this cluster"
POLICIES = "admissionregistration.k8s.io/v1"


@dataclass(frozen=True)
class Obstacle:
    """What keeps a Pod from starting.

    Attributes:
        spec: of the build, beside what all have.
        words: of the cluster, which have to be passed on.
        hint: how what to do about it begins.
        forbidden: whether the API server refuses the Pod, so that there never is one.
        space: which of the namespaces it is in.
    """

    name: str
    spec: JSON
    words: str
    hint: str
    forbidden: bool = False
    space: str = "open"

    def __str__(self) -> str:
        return self.name


OBSTACLES = (
    Obstacle("no-image", {"executor": {}}, "cannot be pulled: ", "Correct spec.executor.image"),
    Obstacle(
        "no-such-node",
        {"podTemplate": {"nodeSelector": {"disk": "none"}}},
        "didn't match Pod's node affinity",
        "Lower spec.resources.requests, add a node, or correct nodeSelector",
    ),
    Obstacle(
        "no-room",
        {"resources": {"requests": {"memory": "900Gi"}, "limits": {"memory": "900Gi"}}},
        "Insufficient memory",
        "Lower spec.resources.requests",
    ),
    Obstacle(
        "no-claim",
        {"source": {"persistentVolumeClaim": {"claimName": "none"}}},
        '"none" not found',
        "Create PersistentVolumeClaim none",
    ),
    Obstacle(
        "no-config-map",
        {"source": {"configMap": {"name": "nothing"}}},
        'configmap "nothing" not found',
        "Create the configmap nothing",
    ),
    Obstacle(
        "no-folder",
        {"source": {"persistentVolumeClaim": {"claimName": "broken"}}},
        "hostPath type check failed",
        "Create or correct what the message names",
    ),
    Obstacle(
        "no-service-account",
        {"podTemplate": {"serviceAccountName": "nobody"}},
        'serviceaccount "nobody" not found',
        "Create ServiceAccount nobody",
        forbidden=True,
    ),
    Obstacle(
        "policy",
        {"podTemplate": {"labels": POLICY_LABEL}},
        POLICY_WORDS,
        f"Have {POLICY} let build Pods",
        forbidden=True,
    ),
    Obstacle(
        "quota", {}, "exceeded quota: no-pods", "Free room in ResourceQuota no-pods", forbidden=True, space="quota"
    ),
    Obstacle(
        "pod-security",
        {},
        'violates PodSecurity "restricted',
        "Label the namespace",
        forbidden=True,
        space="restricted",
    ),
)


@pytest.fixture(scope="module")
def spaces(cluster: ClusterHandle, operator: None) -> Iterator[dict[str, Team]]:
    """Namespaces: an ordinary one, one whose quota is used up, one that admits no builds."""
    found = {
        "open": Team.create(cluster, "never-starts"),
        "quota": Team.create(cluster, "never-starts-quota"),
        "restricted": Team.create(
            cluster, "never-starts-restricted", **{"pod-security.kubernetes.io/enforce": "restricted"}
        ),
    }
    quota = {"hard": {"pods": "0"}}
    name = {"name": "no-pods", "namespace": found["quota"].namespace}
    cluster.apply(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": name, "spec": quota},
        *broken_volume(found["open"]),
        *policy(),
    )
    try:
        found["open"].until(lambda: denied(found["open"]), "refusal by the policy", 30)
        yield found
    finally:
        kinds = "validatingadmissionpolicybinding,validatingadmissionpolicy"
        cluster.kubectl("delete", kinds, POLICY, "--ignore-not-found")
        for team in found.values():
            team.delete()
        cluster.kubectl("delete", "persistentvolume", found["open"].namespace, "--ignore-not-found", "--wait=false")


def policy() -> list[JSON]:
    """The API server's own kind of policy, against Pods with a label."""
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    [label] = POLICY_LABEL
    spec = {
        "matchConstraints": {"resourceRules": [pods]},
        "validations": [
            {
                "expression": f"!has(object.metadata.labels) || !('{label}' in object.metadata.labels)",
                "message": POLICY_WORDS,
            }
        ],
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
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "broken", "namespace": team.namespace},
            "spec": claim,
        },
    ]


def manifest(team: Team, obstacle: Obstacle) -> JSON:
    spec = {"startTimeout": f"{START_TIMEOUT_SECONDS}s", **obstacle.spec}
    if "executor" in spec:
        spec["executor"] = {"image": team.image("no-such-executor"), "variant": "chainguard"}
    document = cheap(team, obstacle.name, **{key: value for key, value in spec.items() if key != "source"})
    document["spec"]["source"] = spec.get("source", document["spec"]["source"])
    return document


@pytest.fixture(scope="module")
def told(spaces: dict[str, Team]) -> dict[str, list[JSON]]:
    """The conditions of each build as soon as they say what it waits for; all were applied at once."""
    for name, team in spaces.items():
        team.apply(*(manifest(team, obstacle) for obstacle in OBSTACLES if obstacle.space == name))
    found: dict[str, list[JSON]] = {}

    def all_told() -> bool:
        for obstacle in OBSTACLES:
            conditions = spaces[obstacle.space].status(obstacle.name).get("conditions", [])
            if obstacle.name not in found and any(obstacle.words in each["message"] for each in conditions):
                found[obstacle.name] = conditions
        return len(found) == len(OBSTACLES)

    spaces["open"].until(all_told, f"word of all obstacles, only of {list(found)}", TOLD_WITHIN_SECONDS)
    return found


@pytest.mark.parametrize("obstacle", OBSTACLES, ids=str)
class TestObstacles:
    def test_it_is_told_in_the_clusters_own_words_while_it_lasts(
        self, told: dict[str, list[JSON]], obstacle: Obstacle
    ) -> None:
        reason = "PodForbidden" if obstacle.forbidden else "PodNotStarting"
        assert {(each["type"], each["status"], each["reason"]) for each in told[obstacle.name]} == {
            ("Succeeded", "Unknown", reason),
            ("Ready", "Unknown", reason),
            ("Reconciling", "True", reason),
        }

    @pytest.mark.usefixtures("told")
    def test_it_is_given_up_with_what_it_waited_for_and_what_to_do(
        self, spaces: dict[str, Team], obstacle: Obstacle
    ) -> None:
        team = spaces[obstacle.space]
        status = team.result(obstacle.name, START_TIMEOUT_SECONDS + 60)
        assert status["phase"] == "Failed"
        failure = status["failure"]
        assert failure["reason"] == "StartTimeout"
        assert obstacle.words in failure["message"]
        assert failure["hint"].startswith(obstacle.hint)
        messages = {each["type"]: each["message"] for each in status["conditions"]}
        assert messages["Stalled"] == f"{failure['message']} {failure['hint']}"
        assert messages["Ready"].endswith(failure["hint"])
        team.until(lambda: bool(warnings(team, obstacle.name)), f"Event about {obstacle.name}", 15)
        assert any(failure["hint"] in note for note in warnings(team, obstacle.name))
        team.until(lambda: not team.pods(obstacle.name), f"end of the Pod of {obstacle.name}", 60)


def warnings(team: Team, name: str) -> list[str]:
    found = [each for each in team.events(name) if (each["type"], each["reason"]) == ("Warning", "StartTimeout")]
    return [each["message"] for each in found]
