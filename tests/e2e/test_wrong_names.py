"""A wrong host, a wrong certificate, an image or a key that is not there: told by name, and how each heals.

One namespace, all builds at once. What is missing heals by itself; what was rejected, with the next change or request.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.certificates import Authority
from tests.cluster.handle import ClusterHandle
from tests.e2e.missing import told, until_told
from tests.e2e.team import JSON, Team

NOWHERE = "nowhere.imb.test:5000"
# What the spec has to say of an executor that knows them; this Pod gets no further than its volumes.
SECRETS_EXECUTOR = {"variant": "osscontainertools", "version": "v1.28.3"}


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    space = Team.create(cluster, "wrong-names")
    other = Authority(tmp_path_factory.mktemp("authority")).pair.certificate.read_text()
    space.apply(
        held(space, "ConfigMap", "company-ca", data={"ca.crt": other}),
        held(space, "Secret", "company-ca", stringData={"other.crt": cluster.ca_pem}),
        held(space, "Secret", "tokens", stringData={"other": "x"}),
    )
    yield space
    space.delete()


def held(team: Team, kind: str, name: str, **content: Any) -> JSON:
    metadata = {"name": name, "namespace": team.namespace}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}


def with_bundle(team: Team, kind: str, name: str, key: str) -> JSON:
    return {**team.registries, "caBundle": {kind: {"name": name, "key": key}}}


def on(image: str, *lines: str) -> JSON:
    content = "\n".join((f"FROM {image}", *lines)) + "\n"
    return {"inline": {"files": [{"path": "Dockerfile", "content": content}]}}


def late_image(team: Team) -> str:
    return team.cluster.registry.image(f"{team.namespace}/late-base", "1")


@pytest.fixture(scope="module")
def builds(team: Team) -> None:
    """All of them, applied at once; those that wait come first."""
    token = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "tokens", "key": "late"}}}
    secret = {"id": "npm", "secretKeyRef": {"name": "tokens", "key": "npm"}}
    nobody = {"caBundle": team.registries["caBundle"], "cloud": ["google"]}
    team.apply(
        team.manifest("late-map-key", registries=with_bundle(team, "configMapRef", "cluster-ca", "late.crt")),
        team.manifest("late-secret-key", registries=with_bundle(team, "secretRef", "company-ca", "late.crt")),
        team.manifest("late-argument", buildArgs=[token]),
        team.manifest("late-step-secret", secrets=[secret], executor=SECRETS_EXECUTOR),
        team.manifest("wrong-ca", registries=with_bundle(team, "configMapRef", "company-ca", "ca.crt")),
        team.manifest("wrong-host", output={"images": [f"{NOWHERE}/shop/web:1"]}),
        team.manifest("wrong-base-host", on(f"{NOWHERE}/shop/base:1")),
        team.manifest("no-base", on(late_image(team), "RUN echo built > /built")),
        team.manifest("no-identity", registries=nobody),
    )


@pytest.fixture(scope="module")
def words(team: Team, builds: None) -> dict[str, str]:
    """Why Pods do not start. What they lack comes at once: the kubelet looks again later."""
    found = {name: told(team, name) for name in ("late-map-key", "late-secret-key", "late-step-secret")}
    patch(team, "configmap", "cluster-ca", data={"late.crt": team.cluster.ca_pem})
    patch(team, "secret", "company-ca", stringData={"late.crt": team.cluster.ca_pem})
    # An Event says so first, in other words.
    until_told(team, "late-argument", "Container build cannot be created")
    found["late-argument"] = told(team, "late-argument")
    patch(team, "secret", "tokens", stringData={"late": "here"})
    return found


def patch(team: Team, kind: str, name: str, **changes: Any) -> None:
    team.kubectl("patch", kind, name, "--patch", json.dumps(changes))


def failed(team: Team, name: str) -> JSON:
    """How a build failed, which it did at once and for good."""
    status = team.result(name)
    assert status["phase"] == "Failed", status
    assert (status["run"]["number"], status["run"]["attempt"], len(team.pods(name))) == (1, 1, 1), status
    assert any(each["type"] == "Stalled" for each in status["conditions"]), status
    failure: JSON = status["failure"]
    return failure


def assert_heals(status: JSON, *, run: int) -> None:
    assert (status["phase"], status["run"]["number"], status["run"]["attempt"]) == ("Succeeded", run, 1), status
    assert "failure" not in status


@pytest.mark.usefixtures("words")
class TestRejected:
    @pytest.mark.cause("registry-certificate")
    def test_a_wrong_authority_is_told_with_its_config_map_and_heals_with_a_request(self, team: Team) -> None:
        failure = failed(team, "wrong-ca")
        assert failure["reason"] == "CertificateUnknown", failure
        host = team.cluster.registry.host
        expected = f"The certificate of {host} is not trusted, not even with ConfigMap company-ca, key ca.crt: Get "
        assert failure["message"].startswith(expected), failure
        assert "x509: certificate signed by unknown authority" in failure["message"]
        assert failure["hint"].startswith("Add the certificate authority that signed it to ConfigMap company-ca; then")
        patch(team, "configmap", "company-ca", data={"ca.crt": team.cluster.ca_pem})
        assert_heals(team.rebuild("wrong-ca", "mended"), run=2)

    @pytest.mark.cause("registry-missing")
    def test_a_wrong_host_is_told_with_its_field_and_heals_with_the_spec(self, team: Team) -> None:
        failure = failed(team, "wrong-host")
        assert failure["reason"] == "RegistryNotFound", failure
        assert failure["message"].startswith(f"There is no host {NOWHERE}: Get "), failure
        assert "no such host" in failure["message"]
        assert "spec.output.images" in failure["hint"]
        team.change("wrong-host", output={"images": [team.image("wrong-host")]})
        assert_heals(team.result("wrong-host"), run=2)

    def test_a_wrong_host_of_a_base_image_is_told_and_heals_with_the_source(self, team: Team) -> None:
        failure = failed(team, "wrong-base-host")
        assert failure["reason"] == "RegistryNotFound", failure
        assert failure["message"].startswith(f"There is no host {NOWHERE}: Get "), failure
        assert "Dockerfile" in failure["hint"]
        team.change("wrong-base-host", source=on(team.busybox, "RUN echo built > /built"))
        assert_heals(team.result("wrong-base-host"), run=2)

    @pytest.mark.cause("image-missing")
    def test_a_missing_base_image_is_told_by_its_reference_and_heals_with_a_request(self, team: Team) -> None:
        failure = failed(team, "no-base")
        assert failure["reason"] == "ImageNotFound", failure
        assert failure["message"].startswith(f"There is no image {late_image(team)}: GET "), failure
        assert "MANIFEST_UNKNOWN" in failure["message"]
        team.cluster.crane("copy", team.busybox, late_image(team))
        assert_heals(team.rebuild("no-base", "pushed"), run=2)

    def test_a_vendors_identity_is_not_what_another_registry_wants(self, team: Team) -> None:
        failure = failed(team, "no-identity")
        assert failure["reason"] == "RegistryAuthFailed", failure
        why = f"{team.cluster.registry.host} is none of the registries that spec.registries.cloud (google) logs in to."
        assert failure["hint"].endswith(why), failure


class TestMissing:
    def test_a_key_of_a_config_map(self, team: Team, words: dict[str, str]) -> None:
        expected = "The Pod cannot start: ConfigMap cluster-ca has no key late.crt. "
        assert words["late-map-key"].startswith(expected)
        assert_heals(team.result("late-map-key"), run=1)

    def test_a_key_of_a_secret(self, team: Team, words: dict[str, str]) -> None:
        expected = "The Pod cannot start: Secret company-ca has no key late.crt. "
        assert words["late-secret-key"].startswith(expected)
        assert_heals(team.result("late-secret-key"), run=1)

    @pytest.mark.cause("key-missing")
    def test_a_key_that_a_variable_is_taken_from(self, team: Team, words: dict[str, str]) -> None:
        expected = f"Container build cannot be created: couldn't find key late in Secret {team.namespace}/tokens"
        assert words["late-argument"].startswith(expected)
        assert_heals(team.result("late-argument"), run=1)

    def test_a_key_of_a_secret_for_steps(self, words: dict[str, str]) -> None:
        """Its volume is a projected one, which may have several Secrets."""
        assert words["late-step-secret"].startswith("The Pod cannot start: Secret tokens has no key npm. ")
