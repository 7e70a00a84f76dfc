"""`python -m tests.benchmark cache`: builds on the real cluster, for some minutes, and prints figures."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests import installation
from tests.benchmark import cache, figures
from tests.benchmark.cpu import precedence
from tests.cluster import ClusterError, running_cluster
from tests.cluster.locks import locked
from tests.cluster.settings import CACHE_FOLDER
from tests.e2e.team import Team


@contextmanager
def _team(name: str) -> Iterator[Team]:
    """A namespace on the cluster with the operator of this checkout, for one user of the cluster at a time."""
    with (
        locked(CACHE_FOLDER / "e2e.lock", print, "waiting for a run of the end-to-end tests …"),
        running_cluster() as cluster,
        precedence(),
    ):
        image = installation.build_operator_image(cluster, cluster.paths.logs / "operator-image-build.log")
        installation.install(cluster, image)
        team = Team.create(cluster, name)
        try:
            yield team
        finally:
            team.delete()


def _cache(rounds: int, compressions: list[str]) -> int:
    cases = [case for case in cache.CASES if not compressions or case.compression in compressions]
    print(f"{os.cpu_count()} CPUs; load before it: {os.getloadavg()[0]:.1f}", flush=True)
    samples = []
    with _team("benchmark-cache") as team:
        for sample in cache.measure(team, cases, rounds):
            samples.append(sample)
            print(figures.line(sample), flush=True)
    print(f"\n{cache.report(samples)}")
    missed = figures.short_of_goal(samples, cache.ADVISED.title) if cache.ADVISED in cases else []
    for line in missed:
        print(line, file=sys.stderr)
    return 1 if missed else 0


def main() -> int:
    """The exit code: 1 if a build failed, or if the cache does not speed builds up as it should."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    of_cache = commands.add_parser("cache", help=cache.__doc__)
    of_cache.add_argument("--rounds", type=int, default=3)
    of_cache.add_argument("--compression", action="append", default=[], choices=[c.compression for c in cache.CASES])
    arguments = parser.parse_args()
    try:
        return _cache(arguments.rounds, arguments.compression)
    except ClusterError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
