"""Contexts that the cluster holds: ConfigMaps, volumes, images and artifacts; one namespace, a test for each build."""

import base64
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests import installation
from tests.cluster.handle import ClusterHandle
from tests.e2e.artifacts import FLUX, TAR, TITLE, UNPACK, Blob, archive, push_artifact
from tests.e2e.missing import assert_waited, until_told
from tests.e2e.team import JSON, Team

TOLD_WITHIN_SECONDS = 30
WRONG_PASSWORD = "guess-work-5af1"
LOGO = b"\x89PNG\r\n\x1a\n\0\xff"


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "cluster-sources")
    yield space
    space.delete()
    volumes = (space.namespace, late_volume(space))
    cluster.kubectl("delete", "persistentvolume", *volumes, "--ignore-not-found", "--wait=false")


def late_volume(team: Team) -> str:
    return f"{team.namespace}-late"


def namespaced(team: Team, kind: str, name: str, **members: Any) -> JSON:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": team.namespace}, **members}


def volume(team: Team, name: str, claim: str) -> list[JSON]:
    """A volume on the test node with a small tree of files, and the claim that is bound to it."""
    folder = team.cluster.paths.config / name
    for path, content in files_of(team).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    wanted = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                **wanted,
                "capacity": {"storage": "1Gi"},
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": str(folder), "type": "Directory"},
                "claimRef": {"namespace": team.namespace, "name": claim},
            },
        },
        namespaced(
            team,
            "PersistentVolumeClaim",
            claim,
            spec={**wanted, "volumeName": name, "resources": {"requests": {"storage": "1Gi"}}},
        ),
    ]


def files_of(team: Team) -> dict[str, str]:
    dockerfile = team.dockerfile("COPY . /src")
    return {
        "Dockerfile": dockerfile,
        "which": "root",
        "services/web/Dockerfile": team.dockerfile("COPY . /src", "RUN find /kaniko/ctx -type f | sort > /seen"),
        "services/web/which": "web",
    }


def context_image(team: Team) -> str:
    """An image of two layers, the second of which hides and replaces files of the first; returns its digest."""
    layers = []
    for name, files in {
        "lower": {"Dockerfile": team.dockerfile("COPY . /src"), "which": "lower", "hidden": "", "folder/kept": "kept"},
        "upper": {"which": "upper", ".wh.hidden": ""},
    }.items():
        file = team.cluster.paths.config / f"{team.namespace}-{name}.tar"
        file.write_bytes(archive(files, packed=False))
        layers += ["-f", str(file)]
    team.cluster.crane("append", *layers, "-t", team.image("context"))
    return team.digest(team.image("context"))


def push_artifacts(team: Team) -> dict[str, str]:
    """One as Flux pushes a folder, one as oras pushes a file and a folder; returns their digests."""
    dockerfile = team.dockerfile("COPY . /src")
    flux = Blob(archive({"Dockerfile": dockerfile, "src/which": "flux"}), FLUX)
    file = Blob(dockerfile.encode(), TAR.removesuffix("+gzip"), {TITLE: "Dockerfile"})
    folder = Blob(archive({"src/which": "oras"}), TAR, {TITLE: "src", UNPACK: "true"})
    registry, ca = team.cluster.registry, team.cluster.paths.ca
    return {
        name: push_artifact(registry, ca, f"{team.namespace}/{name}", "1", *layers)
        for name, layers in {"flux": [flux], "oras": [file, folder]}.items()
    }


def wrong_login(team: Team) -> JSON:
    registry = team.cluster.registry
    auth = base64.b64encode(f"{registry.user}:{WRONG_PASSWORD}".encode()).decode()
    return namespaced(
        team,
        "Secret",
        "wrong-login",
        type="kubernetes.io/dockerconfigjson",
        stringData={".dockerconfigjson": json.dumps({"auths": {registry.host: {"auth": auth}}})},
    )


@pytest.fixture(scope="module")
def digests(team: Team) -> dict[str, str]:
    """Those of the image and the artifacts, by name."""
    return {"context": context_image(team), **push_artifacts(team)}


@pytest.fixture(scope="module")
def builds(team: Team, digests: dict[str, str]) -> None:
    """All of them, applied at once."""
    dockerfile = team.dockerfile("COPY . /src")
    site = namespaced(
        team,
        "ConfigMap",
        "site",
        data={"Dockerfile": dockerfile, "index": "<p>hello", "run": "#!/bin/sh\n"},
        binaryData={"logo": base64.b64encode(LOGO).decode()},
    )
    half = namespaced(team, "ConfigMap", "half", data={"Dockerfile": dockerfile})
    items = [
        {"key": "Dockerfile", "path": "Dockerfile"},
        {"key": "index", "path": "html/index.html"},
        {"key": "run", "path": "bin/run", "mode": 0o755},
    ]
    claim = {"persistentVolumeClaim": {"claimName": "data"}}
    plain = team.cluster.insecure_registry
    plain_context = plain.image(f"{team.namespace}/context", "1")
    team.cluster.crane("copy", "--insecure", team.image("context"), plain_context)
    sources: dict[str, JSON] = {
        "items": {"configMap": {"name": "site", "items": items}},
        "whole": {"configMap": {"name": "site"}},
        "late-map": {"configMap": {"name": "late"}},
        "late-key": {"configMap": {"name": "half", "items": [*items[:1], {"key": "late", "path": "late"}]}},
        "volume": claim,
        "folder": {**claim, "subPath": "services/web"},
        "no-folder": {**claim, "subPath": "services/missing"},
        "late-claim": {"persistentVolumeClaim": {"claimName": "late"}},
        "tag": oci(image=team.image("context"), secretRef={"name": "registry-login"}),
        "digest": oci(image=f"{team.image('context').removesuffix(':1')}@{digests['context']}"),
        "flux": oci(artifact=team.image("flux")),
        "oras": oci(artifact=team.image("oras"), secretRef={"name": "registry-login"}),
        "refused": oci(image=team.image("context"), secretRef={"name": "wrong-login"}),
        "no-tag": oci(image=team.image("context", "2")),
    }
    team.apply(
        site,
        half,
        wrong_login(team),
        *volume(team, team.namespace, "data"),
        *(team.manifest(name, source) for name, source in sources.items()),
        team.manifest("no-ca", sources["tag"], registries={"secretRefs": team.registries["secretRefs"]}),
        team.manifest("plain-http", oci(image=plain_context), registries={**team.registries, "insecure": [plain.host]}),
    )


def oci(**members: Any) -> JSON:
    return {"oci": members}


@pytest.fixture(scope="module")
def late(team: Team, builds: None) -> None:
    """What comes late comes as soon as it is missed: the kubelet looks again later, and meanwhile the others build."""
    until_told(team, "late-map", '"late" not found', TOLD_WITHIN_SECONDS)
    team.apply(namespaced(team, "ConfigMap", "late", data={"Dockerfile": team.dockerfile("COPY . /src")}))
    until_told(team, "late-claim", 'persistentvolumeclaim "late" not found', TOLD_WITHIN_SECONDS)
    team.apply(*volume(team, late_volume(team), "late"))
    until_told(team, "late-key", "ConfigMap half has no key late. ", TOLD_WITHIN_SECONDS)
    team.kubectl("patch", "configmap", "half", "--type=merge", "--patch", '{"data": {"late": "at last"}}')


@pytest.mark.usefixtures("late")
class TestConfigMaps:
    def test_items_are_files_of_their_own(self, team: Team) -> None:
        status = team.result("items")
        assert status["phase"] == "Succeeded", status
        files = {name: file for name, file in team.files(status["image"]).items() if name.startswith("src/")}
        regular = {name for name, file in files.items() if file.regular}
        assert regular == {"src/Dockerfile", "src/html/index.html", "src/bin/run"}
        assert files.keys() - regular <= {"src/html", "src/bin"}
        assert files["src/html/index.html"].content == "<p>hello"
        assert (files["src/bin/run"].mode, files["src/html/index.html"].mode) == (0o755, 0o644)

    def test_without_items_every_key_is_one(self, team: Team) -> None:
        status = team.result("whole")
        assert status["phase"] == "Succeeded", status
        files = {name: file for name, file in team.files(status["image"]).items() if name.startswith("src/")}
        assert files.keys() == {"src/Dockerfile", "src/index", "src/run", "src/logo"}
        assert all(file.regular for file in files.values())
        assert files["src/logo"].content == LOGO.decode(errors="replace")

    def test_other_contents_start_nothing_by_themselves(self, team: Team) -> None:
        team.result("items")
        team.kubectl("patch", "configmap", "site", "--type=merge", "--patch", '{"data": {"index": "<p>new"}}')
        status = team.rebuild("items", "new contents")
        assert status["run"]["number"] == 2
        assert status["run"]["cause"] == "Requested"
        assert team.files(status["image"])["src/html/index.html"].content == "<p>new"


@pytest.mark.usefixtures("late")
class TestVolumes:
    def test_a_volume_is_the_context(self, team: Team) -> None:
        status = team.result("volume")
        assert status["phase"] == "Succeeded", status
        files = team.files(status["image"])
        assert files["src/which"].content == "root"
        assert files["src/services/web/which"].content == "web"

    def test_of_a_folder_of_it_build_steps_see_nothing_else(self, team: Team) -> None:
        status = team.result("folder")
        assert status["phase"] == "Succeeded", status
        files = team.files(status["image"])
        assert files["src/which"].content == "web"
        folder = "/kaniko/ctx/services/web"
        assert files["seen"].content.split() == [f"{folder}/Dockerfile", f"{folder}/which"]

    def test_a_folder_that_is_not_there_is_told_and_not_made(self, team: Team) -> None:
        status = team.result("no-folder")
        assert (status["phase"], status["failure"]["reason"]) == ("Failed", "SubPathInvalid"), status
        assert "services/missing" in status["failure"]["message"]
        assert "PersistentVolumeClaim data" in status["failure"]["message"]
        assert not (team.cluster.paths.config / team.namespace / "services/missing").exists()


@pytest.mark.usefixtures("late")
class TestRegistries:
    @pytest.mark.parametrize(("name", "revision"), [("tag", {"revision": "1"}), ("digest", {})])
    def test_the_layers_of_an_image(
        self, team: Team, digests: dict[str, str], name: str, revision: dict[str, str]
    ) -> None:
        status = team.result(name)
        assert status["phase"] == "Succeeded", status
        assert status["source"] == {"digest": digests["context"], **revision}
        assert_of_both_layers(team, status)

    @pytest.mark.parametrize("name", ["flux", "oras"])
    def test_an_artifact(self, team: Team, digests: dict[str, str], name: str) -> None:
        status = team.result(name)
        assert status["phase"] == "Succeeded", status
        assert status["source"] == {"digest": digests[name], "revision": "1"}
        assert team.files(status["image"])["src/src/which"].content == name

    def test_plain_http_where_the_spec_names_the_host(self, team: Team) -> None:
        status = team.result("plain-http")
        assert status["phase"] == "Succeeded", status
        assert_of_both_layers(team, status)

    def test_a_refused_login_is_told_with_its_secret(self, team: Team) -> None:
        failure = team.result("refused")["failure"]
        assert failure["reason"] == "SourceAuthFailed", failure
        assert "Secret wrong-login" in failure["message"]
        assert WRONG_PASSWORD not in json.dumps(team.get("refused")) + team.log("refused", "prepare")

    def test_a_tag_that_is_not_there(self, team: Team) -> None:
        failure = team.result("no-tag")["failure"]
        assert failure["reason"] == "SourceNotFound", failure
        assert f"{team.namespace}/context has no tag 2" in failure["message"]

    def test_without_the_ca_the_registry_is_not_trusted(self, team: Team) -> None:
        failure = team.result("no-ca")["failure"]
        assert failure["reason"] == "CertificateUnknown", failure
        assert team.cluster.registry.host in failure["message"]


def assert_of_both_layers(team: Team, status: JSON) -> None:
    files = {name: file for name, file in team.files(status["image"]).items() if name.startswith("src/")}
    assert files["src/which"].content == "upper"
    assert files["src/folder/kept"].content == "kept"
    assert not [name for name in files if "hidden" in name or "layer" in name]


@pytest.mark.usefixtures("late")
class TestMissing:
    """Told, and healed by nothing but what was missing."""

    def test_a_config_map_that_comes_late(self, team: Team) -> None:
        assert_waited(team, "late-map")

    def test_a_key_that_comes_late(self, team: Team) -> None:
        assert_waited(team, "late-key")
        assert team.files(team.status("late-key")["image"])["src/late"].content == "at last"

    def test_a_claim_that_comes_late(self, team: Team) -> None:
        assert_waited(team, "late-claim")


@pytest.fixture(scope="module")
def image_volumes(team: Team, late: None, operator_image: tuple[str, str]) -> Iterator[None]:
    installation.install(team.cluster, operator_image, {"build": {"imageVolumes": True}})
    yield
    installation.install(team.cluster, operator_image)


class TestImageVolumes:
    def test_the_node_mounts_the_image(self, team: Team, image_volumes: None) -> None:
        """Pushed without TLS and login, so that nothing else needs preparing."""
        plain = team.cluster.insecure_registry
        source = oci(image=team.image("mounted-context"), secretRef={"name": "registry-login"})
        file = team.cluster.paths.config / f"{team.namespace}-mounted.tar"
        file.write_bytes(archive({"Dockerfile": "FROM scratch\nCOPY . /src\n", "which": "mounted"}, packed=False))
        team.cluster.crane("append", "-f", str(file), "-t", team.image("mounted-context"))
        target = plain.image(f"{team.namespace}/mounted", "1")
        missing = oci(image=team.image("mounted-context", "2"), secretRef={"name": "registry-login"})
        options: JSON = {"registries": {"insecure": [plain.host]}, "output": {"images": [target]}}
        team.apply(
            team.manifest("mounted", source, **options),
            team.manifest("not-mounted", missing, startTimeout="1m", **options),
        )
        status = team.result("mounted")
        assert status["phase"] == "Succeeded", status
        [pod] = team.pods("mounted")
        assert "initContainers" not in pod["spec"]
        exported = team.cluster.paths.config / f"{team.namespace}-exported.tar"
        team.cluster.crane("export", "--insecure", target, str(exported))
        with tarfile.open(exported) as tar:
            assert "src/which" in {member.name.strip("/") for member in tar}
        until_told(team, "not-mounted", "mounted-context:2", TOLD_WITHIN_SECONDS)
