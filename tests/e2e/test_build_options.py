"""What users choose about a build, on the executors that can be had: one namespace, all builds at once."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests import installation
from tests.cluster.handle import ClusterHandle
from tests.e2e.missing import assert_waited, until_told
from tests.e2e.team import FINISHED, JSON, Team

TOKEN = "value-of-an-argument-from-a-secret"
LATE_TOKEN = "value-that-comes-late"
TWO_STEPS = ("RUN echo one > /one", "RUN echo two > /two")
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
# Without a base image nothing is pulled, so a build without a login gets as far as it can.
SCRATCH = {"inline": {"files": [{"path": "Dockerfile", "content": "FROM scratch\nCOPY Dockerfile /\n"}]}}


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "build-options")
    yield space
    space.delete()
    cluster.kubectl("delete", "persistentvolume", space.namespace, "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="module")
def google(cluster: ClusterHandle) -> JSON:
    """Google's own executor, the last that it released."""
    return {"image": cluster.google_executor(), "variant": "google", "version": "v1.24.0"}


@pytest.fixture(scope="module")
def builds(team: Team, google: JSON) -> None:
    """All of them, applied at once."""
    team.apply(
        secret(team, "tokens", token=TOKEN),
        named(team, "ConfigMap", "release", data={"channel": "beta\n"}),
    )
    two_steps = team.inline(*TWO_STEPS)
    team.apply(
        arguments(team, "arguments", "tokens"),
        arguments(team, "late", "late-tokens"),
        team.manifest("secrets", team.inline("RUN true"), secrets=[from_secret("npm", "tokens")]),
        team.manifest("annotated", output=output(team, "annotated", annotations={"org.example/title": "a = $(HOME)"})),
        team.manifest("annotated-google", executor=google, output=output(team, "none", annotations={"a": "b"})),
        team.manifest("zstd", two_steps, output=output(team, "zstd", compression="zstd")),
        team.manifest("unlike-1", two_steps),
        team.manifest("unlike-2", two_steps),
        same(team, "same-chainguard"),
        same(team, "same-google", executor=google),
        team.manifest("build-only", two_steps, output=output(team, "build-only", push=False), cache={}),
        team.manifest("checked", SCRATCH, registries=anonymous(team)),
        team.manifest("unchecked", SCRATCH, registries=anonymous(team), output=unchecked(team)),
        team.manifest("extra", two_steps, executor={"extraArgs": ["--single-snapshot"]}),
        team.manifest("extra-refused", executor={"extraArgs": ["--single-snapshot", "--use-new-run=true"]}),
        *volume(team),
    )


@pytest.fixture(scope="module")
def late_tokens(team: Team, builds: None) -> None:
    """They come as soon as they are missed: the kubelet looks again later, and meanwhile the others build."""
    until_told(team, "late", '"late-tokens" not found')
    team.apply(secret(team, "late-tokens", token=LATE_TOKEN))


def named(team: Team, kind: str, name: str, **members: Any) -> JSON:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": team.namespace}, **members}


def secret(team: Team, name: str, **values: str) -> JSON:
    return named(team, "Secret", name, stringData=values)


def from_secret(name: str, secret: str) -> JSON:
    return {"id": name, "secretKeyRef": {"name": secret, "key": "token"}}


def output(team: Team, name: str, **members: Any) -> JSON:
    return {"images": [team.image(name)], **members}


def anonymous(team: Team) -> JSON:
    return {name: value for name, value in team.registries.items() if name != "secretRefs"}


def unchecked(team: Team) -> JSON:
    return output(team, "unchecked", skipPushCheck=True, pushRetries=1)


def same(team: Team, name: str, **spec: Any) -> JSON:
    return team.manifest(name, team.inline(*TWO_STEPS), output=output(team, name, reproducible=True), **spec)


def arguments(team: Team, name: str, secret: str) -> JSON:
    """Takes one argument from a Secret and one from a ConfigMap; the first leaves its checksum in the image only."""
    source = team.inline(
        "ARG TOKEN",
        "ARG CHANNEL=unset",
        'RUN printf %s "$TOKEN" | sha256sum | cut -c 1-64 > /token && printf %s "$CHANNEL" > /channel',
    )
    build_args = [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": secret, "key": "token"}}},
        {"name": "CHANNEL", "valueFrom": {"configMapKeyRef": {"name": "release", "key": "channel"}}},
    ]
    return team.manifest(name, source, buildArgs=build_args)


def volume(team: Team) -> list[JSON]:
    """A volume on the node for base images, with its claim."""
    folder = team.cluster.paths.config / f"{team.namespace}-base-images"
    folder.mkdir()
    wanted = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    spec = {
        **wanted,
        "capacity": {"storage": "1Gi"},
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": str(folder), "type": "Directory"},
        "claimRef": {"namespace": team.namespace, "name": "base-images"},
    }
    claim = {**wanted, "volumeName": team.namespace, "resources": {"requests": {"storage": "1Gi"}}}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": team.namespace}, "spec": spec},
        named(team, "PersistentVolumeClaim", "base-images", spec=claim),
    ]


def manifest_of(team: Team, reference: str) -> JSON:
    document: JSON = json.loads(team.cluster.crane("manifest", reference))
    return document


def args_of(team: Team, name: str) -> list[str]:
    [pod] = team.pods(name)
    args: list[str] = pod["spec"]["containers"][0]["args"]
    return args


def assert_refused(team: Team, name: str, reason: str, message: str) -> None:
    status = team.result(name)
    assert status["phase"] == "Failed", status
    assert status["failure"]["reason"] == reason
    assert message in status["failure"]["message"]
    stalled = {condition["type"]: condition for condition in status["conditions"]}["Stalled"]
    assert (stalled["status"], stalled["reason"]) == ("True", reason)
    assert message in stalled["message"]
    assert team.pods(name) == []


@pytest.mark.usefixtures("late_tokens")
class TestArguments:
    def test_steps_get_the_values_of_secret_and_config_map(self, team: Team) -> None:
        status = team.result("arguments")
        assert status["phase"] == "Succeeded", team.story()
        files = team.files(status["image"])
        assert files["token"].content.strip() == hashlib.sha256(TOKEN.encode()).hexdigest()
        assert files["channel"].content == "beta\n"

    def test_the_value_is_told_nowhere(self, team: Team) -> None:
        status = team.result("arguments")
        told = {kind: json.dumps(team.cluster.get(kind, "-n", team.namespace)) for kind in ("pods", "imb", "events")}
        told["operator's log"] = installation.operator_log(team.cluster, lines=-1)
        told["build's log"] = team.log("arguments")
        told["image's configuration"] = json.dumps(team.config(status["image"]))
        assert all(told.values())
        assert "--build-arg=TOKEN" in args_of(team, "arguments")
        assert [kind for kind, text in told.items() if TOKEN in text] == []

    def test_a_secret_that_comes_late_is_waited_for(self, team: Team) -> None:
        assert_waited(team, "late")
        checksum = hashlib.sha256(LATE_TOKEN.encode()).hexdigest()
        assert team.files(team.status("late")["image"])["token"].content.strip() == checksum


@pytest.mark.usefixtures("late_tokens")
class TestOutput:
    def test_annotations_are_in_the_manifest(self, team: Team) -> None:
        status = team.result("annotated")
        assert status["phase"] == "Succeeded", status
        assert manifest_of(team, status["image"])["annotations"] == {"org.example/title": "a = $(HOME)"}

    def test_layers_of_the_build_are_zstd(self, team: Team) -> None:
        status = team.result("zstd")
        assert status["phase"] == "Succeeded", status
        kinds = [layer["mediaType"] for layer in manifest_of(team, status["image"])["layers"]]
        assert kinds[-2:] == [ZSTD, ZSTD]

    def test_a_reproducible_image_has_one_digest_whoever_builds_it(self, team: Team) -> None:
        """Two builds of one source differ otherwise, in their times if in nothing else."""
        results = {name: team.result(name) for name in ("unlike-1", "unlike-2", "same-chainguard", "same-google")}
        assert {status["phase"] for status in results.values()} == {"Succeeded"}, results
        digests = {name: status["digest"] for name, status in results.items()}
        assert digests["same-chainguard"] == digests["same-google"]
        assert len(set(digests.values())) == 3

    def test_each_executor_has_built(self, team: Team, google: JSON) -> None:
        team.result("same-google")
        [pod] = team.pods("same-google")
        assert pod["spec"]["containers"][0]["image"] == google["image"]

    def test_build_only_pushes_nothing_and_says_so(self, team: Team) -> None:
        status = team.result("build-only")
        assert status["phase"] == "Succeeded", status
        assert status["digest"].startswith("sha256:")
        assert not {"image", "images"} & status.keys()
        assert "Nothing was pushed" in status["conditions"][0]["message"]
        assert team.result("zstd")["phase"] == "Succeeded"
        repositories = team.cluster.crane("catalog", team.cluster.registry.host).splitlines()
        assert f"{team.namespace}/zstd" in repositories
        assert [name for name in repositories if name.startswith(f"{team.namespace}/build-only")] == []

    def test_the_push_is_asked_about_before_the_build(self, team: Team) -> None:
        status = team.result("checked")
        assert status["phase"] == "Failed", status
        assert "error checking push permissions" in team.log("checked")
        assert "COPY Dockerfile" not in team.log("checked")

    def test_without_the_question_it_fails_after_the_build_and_the_retries(self, team: Team) -> None:
        status = team.result("unchecked")
        assert status["phase"] == "Failed", status
        log = team.log("unchecked")
        assert "COPY Dockerfile" in log
        assert "error pushing image" in log
        assert log.count("Retrying operation after") == 1


@pytest.mark.usefixtures("late_tokens")
class TestExecutors:
    @pytest.mark.cause("field-unsupported")
    def test_secrets_are_refused_where_the_executor_has_none(self, team: Team) -> None:
        assert_refused(team, "secrets", "ExecutorUnsupported", "spec.secrets needs the flag --secret")
        team.change("secrets", secrets=None)
        status = team.result("secrets")
        assert (status["phase"], status["run"]["number"]) == ("Succeeded", 2)

    def test_annotations_are_refused_where_the_executor_has_none(self, team: Team) -> None:
        words = "chainguard has it from v1.25.1 on, osscontainertools has it from v1.25.3 on"
        assert_refused(team, "annotated-google", "ExecutorUnsupported", words)

    def test_an_argument_that_is_allowed_has_its_effect(self, team: Team) -> None:
        status = team.result("extra")
        assert status["phase"] == "Succeeded", status
        base = len(manifest_of(team, team.busybox)["layers"])
        assert len(manifest_of(team, status["image"])["layers"]) == base + 1
        assert len(manifest_of(team, team.result("unlike-1")["image"])["layers"]) == base + 2

    @pytest.mark.cause("argument-not-allowed")
    def test_any_other_argument_is_refused(self, team: Team) -> None:
        words = "--use-new-run is not among the arguments that the platform team allows (--single-snapshot)"
        assert_refused(team, "extra-refused", "ArgumentNotAllowed", words)


@pytest.mark.usefixtures("late_tokens")
class TestBaseImages:
    def test_a_base_image_that_was_warmed_is_not_downloaded(self, team: Team, google: JSON) -> None:
        # One in Docker's format: those in OCI format are what this executor's warmer gets wrong.
        base = team.result("same-chainguard")["images"][0]
        assert manifest_of(team, base)["mediaType"] == DOCKER
        team.apply(warmer(team, google["image"], base))
        pod = ("pod", "warmer", "-n", team.namespace)
        team.until(lambda: team.cluster.get(*pod)["status"].get("phase") in FINISHED, "end of the warmer")
        assert team.cluster.get(*pod)["status"]["phase"] == "Succeeded", team.kubectl("logs", "warmer")
        cache = {"runLayers": False, "baseImages": {"persistentVolumeClaim": {"claimName": "base-images"}}}
        dockerfile = f"FROM {base}\nRUN cat /one /two > /three\n"
        source = {"inline": {"files": [{"path": "Dockerfile", "content": dockerfile}]}}
        status = team.build("warmed", source, cache=cache)
        assert status["phase"] == "Succeeded", team.story()
        assert f"Found {team.digest(base)} in local cache" in team.log("warmed")
        assert team.files(status["image"])["three"].content == "one\ntwo\n"


def warmer(team: Team, image: str, base: str) -> JSON:
    """The Pod of the how-to page, with the cluster's CA."""
    container = {
        "name": "warmer",
        "image": image,
        "command": ["/kaniko/warmer"],
        "args": ["--cache-dir=/cache", f"--image={base}"],
        "volumeMounts": [
            {"name": "base-images", "mountPath": "/cache"},
            {"name": "login", "mountPath": "/kaniko/.docker", "readOnly": True},
            {"name": "ca", "mountPath": "/kaniko/ssl/certs/cluster.crt", "subPath": "ca.crt"},
        ],
    }
    login = {"secretName": "registry-login", "items": [{"key": ".dockerconfigjson", "path": "config.json"}]}
    volumes = [
        {"name": "base-images", "persistentVolumeClaim": {"claimName": "base-images"}},
        {"name": "login", "secret": login},
        {"name": "ca", "configMap": {"name": "cluster-ca"}},
    ]
    return named(team, "Pod", "warmer", spec={"restartPolicy": "Never", "containers": [container], "volumes": volumes})
