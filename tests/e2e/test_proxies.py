"""The proxies of the operator's settings: what build Pods fetch and pull goes through them, and noProxy around them."""

from collections.abc import Iterator

import pytest

from tests import installation
from tests.cluster.fileserver import FileServer
from tests.cluster.handle import ClusterHandle
from tests.cluster.settings import GIT_HOST, GIT_PORT, MIRROR_HOST
from tests.cluster.web_proxy import WebProxy
from tests.e2e import broken_registries
from tests.e2e.broken_builds import Broken
from tests.e2e.team import JSON, Team
from tests.e2e.test_archives import archive
from tests.e2e.test_broken_builds import Ground, assert_told

HTTP_PROXY = "http://proxy.example.com:3128"


@pytest.fixture(scope="module")
def proxy(cluster: ClusterHandle, operator: None, operator_image: tuple[str, str]) -> Iterator[WebProxy]:
    with cluster.web_proxy() as proxy:
        chosen = {"httpProxy": HTTP_PROXY, "httpsProxy": proxy.url, "noProxy": MIRROR_HOST}
        installation.install(cluster, operator_image, {"build": {"proxy": chosen}})
        yield proxy
        installation.install(cluster, operator_image)


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, proxy: WebProxy) -> Iterator[Team]:
    space = Team.create(cluster, "proxies")
    yield space
    space.delete()


@pytest.fixture(scope="module")
def statuses(team: Team) -> Iterator[dict[str, JSON]]:
    """Builds that fetch from three servers, pull from a fourth, and push to one that needs no proxy."""
    git, mirror = team.cluster.git, team.cluster.mirror
    repository = f"public/{team.namespace}"
    git.create(repository, {"Dockerfile": team.dockerfile('RUN echo "$http_proxy $HTTPS_PROXY $no_proxy" > /seen')})
    scratch = archive({"Dockerfile": "FROM scratch\nCOPY . /src\n"})
    both = {**team.registries, "secretRefs": [{"name": "registry-login"}, {"name": "mirror-login"}]}
    with team.cluster.file_server() as files:
        sources = {
            "git": team.git(repository),
            "http": {"http": {"url": files.write("public/context.tar", scratch)}},
            "mirrored": {"oci": {"image": mirror.image(f"{team.namespace}/context", "1")}},
        }
        context = team.cluster.paths.config / f"{team.namespace}.tar"
        context.write_bytes(scratch)
        team.cluster.crane("append", "-f", str(context), "-t", sources["mirrored"]["oci"]["image"])
        team.apply(
            *(
                team.manifest(
                    name,
                    source,
                    registries=both,
                    output={"images": [mirror.image(f"{team.namespace}/{name}", "1")]},
                )
                for name, source in sources.items()
            )
        )
        yield {name: team.result(name) for name in sources}


def test_all_builds_succeed(statuses: dict[str, JSON], team: Team) -> None:
    assert {status["phase"] for status in statuses.values()} == {"Succeeded"}, team.story()


@pytest.mark.usefixtures("statuses")
class TestWhatGoesThroughIt:
    def test_the_source_from_git(self, team: Team, proxy: WebProxy) -> None:
        assert f"{GIT_HOST}:{GIT_PORT}" in proxy.asked_for()

    def test_the_source_from_a_web_server(self, proxy: WebProxy) -> None:
        assert f"{FileServer.host}:{FileServer.port}" in proxy.asked_for()

    def test_the_executors_pull(self, team: Team, proxy: WebProxy) -> None:
        """Only the base image is in that registry."""
        assert team.cluster.registry.host in proxy.asked_for()

    def test_not_what_the_settings_leave_out(self, team: Team, proxy: WebProxy) -> None:
        """A context and all images are in that registry, which two init containers and executors reach."""
        assert team.cluster.mirror.host not in proxy.asked_for()


def test_steps_are_told_and_the_image_forgets(team: Team, statuses: dict[str, JSON], proxy: WebProxy) -> None:
    status = statuses["git"]
    assert team.files(status["image"])["seen"].content.split() == [HTTP_PROXY, proxy.url, MIRROR_HOST]
    assert HTTP_PROXY not in str(team.config(status["image"]))


@pytest.fixture(scope="module")
def away(team: Team, operator_image: tuple[str, str]) -> Iterator[Team]:
    """The namespace, while the settings name a proxy that is not there."""
    installation.install(team.cluster, operator_image, {"build": {"proxy": {"httpsProxy": broken_registries.NOBODY}}})
    team.apply(*(team.manifest(case.name, **case.spec(Ground(team))) for case in broken_registries.PROXIES))
    yield team


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.name, marks=pytest.mark.cause(case.cause)) for case in broken_registries.PROXIES],
)
def test_a_proxy_that_is_not_there_is_told(away: Team, case: Broken) -> None:
    assert_told(away, case)
