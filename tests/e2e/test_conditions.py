"""Every row of the table of conditions, reached by real builds and read as a GitOps controller reads it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests import installation
from tests.cluster.handle import ClusterHandle
from tests.cluster.settings import FAULTY_PORT, REGISTRY_HOST
from tests.e2e.cheap_builds import cheap, lasting
from tests.e2e.team import JSON, Team
from tests.e2e.watching import Watch, builds_path
from tests.gitops import verdicts

DEPLOYMENT = ("-n", installation.NAMESPACE, f"deployment/{installation.RELEASE}")
IN_PROGRESS = {"Succeeded": "Unknown", "Ready": "Unknown", "Reconciling": "True"}
PUSHED = {"Succeeded": "True", "Ready": "True"}
STALLED = {"Succeeded": "False", "Ready": "False", "Stalled": "True"}
HELD = {"Succeeded": "Unknown", "Ready": "Unknown"}
# Whatever a build goes through, it is in one of these rows after each write.
ROWS = (IN_PROGRESS, PUSHED, STALLED, HELD)


@dataclass(frozen=True)
class Row:
    """A state of a build, and what must be read then."""

    state: str
    conditions: Mapping[str, str]
    reason: str
    phase: str
    flux: str
    argo: str

    def __str__(self) -> str:
        return self.state


TABLE = (
    Row("new", {}, "", "Pending", "InProgress", "Progressing"),
    Row("queued", IN_PROGRESS, "Queued", "Queued", "InProgress", "Progressing"),
    Row("building", IN_PROGRESS, "Building", "Building", "InProgress", "Progressing"),
    Row("waiting for an object", IN_PROGRESS, "PodNotStarting", "Pending", "InProgress", "Progressing"),
    Row("retrying", IN_PROGRESS, "Retrying", "Pending", "InProgress", "Progressing"),
    Row("image pushed", PUSHED, "Succeeded", "Succeeded", "Current", "Healthy"),
    Row("failed for good", STALLED, "RegistryUnavailable", "Failed", "Failed", "Degraded"),
    Row("cancelled", STALLED, "Cancelled", "Cancelled", "Failed", "Degraded"),
    Row("superseded", STALLED, "Superseded", "Cancelled", "Failed", "Degraded"),
    Row("suspended with a run due", HELD, "Suspended", "Suspended", "InProgress", "Suspended"),
    Row("suspended while it ran", HELD, "Suspended", "Suspended", "InProgress", "Suspended"),
    Row("pushed, then suspended", PUSHED, "Succeeded", "Succeeded", "Current", "Healthy"),
    Row("pushed, then suspended and changed", HELD, "Suspended", "Suspended", "InProgress", "Suspended"),
)


@pytest.fixture(scope="module")
def space(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    team = Team.create(cluster, "conditions")
    try:
        yield team
    finally:
        cluster.kubectl("scale", *DEPLOYMENT, "--replicas=1")
        cluster.kubectl("rollout", "status", *DEPLOYMENT, "--timeout=60s")
        team.delete()


@pytest.fixture(scope="module")
def written(space: Team) -> Iterator[Watch]:
    """Every version of every build of this module."""
    with Watch(space.cluster, builds_path(space.namespace)) as watch:
        yield watch


@pytest.fixture(scope="module")
def states(space: Team, written: Watch) -> dict[str, JSON]:
    """An ImageBuild in each state, as it was when it was in it."""
    cluster = space.cluster
    cluster.kubectl("scale", *DEPLOYMENT, "--replicas=0")
    cluster.kubectl("wait", "pods", "-n", installation.NAMESPACE, "--all", "--for=delete", "--timeout=60s")
    space.apply(cheap(space, "app"))
    found = {"new": space.get("app")}
    cluster.kubectl("scale", *DEPLOYMENT, "--replicas=1")
    space.apply(
        registry_down(space, "unlucky"),
        space.manifest("incomplete", registries={"secretRefs": [{"name": "missing"}]}),
        cheap(space, "held-back", suspend=True),
        lasting(space, "older", concurrencyGroup="web"),
        lasting(space, "running"),
    )
    space.until_building("older")
    space.apply(cheap(space, "next", concurrencyGroup="web"))
    reach = Reach(space, found)
    reach("queued", "next", "Queued")
    reach("image pushed", "app", "Succeeded")
    space.until_building("running")
    reach("building", "running", "Building")
    reach("suspended with a run due", "held-back", "Suspended")
    space.change("running", suspend=True)
    reach("suspended while it ran", "running", "Suspended")
    space.change("app", suspend=True)
    reach("pushed, then suspended", "app", "Succeeded", generation=2)
    space.change("app", dockerfile="Other")
    reach("pushed, then suspended and changed", "app", "Suspended")
    space.apply(cheap(space, "newest", concurrencyGroup="web", concurrencyPolicy="Replace"))
    reach("superseded", "older", "Superseded")
    reach("waiting for an object", "incomplete", "PodNotStarting")
    space.cancel("incomplete", "now")
    reach("cancelled", "incomplete", "Cancelled")
    reach("failed for good", "unlucky", "RegistryUnavailable")
    found["retrying"] = seen(written, "unlucky", lambda build: reason_of(build) == "Retrying")
    return found


def registry_down(space: Team, name: str) -> JSON:
    """A build that pushes to a registry's port at which nobody listens, and is tried again once."""
    host = f"{REGISTRY_HOST}:{FAULTY_PORT}"
    return cheap(space, name, output={"images": [f"{host}/app"]}, registries={"insecure": [host]}, retry={"limit": 1})


@dataclass(frozen=True)
class Reach:
    """Waits until a build is in a state, and keeps it as it is then."""

    space: Team
    found: dict[str, JSON]

    def __call__(self, state: str, name: str, reason: str, generation: int = 1) -> None:
        def there() -> bool:
            build = self.space.get(name)
            self.found[state] = build
            return reason_of(build) == reason and build["status"]["observedGeneration"] >= generation

        self.space.until(there, f"{reason} of {name}")


def reason_of(build: JSON) -> str:
    """The one reason of all conditions; empty while there are none."""
    reasons = {condition["reason"] for condition in build.get("status", {}).get("conditions", [])}
    assert len(reasons) <= 1
    return str(next(iter(reasons), ""))


def seen(written: Watch, name: str, wanted: Callable[[JSON], bool]) -> JSON:
    """A version of a build that does not stay, from the watch."""
    builds = (change.object for change in written.changes)
    return next(build for build in builds if build["metadata"]["name"] == name and wanted(build))


def read(build: JSON) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in build["status"].get("conditions", [])}


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_a_row_of_the_table(states: dict[str, JSON], row: Row) -> None:
    build = states[row.state]
    assert read(build) == row.conditions
    assert reason_of(build) == row.reason
    assert build["status"]["phase"] == row.phase
    [verdict] = verdicts([build])
    assert (verdict.flux.status, verdict.argo.status) == (row.flux, row.argo)


def test_argo_shows_why_a_build_failed_and_what_to_do(states: dict[str, JSON]) -> None:
    build = states["failed for good"]
    failure = build["status"]["failure"]
    [verdict] = verdicts([build])
    assert verdict.argo.message.startswith(f"RegistryUnavailable: {failure['message']}")
    assert verdict.argo.message.endswith(failure["hint"])
    [verdict] = verdicts([states["waiting for an object"]])
    assert "Create the secret missing in the namespace" in verdict.argo.message


def test_the_state_before_the_operator_saw_it_comes_from_the_schema(states: dict[str, JSON]) -> None:
    assert states["new"]["status"] == {"observedGeneration": -1, "phase": "Pending"}


def test_what_is_pushed_stays_told_while_it_is_suspended(states: dict[str, JSON]) -> None:
    names = ("image pushed", "pushed, then suspended", "pushed, then suspended and changed")
    told = [{key: states[name]["status"][key] for key in ("digest", "image", "images")} for name in names]
    assert told[0] == told[1] == told[2]


def test_no_version_ever_written_is_outside_the_table(states: dict[str, JSON], written: Watch) -> None:
    """Nor does any tell of a result while it speaks of an older generation as if of the current one."""
    versions = [change.object for change in written.changes if change.kind != "DELETED"]
    assert len(versions) > len(TABLE)
    for build in versions:
        status: dict[str, Any] = build["status"]
        assert not status.get("conditions") or read(build) in ROWS
        generations = {condition["observedGeneration"] for condition in status.get("conditions", [])}
        assert generations <= {status["observedGeneration"]}
