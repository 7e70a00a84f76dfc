"""The examples: accepted as they stand, and built for real with nothing but their addresses replaced."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.handle import ClusterHandle
from tests.cluster.settings import CHECKOUT
from tests.e2e.team import JSON, Team

EXAMPLES = sorted((CHECKOUT / "examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "examples")
    yield space
    space.delete()


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_is_accepted_as_it_stands(team: Team, file: Path) -> None:
    said = team.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(file))
    assert said.strip().endswith("created (server dry run)")


def localised(team: Team, name: str) -> JSON:
    """An example with the cluster's servers in the place of example.com, and what reaching them takes."""
    [file] = [file for file in EXAMPLES if file.name == name]
    cluster, text = team.cluster, file.read_text()
    addresses = {
        "https://git.example.com/imagebuild/imagebuild-operator.git": cluster.git.url(f"public/{team.namespace}"),
        "https://git.example.com/shop/orders.git": cluster.git.url(f"private/{team.namespace}"),
        "registry.example.com": f"{cluster.registry.host}/{team.namespace}",
        "mirror.example.com": f"{cluster.mirror.host}/{team.namespace}",
    }
    for address, ours in addresses.items():
        text = text.replace(address, ours)
    manifest: JSON = yaml.safe_load(text)
    manifest["metadata"]["namespace"] = team.namespace
    registries = manifest["spec"].setdefault("registries", {})
    registries.setdefault("caBundle", {"configMapRef": {"name": "company-ca", "key": "ca.crt"}})
    registries["secretRefs"] = [{"name": "registry-login"}, {"name": "mirror-login"}]
    hub = {"registry": "docker.io", "endpoints": [f"{cluster.mirror.host}/{team.namespace}/hub"]}
    registries.setdefault("mirrors", [hub])
    return manifest


def test_the_examples_build_what_they_say(cluster: ClusterHandle, team: Team) -> None:
    source = cluster.registry.image("debian", "bookworm-python")
    cluster.crane("copy", source, cluster.mirror.image(f"{team.namespace}/hub/library/debian", "12-slim"))
    cluster.git.create(f"public/{team.namespace}", web_app())
    private = f"private/{team.namespace}"
    cluster.git.create(private, {"Dockerfile": team.dockerfile("COPY Dockerfile /")})
    cluster.git.tag(private, "v2.3.1")
    team.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "company-ca", "namespace": team.namespace},
            "data": {"ca.crt": cluster.ca_pem},
        },
        *(
            localised(team, f"{name}.yaml")
            for name in ("01-inline", "02-git", "03-private-git-and-registry", "05-queue")
        ),
    )
    for name in ("hello", "orders", "web-app", "web-app-main"):
        status = team.result(name)
        assert status["phase"] == "Succeeded", team.story()
    assert team.config(team.status("hello")["image"])["config"]["Entrypoint"] == ["greet"]
    web = team.config(team.status("web-app")["image"])["config"]
    assert web["Labels"]["org.opencontainers.image.version"] == "1.0.0"
    assert "APP_VERSION=1.0.0" in web["Env"]
    assert web["User"] == "65532:65532"


def web_app() -> dict[str, str | bytes | None]:
    folder = CHECKOUT / "examples" / "web-app"
    return {str(file.relative_to(CHECKOUT)): file.read_bytes() for file in folder.iterdir() if file.is_file()}
