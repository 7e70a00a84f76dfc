"""Every way in which an executor fails a build, by real builds: one namespace, all at once, a test for each."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from imagebuild_operator.core.failures import CAUSES, Evidence, find
from imagebuild_operator.core.pods import PodView
from tests.cluster.faulty import FAULTY
from tests.cluster.handle import ClusterHandle
from tests.corpus.logs import cases
from tests.e2e import registry_troubles
from tests.e2e.broken_builds import Broken
from tests.e2e.cheap_builds import unprepared
from tests.e2e.team import JSON, Team

SECONDS = 600
ROWS = {cause.doc.name: cause for cause in CAUSES}
HERE = [case for case in cases() if not case.proxy]


@dataclass(frozen=True)
class Ground:
    """The namespace, as a place for builds."""

    team: Team

    @property
    def busybox(self) -> str:
        return self.team.busybox

    def faulty(self, name: str) -> str:
        return FAULTY.image(f"{self.team.namespace}/{name}", "1")

    def manifest(self, case: Broken) -> JSON:
        spec = case.spec(self)
        registries = unprepared(self.team, registry_troubles.LOGINS)
        if FAULTY.host in json.dumps(spec):
            registries = {**self.team.registries, "secretRefs": [{"name": registry_troubles.LOGINS}]}
        return self.team.manifest(case.name, **{"registries": registries, **spec})


@pytest.fixture(scope="module")
def ground(cluster: ClusterHandle, operator: None) -> Iterator[Ground]:
    place = Ground(Team.create(cluster, "broken"))
    registry_troubles.prepare(place.team)
    with cluster.faulty_registry() as registry:
        faults = [fault for case in HERE for fault in case.faults_at(f"{place.team.namespace}/{case.name}")]
        registry.fail(*faults)
        place.team.apply(*(place.manifest(case) for case in HERE))
        yield place
    place.team.delete()


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=pytest.mark.cause(case.cause)) for case in HERE]
)
def test_a_broken_build_says_what_to_mend(ground: Ground, case: Broken) -> None:
    assert_told(ground.team, case)


def assert_told(team: Team, case: Broken) -> None:
    """The build ends as it must, and the row of its cause is what is found."""
    status = team.result(case.name, SECONDS)
    assert status["phase"] == "Failed", status
    failure = status["failure"]
    assert failure["reason"] == ROWS[case.cause].reason, failure
    assert failure["exitCode"] == case.exit_code
    assert re.search(case.message, failure["message"]), failure["message"]
    assert re.search(case.hint, failure["hint"]), failure["hint"]
    assert "Usage:" not in failure.get("logTail", "")
    [pod] = [PodView.parse(raw) for raw in team.pods(case.name)]
    assert find(Evidence(pod, team.log(case.name))).doc.name == case.cause
