"""The examples: accepted as they stand, and built for real with nothing but their addresses replaced."""

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

from tests.cluster.handle import ClusterHandle
from tests.cluster.settings import CHECKOUT
from tests.e2e.access_log import AccessLog
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


def company_ca(team: Team) -> JSON:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "company-ca", "namespace": team.namespace},
        "data": {"ca.crt": team.cluster.ca_pem},
    }


def localised(team: Team, name: str, more: Mapping[str, str] = MappingProxyType({})) -> JSON:
    """An example with the cluster's servers in the place of example.com, and what reaching them takes."""
    [file] = [file for file in EXAMPLES if file.name == name]
    cluster, text = team.cluster, file.read_text()
    addresses = {
        "https://git.example.com/imagebuild/imagebuild-operator.git": cluster.git.url(f"public/{team.namespace}"),
        "https://git.example.com/shop/orders.git": cluster.git.url(f"private/{team.namespace}"),
        "registry.example.com": f"{cluster.registry.host}/{team.namespace}",
        "mirror.example.com": f"{cluster.mirror.host}/{team.namespace}",
    }
    # Those of one example come first, and count where both have a word.
    for address, ours in {**more, **addresses, **more}.items():
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
    commit = cluster.git.create(f"public/{team.namespace}", web_app())
    private = f"private/{team.namespace}"
    cluster.git.create(private, {"Dockerfile": team.dockerfile("COPY Dockerfile /")})
    cluster.git.tag(private, "v2.3.1")
    push_folder(team, "web-app", team.image("examples/web-app-context"))
    team.apply(
        company_ca(team),
        *tags_and_logins(team, commit),
        *(
            localised(team, f"{name}.yaml")
            for name in ("01-inline", "02-git", "03-private-git-and-registry", "05-queue", "09-context-image")
        ),
    )
    for name in ("hello", "orders", "web-app", "web-app-main", "web-app-from-a-folder", "web-app-tagged"):
        status = team.result(name)
        assert status["phase"] == "Succeeded", team.story()
    assert team.config(team.status("hello")["image"])["config"]["Entrypoint"] == ["greet"]
    web = team.config(team.status("web-app")["image"])["config"]
    assert web["Labels"]["org.opencontainers.image.version"] == "1.0.0"
    assert "APP_VERSION=1.0.0" in web["Env"]
    assert web["User"] == "65532:65532"
    tags = [image.rpartition(":")[2] for image in team.status("web-app-tagged")["images"]]
    assert tags == [commit, commit[:8], "build-1"]


def tags_and_logins(team: Team, commit: str) -> list[JSON]:
    """The example with its own two Secrets, of which the cluster's lack the second."""
    name, mirror = "10-tags-and-logins.yaml", team.cluster.mirror
    written = yaml.safe_load((CHECKOUT / "examples" / name).read_text())["spec"]
    manifest = localised(team, name, {written["source"]["git"]["revision"]: commit})
    first, second = written["registries"]["secretRefs"]
    manifest["spec"]["registries"]["secretRefs"] = [first, {**second, "registry": mirror.host}]
    login = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": second["name"], "namespace": team.namespace},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"username": mirror.user, "password": mirror.password},
    }
    return [login, manifest]


def test_the_example_of_git_over_ssh_builds(cluster: ClusterHandle, team: Team) -> None:
    name = f"private/{team.namespace}-ssh"
    cluster.git.create(name, {"Dockerfile": team.dockerfile("COPY . /src"), "which": "over ssh"})
    written = yaml.safe_load((CHECKOUT / "examples" / "06-git-ssh.yaml").read_text())["spec"]["source"]["git"]
    with cluster.ssh_server() as server:
        key = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "git-key", "namespace": team.namespace},
            "type": "kubernetes.io/ssh-auth",
            "stringData": {"ssh-privatekey": server.key.read_text(), "known_hosts": server.known_hosts},
        }
        ours = {written["url"]: server.short_url(name)}
        team.apply(company_ca(team), key, localised(team, "06-git-ssh.yaml", ours))
        status = team.result("storefront")
    assert status["phase"] == "Succeeded", team.story()
    assert team.files(status["image"])["src/which"].content == "over ssh"


def test_the_example_of_an_archive_builds(cluster: ClusterHandle, team: Team) -> None:
    dockerfile = team.dockerfile("COPY . /src").encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("web-1.4.2/Dockerfile")
        entry.size = len(dockerfile)
        tar.addfile(entry, io.BytesIO(dockerfile))
    release = packed.getvalue()
    written = yaml.safe_load((CHECKOUT / "examples" / "07-archive.yaml").read_text())["spec"]["source"]["http"]
    checksum = hashlib.sha256(release).hexdigest()
    with cluster.file_server() as files:
        address = files.write("private/web-1.4.2.tar.gz", release)
        login = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "files-login", "namespace": team.namespace},
            "type": "kubernetes.io/basic-auth",
            "stringData": {"username": files.user, "password": files.password},
        }
        ours = {written["url"]: address, written["sha256"]: checksum}
        team.apply(company_ca(team), login, localised(team, "07-archive.yaml", ours))
        status = team.result("web-release")
    assert status["phase"] == "Succeeded", team.story()
    assert status["source"] == {"digest": f"sha256:{checksum}"}
    assert team.files(status["image"])["src/Dockerfile"].content == dockerfile.decode()


def test_the_example_of_a_gitlab_job_builds(cluster: ClusterHandle, team: Team) -> None:
    name, repository = "11-gitlab-job.yaml", f"public/{team.namespace}-gitlab"
    written = yaml.safe_load((CHECKOUT / "examples" / name).read_text())["spec"]
    cluster.git.create(repository, web_app())
    commit = cluster.git.commit(repository, {"CHANGES": "a cart"}, "Add", branch=written["source"]["git"]["revision"])
    cluster.crane(
        "copy",
        cluster.registry.image("debian", "bookworm-python"),
        cluster.mirror.image(f"{team.namespace}/hub/library/debian", "12-slim"),
    )
    ours = {
        written["source"]["git"]["url"]: cluster.git.url(repository),
        "docker.io/acme/": f"docker.io/{team.namespace}/",
    }
    manifest = localised(team, name, ours)
    manifest["spec"]["registries"]["secretRefs"] = [*written["registries"]["secretRefs"], {"name": "mirror-login"}]
    with cluster.docker_hub():
        team.apply(company_ca(team), docker_hub_login(team), manifest)
        status = team.result("web-app-from-gitlab")
    assert status["phase"] == "Succeeded", team.story()
    assert status["images"] == [f"docker.io/{team.namespace}/web-app:feature-shopping-cart"]
    assert status["source"]["commit"] == commit
    assert status["digest"] == team.digest(team.image("web-app", "feature-shopping-cart"))


def test_the_example_of_cache_and_mirror_uses_both(cluster: ClusterHandle, team: Team) -> None:
    name, repository, hub = "04-cache-and-mirror.yaml", f"public/{team.namespace}-cached", f"{team.namespace}/acme"
    written = yaml.safe_load((CHECKOUT / "examples" / name).read_text())["spec"]
    base = cluster.mirror.image(f"{hub}/library/debian", "12-slim")
    cluster.crane("copy", cluster.registry.image("debian", "bookworm-python"), base)
    cluster.git.create(repository, web_app())
    [endpoint] = written["registries"]["mirrors"][0]["endpoints"]
    ours = {written["source"]["git"]["url"]: cluster.git.url(repository), endpoint: f"{cluster.mirror.host}/{hub}"}
    manifest = localised(team, name, ours)
    cache = manifest["spec"]["cache"]["repository"].removeprefix(f"{cluster.registry.host}/")
    pulls = AccessLog.from_now(cluster, cluster.mirror)
    team.apply(company_ca(team), manifest)
    first = team.result("web-app-cached")
    assert first["phase"] == "Succeeded", team.story()
    layers = [layer["digest"] for layer in json.loads(cluster.crane("manifest", base))["layers"]]
    assert {f"blobs/{digest}" for digest in layers} <= set(pulls.served(f"{hub}/library/debian"))
    # All of its RUN steps, of both stages.
    dockerfile = (CHECKOUT / "examples" / "web-app" / "Dockerfile").read_text()
    steps = [line for line in dockerfile.splitlines() if line.startswith("RUN ")]
    taken = AccessLog.from_now(cluster, cluster.registry)
    second = team.rebuild("web-app-cached", "again")
    assert (second["phase"], second["run"]["number"]) == ("Succeeded", 2), team.story()
    assert team.log("web-app-cached").count("Using caching version of cmd") == len(steps)
    assert len({each for each in taken.served(cache) if each.startswith("manifests/")}) == len(steps)


def docker_hub_login(team: Team) -> JSON:
    """What the comment of the example makes: a Secret from the config.json of the job."""
    hub = team.cluster.registry
    auth = base64.b64encode(f"{hub.user}:{hub.password}".encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "docker-hub-login", "namespace": team.namespace},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": auth}}})},
    }


def push_folder(team: Team, name: str, reference: str) -> None:
    """A folder of the examples as an image of one layer, as the example of a context image does it."""
    layer = team.cluster.paths.config / f"{team.namespace}-{name}.tar"
    with tarfile.open(layer, "w") as tar:
        tar.add(CHECKOUT / "examples" / name, ".")
    team.cluster.crane("append", "--new_layer", str(layer), "--new_tag", reference)


def web_app() -> dict[str, str | bytes | None]:
    folder = CHECKOUT / "examples" / "web-app"
    return {str(file.relative_to(CHECKOUT)): file.read_bytes() for file in folder.iterdir() if file.is_file()}
