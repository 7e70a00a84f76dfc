"""How much faster a build is with a layer cache: cold, warm and unchanged, warm with another last COPY."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from tests.benchmark import evidence, figures
from tests.benchmark.cpu import machine_cpu, pod_cpu
from tests.benchmark.figures import CHANGED, COLD, UNCHANGED, Sample
from tests.cluster.errors import ClusterError
from tests.cluster.settings import CHECKOUT
from tests.e2e.audit import requests
from tests.e2e.team import JSON, Team

EXAMPLE: Final = CHECKOUT / "examples" / "order-report"
LAST_COPY: Final = "app.py"
RESOURCES: Final = {"requests": {"cpu": "1", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
WAIT: Final = "--timeout=600s"
# Until the audit log has the last request, and the Pod of the build before is out of the way.
QUIET_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Case:
    """The example with its layers compressed in one of two ways."""

    compression: str

    @property
    def title(self) -> str:
        return f"order-report, {self.compression}"


GZIP, ZSTD = Case("gzip"), Case("zstd")
CASES: Final = (GZIP, ZSTD)
# What the documentation advises, and what the goal is asked of.
ADVISED: Final = ZSTD


@dataclass(frozen=True)
class Round:
    """Three builds of a case, with a git repository, an image and a cache of their own."""

    team: Team
    case: Case
    number: int

    @property
    def name(self) -> str:
        return f"{self.case.compression}-{self.number}"

    @property
    def repository(self) -> str:
        return f"public/{self.team.namespace}-{self.name}"

    def manifest(self) -> JSON:
        team = self.team
        repository = f"{team.cluster.registry.host}/{team.namespace}/{self.name}/cache"
        return team.manifest(
            self.name,
            team.git(self.repository, revision="main"),
            buildArgs=[{"name": "BASE_IMAGE", "value": team.cluster.registry.image("debian", "bookworm-python")}],
            cache={"repository": repository},
            output={"images": [team.image(self.name)], "compression": self.case.compression},
            resources=RESOURCES,
            timeout="10m",
        )

    def samples(self) -> Iterator[Sample]:
        """Build three times.

        Raises:
            ClusterError: a build failed, so that there is nothing to measure.
        """
        files = {file.name: file.read_text() for file in sorted(EXAMPLE.iterdir()) if file.is_file()}
        git = self.team.cluster.git
        git.create(self.repository, files)
        yield self._measure(COLD, 1)
        yield self._measure(UNCHANGED, 2)
        git.commit(self.repository, {LAST_COPY: files[LAST_COPY] + "\n# Changed.\n"}, "Change what is copied last")
        yield self._measure(CHANGED, 3)

    def _measure(self, kind: str, run: int) -> Sample:
        time.sleep(QUIET_SECONDS)
        asked, busy = replace(self.team, since=datetime.now(UTC)), machine_cpu()
        if run == 1:
            asked.apply(self.manifest())
        else:
            asked.request(self.name, str(run))
        asked.kubectl("wait", f"imagebuild/{self.name}", f"--for=jsonpath={{.status.run.number}}={run}", WAIT)
        pod = self._status["run"]["podName"]
        asked.kubectl("wait", f"pod/{pod}", "--for=create", WAIT)
        with pod_cpu(asked.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}")) as used:
            asked.kubectl("wait", f"imagebuild/{self.name}", "--for=jsonpath={.status.run.completionTime}", WAIT)
            busy = machine_cpu() - busy
        time.sleep(QUIET_SECONDS)
        return self._sample(asked, kind, used.seconds, busy)

    @property
    def _status(self) -> JSON:
        return self.team.status(self.name)

    def _sample(self, asked: Team, kind: str, cpu: float, busy: float) -> Sample:
        status = self._status
        if status["phase"] != "Succeeded":
            raise ClusterError(f"{self.name}, {kind}: {status.get('failure')}")
        run, log = status["run"], self._keep_log(kind)
        hits, misses = evidence.cache_counts(log)
        pods, writes, events = evidence.request_counts(requests(asked, self.name))
        return Sample(
            case=self.case.title,
            round=self.number,
            kind=kind,
            seconds=evidence.recorded_seconds(asked.writes()),
            stated=evidence.seconds_between(run["startTime"], run["completionTime"]),
            container=evidence.container_seconds(self.team.cluster.get("pod", run["podName"], "-n", asked.namespace)),
            cpu=cpu,
            elsewhere=busy - cpu,
            hits=hits,
            misses=misses,
            pods=pods,
            writes=writes,
            events=events,
        )

    def _keep_log(self, kind: str) -> str:
        """The build's log, each line with its time; it is kept with the logs of the cluster."""
        pod = self._status["run"]["podName"]
        log = self.team.kubectl("logs", pod, "-c", "build", "--timestamps")
        file = f"benchmark-{self.name}-{kind.replace(',', '').replace(' ', '-')}.log"
        (self.team.cluster.paths.logs / file).write_text(log)
        return log


def measure(team: Team, cases: list[Case], rounds: int) -> Iterator[Sample]:
    """All builds, one after the other, the cases side by side in each round."""
    # Afterwards the executor's image is on the node, as it is on any node that builds.
    team.build("warm-up")
    for number in range(1, rounds + 1):
        for case in cases:
            yield from Round(team, case, number).samples()


def report(samples: list[Sample]) -> str:
    """The tables."""
    return f"{figures.builds_table(samples)}\n\n{figures.ratios_table(samples)}"
