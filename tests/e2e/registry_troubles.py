"""What builds meet at a registry that is not well, and the builds that meet it."""

from dataclasses import dataclass, field, replace
from typing import Any

from tests.cluster.faulty import FAULTY
from tests.e2e.team import JSON, Team

LOGINS = "logins"
WRONG_LOGINS = "wrong-logins"
# The chart's.
RETRY_LIMIT = 2
FOR_EVER = 99
PUSH_CHECK = {"method": "POST", "path": "/blobs/uploads/"}
PUSH = {"method": "PUT", "path": "/manifests/"}
PULL = {"method": "GET", "path": "-base/manifests/"}
TOO_MANY = '{"errors": [{"code": "TOOMANYREQUESTS", "message": "slow down"}]}'


def manifest(team: Team, name: str, login: str = LOGINS, *, pulls: bool = False, **spec: Any) -> JSON:
    """A build that pushes to the registry with troubles, and may pull its base image from there."""
    repository = f"{team.namespace}/{name}"
    source = team.inline("RUN echo built > /built")
    if pulls:
        team.cluster.crane("copy", team.busybox, team.cluster.registry.image(f"{repository}-base", "1"))
        [dockerfile] = source["inline"]["files"]
        dockerfile["content"] = dockerfile["content"].replace(team.busybox, FAULTY.image(f"{repository}-base", "1"))
    registries = {**team.registries, "secretRefs": [{"name": login}]}
    output = {"images": [FAULTY.image(repository, "1")]}
    return team.manifest(name, source, output=output, registries=registries, **spec)


@dataclass(frozen=True)
class Trouble:
    """What a build meets at the registry, in how many of its attempts, and how it must end."""

    name: str
    fault: JSON
    reason: str
    attempts: int = 1
    phase: str = "Succeeded"
    spec: JSON = field(default_factory=dict)
    # Whether its base image is there, too.
    pulls: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def failed_attempts(self) -> int:
        """How many attempts fail: no more than there are."""
        limit: int = self.spec.get("retry", {}).get("limit", RETRY_LIMIT)
        return min(self.attempts, limit + 1)

    def manifest(self, team: Team) -> JSON:
        """The build in the namespace of a team."""
        return manifest(team, self.name, pulls=self.pulls, **self.spec)

    def fault_of(self, team: Team) -> JSON:
        """The fault, for requests about this build's repository only."""
        return {**self.fault, "path": f"/{team.namespace}/{self.name}{self.fault['path']}"}


TROUBLES = (
    Trouble("answers-500", {**PUSH_CHECK, "status": 500}, "RegistryUnavailable", attempts=2),
    Trouble("answers-429", {**PUSH_CHECK, "status": 429, "body": TOO_MANY}, "RateLimited"),
    Trouble("cuts-connections", {**PUSH_CHECK, "action": "reset"}, "RegistryUnavailable"),
    Trouble("answers-502-to-the-pull", {**PULL, "status": 502}, "RegistryUnavailable", pulls=True),
    Trouble("answers-503-to-the-push", {**PUSH, "status": 503, "body": "busy"}, "RegistryUnavailable"),
    Trouble(
        "never-again",
        {**PUSH_CHECK, "status": 502},
        "RegistryUnavailable",
        attempts=FOR_EVER,
        phase="Failed",
        spec={"retry": {"limit": 0}},
    ),
    Trouble(
        "once-more",
        {**PUSH_CHECK, "status": 503},
        "RegistryUnavailable",
        attempts=FOR_EVER,
        phase="Failed",
        spec={"retry": {"limit": 1}},
    ),
)


def prepare(team: Team) -> None:
    """Make the Secrets: logins for the registry and its troubled side, and such that the latter refuses."""
    for name, faulty in ((LOGINS, FAULTY), (WRONG_LOGINS, replace(FAULTY, password="wrong"))):
        secret = team.cluster.pull_secret(name, team.cluster.registry, faulty)
        team.apply(secret | {"metadata": {"name": name, "namespace": team.namespace}})
