"""The examples: accepted as they stand, and built for real with nothing but their addresses replaced."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.handle import ClusterHandle
from tests.cluster.settings import CHECKOUT
from tests.e2e.access_log import AccessLog
from tests.e2e.examples import (
    EXAMPLES,
    cached,
    company_ca,
    docker_hub_login,
    from_archive,
    from_gitlab,
    localised,
    over_ssh,
    push_folder,
    tags_and_logins,
    web_app,
    written,
)
from tests.e2e.team import Team


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "examples")
    yield space
    space.delete()


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_is_accepted_as_it_stands(team: Team, file: Path) -> None:
    said = team.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(file))
    assert said.strip().endswith("created (server dry run)")


@pytest.fixture(scope="module")
def release(team: Team) -> bytes:
    """What 07-archive.yaml builds from."""
    dockerfile = team.dockerfile("COPY . /src").encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("web-1.4.2/Dockerfile")
        entry.size = len(dockerfile)
        tar.addfile(entry, io.BytesIO(dockerfile))
    return packed.getvalue()


@pytest.fixture(scope="module")
def commits(team: Team) -> dict[str, str]:
    """Of the repositories that the examples build from, by the names of their builds where these tell of a commit."""
    git, name = team.cluster.git, team.namespace
    git.create(f"private/{name}", {"Dockerfile": team.dockerfile("COPY Dockerfile /")})
    git.tag(f"private/{name}", "v2.3.1")
    git.create(f"private/{name}-ssh", {"Dockerfile": team.dockerfile("COPY . /src"), "which": "over ssh"})
    git.create(f"public/{name}-cached", web_app())
    git.create(f"public/{name}-gitlab", web_app())
    branch = written("11-gitlab-job")["source"]["git"]["revision"]
    return {
        "web-app-tagged": git.create(f"public/{name}", web_app()),
        "web-app-from-gitlab": git.commit(f"public/{name}-gitlab", {"CHANGES": "a cart"}, "Add", branch=branch),
    }


@pytest.fixture(scope="module")
def builds(cluster: ClusterHandle, team: Team, commits: dict[str, str], release: bytes) -> Iterator[AccessLog]:
    """All of them, applied at once; what is pulled from the mirror from then on."""
    base = cluster.registry.image("debian", "bookworm-python")
    for hub in ("hub", "acme"):
        cluster.crane("copy", base, cluster.mirror.image(f"{team.namespace}/{hub}/library/debian", "12-slim"))
    push_folder(team, "web-app", team.image("examples/web-app-context"))
    with cluster.ssh_server() as ssh, cluster.file_server() as files, cluster.docker_hub():
        pulls = AccessLog.from_now(cluster, cluster.mirror)
        team.apply(
            company_ca(team),
            cached(team),
            from_gitlab(team),
            docker_hub_login(team),
            *tags_and_logins(team, commits["web-app-tagged"]),
            *(
                localised(team, f"{name}.yaml")
                for name in ("01-inline", "02-git", "03-private-git-and-registry", "05-queue", "09-context-image")
            ),
            *over_ssh(team, ssh),
            *from_archive(team, files, release),
        )
        yield pulls


@pytest.mark.usefixtures("builds")
class TestBuilt:
    def test_the_examples_build_what_they_say(self, team: Team, commits: dict[str, str]) -> None:
        for name in ("hello", "orders", "web-app", "web-app-main", "web-app-from-a-folder", "web-app-tagged"):
            status = team.result(name)
            assert status["phase"] == "Succeeded", team.story()
        assert team.config(team.status("hello")["image"])["config"]["Entrypoint"] == ["greet"]
        web = team.config(team.status("web-app")["image"])["config"]
        assert web["Labels"]["org.opencontainers.image.version"] == "1.0.0"
        assert "APP_VERSION=1.0.0" in web["Env"]
        assert web["User"] == "65532:65532"
        tags = [image.rpartition(":")[2] for image in team.status("web-app-tagged")["images"]]
        commit = commits["web-app-tagged"]
        assert tags == [commit, commit[:8], "build-1"]

    def test_the_example_of_git_over_ssh_builds(self, team: Team) -> None:
        status = team.result("storefront")
        assert status["phase"] == "Succeeded", team.story()
        assert team.files(status["image"])["src/which"].content == "over ssh"

    def test_the_example_of_an_archive_builds(self, team: Team, release: bytes) -> None:
        status = team.result("web-release")
        assert status["phase"] == "Succeeded", team.story()
        assert status["source"] == {"digest": f"sha256:{hashlib.sha256(release).hexdigest()}"}
        assert team.files(status["image"])["src/Dockerfile"].content == team.dockerfile("COPY . /src")

    def test_the_example_of_a_gitlab_job_builds(self, team: Team, commits: dict[str, str]) -> None:
        status = team.result("web-app-from-gitlab")
        assert status["phase"] == "Succeeded", team.story()
        assert status["images"] == [f"docker.io/{team.namespace}/web-app:feature-shopping-cart"]
        assert status["source"]["commit"] == commits["web-app-from-gitlab"]
        assert status["digest"] == team.digest(team.image("web-app", "feature-shopping-cart"))

    def test_the_example_of_cache_and_mirror_uses_both(
        self, cluster: ClusterHandle, team: Team, builds: AccessLog
    ) -> None:
        first = team.result("web-app-cached")
        assert first["phase"] == "Succeeded", team.story()
        hub = f"{team.namespace}/acme/library/debian"
        base = json.loads(cluster.crane("manifest", cluster.mirror.image(hub, "12-slim")))
        layers = [layer["digest"] for layer in base["layers"]]
        assert {f"blobs/{digest}" for digest in layers} <= set(builds.served(hub))
        # All of its RUN steps, of both stages.
        dockerfile = (CHECKOUT / "examples" / "web-app" / "Dockerfile").read_text()
        steps = [line for line in dockerfile.splitlines() if line.startswith("RUN ")]
        taken = AccessLog.from_now(cluster, cluster.registry)
        second = team.rebuild("web-app-cached", "again")
        assert (second["phase"], second["run"]["number"]) == ("Succeeded", 2), team.story()
        assert team.log("web-app-cached").count("Using caching version of cmd") == len(steps)
        cache = team.get("web-app-cached")["spec"]["cache"]["repository"].removeprefix(f"{cluster.registry.host}/")
        assert len({each for each in taken.served(cache) if each.startswith("manifests/")}) == len(steps)
