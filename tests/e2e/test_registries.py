"""Certificates, logins, mirrors, plain http and the layer cache: one namespace, all builds at once, a test for each."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.certificates import Authority
from tests.cluster.handle import ClusterHandle
from tests.e2e.missing import assert_waited, until_told
from tests.e2e.team import JSON, Team

CA_FROM_SECRET = {"secretRef": {"name": "cluster-ca", "key": "authority.pem"}}
LATE_CA = {"configMapRef": {"name": "late-ca", "key": "ca.crt"}}
MARKER = "this step runs"


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    space = Team.create(cluster, "registries")
    other = Authority(tmp_path_factory.mktemp("authority")).pair.certificate.read_text()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cluster-ca", "namespace": space.namespace},
        "stringData": {"authority.pem": f"Another authority\n{other}That of the tests\n{cluster.ca_pem}"},
    }
    space.apply(secret)
    # As a mirror of Docker Hub holds it: an official image below library/.
    cluster.crane("copy", space.busybox, cluster.mirror.image(f"{space.namespace}/hub/library/busybox", "1"))
    yield space
    space.delete()


def registries(team: Team, **changes: Any) -> JSON:
    """The cluster's login and CA, with some members replaced; None leaves one out."""
    members = {**team.registries, **changes}
    return {name: value for name, value in members.items() if value is not None}


def from_image(image: str) -> JSON:
    return {"inline": {"files": [{"path": "Dockerfile", "content": f"FROM {image}\nRUN echo built > /built\n"}]}}


def mirrored(team: Team, **mirror: Any) -> JSON:
    return registries(team, secretRefs=[{"name": "registry-login"}, {"name": "mirror-login"}], mirrors=[mirror])


@pytest.fixture(scope="module")
def builds(team: Team) -> None:
    """All of them, applied at once."""
    main, mirror, plain = team.cluster.registry, team.cluster.mirror, team.cluster.insecure_registry
    both = registries(team, secretRefs=[{"name": "registry-login"}, {"name": "mirror-login"}])
    images = [team.image("merged"), mirror.image(f"{team.namespace}/merged", "1")]
    hub, empty = f"{mirror.host}/{team.namespace}/hub", f"{mirror.host}/{team.namespace}/empty"
    fallback = mirrored(team, registry=main.host, endpoints=[empty])
    no_fallback = mirrored(team, registry=main.host, endpoints=[empty], fallback=False)
    to_plain = {"images": [plain.image(f"{team.namespace}/plain", "1")]}
    cached = f"public/{team.namespace}"
    steps = (f"RUN echo {MARKER} | tr a-z A-Z && date > /when", "RUN echo second > /second")
    team.cluster.git.create(cached, {"Dockerfile": team.dockerfile(*steps)})
    cache = {"repository": f"{main.host}/{team.namespace}/layers", "ttl": "24h"}
    team.apply(
        team.manifest("cached", team.git(cached), cache=cache),
        team.manifest("late-ca", registries=registries(team, caBundle=LATE_CA)),
        team.manifest("ca-in-secret", registries=registries(team, caBundle=CA_FROM_SECRET)),
        team.manifest("no-ca", registries=registries(team, caBundle=None)),
        team.manifest("no-login", registries=registries(team, secretRefs=None)),
        team.manifest("merged", registries=both, output={"images": images}),
        team.manifest(
            "mirror", from_image("busybox:1"), registries=mirrored(team, registry="docker.io", endpoints=[hub])
        ),
        team.manifest("fallback", registries=fallback),
        team.manifest("no-fallback", registries=no_fallback),
        team.manifest("plain-http", registries=registries(team, insecure=[plain.host]), output=to_plain),
        team.manifest("plain-http-refused", output=to_plain),
    )


@pytest.fixture(scope="module")
def late_ca(team: Team, builds: None) -> None:
    """It comes as soon as it is missed: the kubelet looks again later, and meanwhile the others build."""
    until_told(team, "late-ca", 'configmap "late-ca" not found')
    metadata = {"name": "late-ca", "namespace": team.namespace}
    bundle = {"ca.crt": team.cluster.ca_pem}
    team.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": bundle})


@pytest.mark.usefixtures("late_ca")
class TestTrustAndLogins:
    def test_a_ca_in_a_secret_is_trusted_as_one_in_a_config_map(self, team: Team) -> None:
        """It is the second one there."""
        status = team.result("ca-in-secret")
        assert status["phase"] == "Succeeded", status
        assert status["digest"] == team.digest(team.image("ca-in-secret"))

    def test_a_ca_that_comes_late_is_waited_for(self, team: Team) -> None:
        assert_waited(team, "late-ca")

    def test_without_the_ca_the_registry_is_not_trusted(self, team: Team) -> None:
        failure = team.result("no-ca")["failure"]
        assert failure["reason"] == "CertificateUnknown", failure
        assert f"{team.cluster.registry.host} is not trusted: Get " in failure["message"]
        assert "spec.registries.caBundle" in failure["hint"]
        assert "x509: certificate signed by unknown authority" in failure["logTail"], failure

    def test_without_a_login_the_registry_refuses(self, team: Team) -> None:
        failure = team.result("no-login")["failure"]
        assert "401 Unauthorized" in failure["logTail"] or "UNAUTHORIZED" in failure["logTail"], failure

    def test_several_secrets_are_merged(self, team: Team) -> None:
        """Each of them has the login of one of two registries that are pushed to."""
        status = team.result("merged")
        assert status["phase"] == "Succeeded", status
        assert [team.digest(image) for image in status["images"]] == [status["digest"]] * 2


@pytest.mark.usefixtures("late_ca")
class TestMirrors:
    def test_images_of_docker_hub_come_from_its_mirror(self, team: Team) -> None:
        status = team.result("mirror")
        assert status["phase"] == "Succeeded", status
        assert team.files(status["image"])["built"].content == "built\n"

    def test_what_the_mirror_has_not_comes_from_the_registry_itself(self, team: Team) -> None:
        status = team.result("fallback")
        assert status["phase"] == "Succeeded", status

    def test_without_fallback_a_missing_image_is_an_error(self, team: Team) -> None:
        status = team.result("no-fallback")
        assert status["phase"] == "Failed", status
        assert status["failure"]["reason"] == "ImageNotFound", status
        assert f"No mirror has the image {team.busybox}" in status["failure"]["message"]
        assert f"{team.namespace}/empty" in status["failure"]["logTail"]


@pytest.mark.usefixtures("late_ca")
class TestPlainHttp:
    def test_a_registry_named_insecure_is_pushed_to(self, team: Team) -> None:
        status = team.result("plain-http")
        assert status["phase"] == "Succeeded", status
        reference = team.cluster.insecure_registry.image(f"{team.namespace}/plain", "1")
        assert team.cluster.crane("digest", "--insecure", reference).strip() == status["digest"]

    @pytest.mark.cause("registry-without-tls")
    def test_a_registry_that_is_not_named_gets_nothing_without_tls(self, team: Team) -> None:
        failure = team.result("plain-http-refused")["failure"]
        assert failure["reason"] == "CertificateUnknown", failure
        assert f"in spec.registries.insecure, as {team.cluster.insecure_registry.host}." in failure["hint"]
        assert "server gave HTTP response to HTTPS client" in failure["logTail"], failure


@pytest.mark.usefixtures("late_ca")
class TestCache:
    def test_a_second_run_of_a_commit_takes_its_layers_from_the_cache(self, team: Team) -> None:
        first = team.result("cached")
        assert first["phase"] == "Succeeded", first
        assert MARKER.upper() in team.log("cached")
        second = team.rebuild("cached", "again")
        assert (second["phase"], second["run"]["number"]) == ("Succeeded", 2)
        assert second["source"] == first["source"]
        log = team.log("cached")
        assert log.count("Using caching version of cmd") == 2, log
        assert MARKER.upper() not in log
        # The very layers: what the first run wrote, its clock included.
        when = [team.files(status["image"])["when"].content for status in (first, second)]
        assert when[0] == when[1]
