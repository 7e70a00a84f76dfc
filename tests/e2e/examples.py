"""The examples with the cluster's servers in the place of example.com, and what they need beside their manifests."""

import base64
import hashlib
import json
import tarfile
from collections.abc import Mapping
from types import MappingProxyType

import yaml

from tests.cluster.fileserver import FileServer
from tests.cluster.settings import CHECKOUT
from tests.cluster.sshserver import SshServer
from tests.e2e.team import JSON, Team

EXAMPLES = sorted((CHECKOUT / "examples").glob("*.yaml"))


def written(name: str) -> JSON:
    """The spec of an example as it stands."""
    spec: JSON = yaml.safe_load((CHECKOUT / "examples" / f"{name}.yaml").read_text())["spec"]
    return spec


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


def tags_and_logins(team: Team, commit: str) -> list[JSON]:
    """The example with its own two Secrets, of which the cluster's lack the second."""
    spec, mirror = written("10-tags-and-logins"), team.cluster.mirror
    manifest = localised(team, "10-tags-and-logins.yaml", {spec["source"]["git"]["revision"]: commit})
    first, second = spec["registries"]["secretRefs"]
    manifest["spec"]["registries"]["secretRefs"] = [first, {**second, "registry": mirror.host}]
    return [basic_login(team, second["name"], mirror.user, mirror.password), manifest]


def basic_login(team: Team, name: str, user: str | None, password: str | None) -> JSON:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": team.namespace},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"username": user, "password": password},
    }


def over_ssh(team: Team, server: SshServer) -> list[JSON]:
    key = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "git-key", "namespace": team.namespace},
        "type": "kubernetes.io/ssh-auth",
        "stringData": {"ssh-privatekey": server.key.read_text(), "known_hosts": server.known_hosts},
    }
    ours = {written("06-git-ssh")["source"]["git"]["url"]: server.short_url(f"private/{team.namespace}-ssh")}
    return [key, localised(team, "06-git-ssh.yaml", ours)]


def from_archive(team: Team, files: FileServer, release: bytes) -> list[JSON]:
    source = written("07-archive")["source"]["http"]
    address = files.write("private/web-1.4.2.tar.gz", release)
    ours = {source["url"]: address, source["sha256"]: hashlib.sha256(release).hexdigest()}
    return [basic_login(team, "files-login", files.user, files.password), localised(team, "07-archive.yaml", ours)]


def from_gitlab(team: Team) -> JSON:
    spec = written("11-gitlab-job")
    ours = {
        spec["source"]["git"]["url"]: team.cluster.git.url(f"public/{team.namespace}-gitlab"),
        "docker.io/acme/": f"docker.io/{team.namespace}/",
    }
    manifest = localised(team, "11-gitlab-job.yaml", ours)
    manifest["spec"]["registries"]["secretRefs"] = [*spec["registries"]["secretRefs"], {"name": "mirror-login"}]
    return manifest


def cached(team: Team) -> JSON:
    spec, cluster = written("04-cache-and-mirror"), team.cluster
    [endpoint] = spec["registries"]["mirrors"][0]["endpoints"]
    ours = {
        spec["source"]["git"]["url"]: cluster.git.url(f"public/{team.namespace}-cached"),
        endpoint: f"{cluster.mirror.host}/{team.namespace}/acme",
    }
    return localised(team, "04-cache-and-mirror.yaml", ours)


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
