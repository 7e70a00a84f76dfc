"""Logins of every form, their faults, and the references that builds push to: one namespace, all builds at once.

Docker Hub is the cluster's registry behind Docker Hub's own name.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.faulty import FAULTY, FaultyRegistry
from tests.cluster.handle import ClusterHandle
from tests.cluster.registry import Registry
from tests.e2e.missing import assert_waited, told
from tests.e2e.team import JSON, Team

# Counts the logins for the cluster's two registries in the file that the executor has them from.
LOOK = "RUN for name in registry mirror; do grep -c $name.imb.test /kaniko/.docker/config.json > /$name || true; done"
DENIED = '{"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}'
BRANCH = "Feature/Next_1"


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    space = Team.create(cluster, "registry-logins")
    cluster.crane("copy", space.busybox, cluster.registry.image(f"{space.namespace}/base", "1"))
    cluster.crane("copy", space.busybox, cluster.mirror.image(f"{space.namespace}/hub/library/busybox", "1"))
    yield space
    space.delete()


@pytest.fixture(scope="module")
def hub(cluster: ClusterHandle) -> Iterator[None]:
    with cluster.docker_hub():
        yield


@pytest.fixture(scope="module")
def faulty(cluster: ClusterHandle) -> Iterator[FaultyRegistry]:
    with cluster.faulty_registry() as registry:
        yield registry


# The Secrets


def secret(team: Team, name: str, kind: str, **values: str) -> JSON:
    """A Secret; underscores that lead stand for dots."""
    data = {key.replace("__", "."): base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": team.namespace},
        "type": kind,
        "data": data,
    }


def docker_config(team: Team, name: str, auths: JSON) -> JSON:
    return secret(team, name, "kubernetes.io/dockerconfigjson", __dockerconfigjson=json.dumps({"auths": auths}))


def basic_auth(team: Team, name: str, password: str) -> JSON:
    user = team.cluster.registry.user or ""
    return secret(team, name, "kubernetes.io/basic-auth", username=user, password=password)


def auth(registry: Registry) -> JSON:
    return {"auth": base64.b64encode(f"{registry.user}:{registry.password}".encode()).decode()}


def secrets(team: Team) -> list[JSON]:
    main = team.cluster.registry
    pair = {"username": main.user, "password": main.password}
    wrong = {"username": main.user, "password": "wrong"}
    return [
        basic_auth(team, "basic", main.password or ""),
        basic_auth(team, "wrong", "wrong"),
        docker_config(team, "pair", {f"https://{main.host}/v2/": pair}),
        docker_config(team, "stale", {main.host: wrong}),
        docker_config(team, "scoped", {f"{main.host}/{team.namespace}": pair, f"{main.host}/elsewhere": wrong}),
        # As a machine has it that logs in to many: the last of one host is wrong, and one host is not in use.
        docker_config(
            team,
            "everything",
            {f"{main.host}/{team.namespace}": pair, main.host: wrong, team.cluster.mirror.host: wrong},
        ),
        docker_config(team, "hub", {"docker.io": auth(main)}),
        secret(team, "old", "kubernetes.io/dockercfg", __dockercfg=json.dumps({main.host: auth(main)})),
        secret(team, "untyped", "Opaque", username="builder", password="builder-password"),
        secret(team, "mislabelled", "Opaque", __dockercfg=json.dumps({"auths": {main.host: auth(main)}})),
    ]


def registries(team: Team, *references: str | JSON, **changes: Any) -> JSON:
    """The cluster's CA with these Secrets, and some members replaced; None leaves one out."""
    listed = [{"name": each} if isinstance(each, str) else each for each in references]
    members = {**team.registries, "secretRefs": listed, **changes}
    return {name: value for name, value in members.items() if value}


def basic(team: Team, name: str, registry: Registry | None = None) -> JSON:
    return {"name": name, "type": "BasicAuth", "registry": (registry or team.cluster.registry).host}


# The builds


@pytest.fixture(scope="module")
def commit(team: Team) -> str:
    git, name = team.cluster.git, f"public/{team.namespace}"
    git.create(name, {"Dockerfile": team.dockerfile("RUN echo main > /which")})
    return git.commit(name, {"Dockerfile": team.dockerfile("RUN echo branch > /which")}, "Try", branch=BRANCH)


@pytest.fixture(scope="module")
def builds(team: Team, hub: None, faulty: FaultyRegistry, commit: str) -> None:
    """All of them, applied at once."""
    faulty.fail({"method": "PUT", "path": f"/{team.namespace}/second/manifests/", "status": 403, "body": DENIED})
    team.apply(*secrets(team))
    team.apply(
        # Those that wait come first, so that the others build meanwhile.
        team.manifest("wrong-type", registries=registries(team, "untyped")),
        team.manifest("late", registries=registries(team, basic(team, "late"))),
        team.manifest("basic-auth", registries=registries(team, basic(team, "basic"))),
        team.manifest("docker-config", registries=registries(team, {"name": "old", "type": "DockerConfig"})),
        team.manifest("pair", registries=registries(team, "pair")),
        team.manifest("projected", registries=projected(team)),
        team.manifest("scoped", registries=registries(team, "scoped")),
        team.manifest("typed", team.inline(LOOK), registries=typed(team)),
        team.manifest("wrong-password", registries=registries(team, basic(team, "wrong"))),
        team.manifest("wrong-host", registries=registries(team, "mirror-login")),
        team.manifest("broken", registries=registries(team, {"name": "mislabelled", "type": "DockerConfig"})),
        team.manifest("left-out", team.inline(LOOK), registries=registries(team, "registry-login", "mirror-login")),
        team.manifest("kept", hidden_base(team), registries=registries(team, "registry-login", "mirror-login")),
        clash(team),
        half_pushed(team),
        mirrored(team),
        *tagged(team, commit),
        *on_docker_hub(team),
    )


@pytest.fixture(scope="module")
def words(team: Team, builds: None) -> dict[str, str]:
    """Why Pods do not start. What they lack comes at once: the kubelet looks again later."""
    found = {"late": told(team, "late")}
    team.apply(basic_auth(team, "late", team.cluster.registry.password or ""))
    found["wrong-type"] = told(team, "wrong-type")
    login = team.cluster.registry.docker_config()
    team.kubectl("patch", "secret", "untyped", "--patch", json.dumps({"stringData": {".dockerconfigjson": login}}))
    return found


def projected(team: Team) -> JSON:
    """Nothing to check and nothing to merge: the executor gets the Secret as it is."""
    return registries(team, "registry-login", caBundle=None, insecure=[team.cluster.registry.host])


def typed(team: Team) -> JSON:
    """The same but for the written type, with a Secret that needs the rules of merging."""
    return {**projected(team), "secretRefs": [{"name": "everything", "type": "DockerConfigJSON"}]}


def hidden_base(team: Team) -> JSON:
    dockerfile = f"ARG BASE={team.busybox}\nFROM $BASE\n{LOOK}\n"
    return {"inline": {"files": [{"path": "Dockerfile", "content": dockerfile}]}}


def clash(team: Team) -> JSON:
    images = [team.image("clash"), team.cluster.mirror.image(f"{team.namespace}/clash", "1")]
    return team.manifest(
        "clash", output={"images": images}, registries=registries(team, "stale", "mirror-login", "registry-login")
    )


def half_pushed(team: Team) -> JSON:
    images = [team.image("first"), FAULTY.image(f"{team.namespace}/second", "1"), team.image("third")]
    both = registries(team, "registry-login", basic(team, "basic", FAULTY))
    return team.manifest("half-pushed", output={"images": images}, registries=both)


def mirrored(team: Team) -> JSON:
    """The first endpoint lacks the image, and nobody else is asked."""
    mirror = team.cluster.mirror
    endpoints = [f"{mirror.host}/{team.namespace}/{name}" for name in ("empty", "hub")]
    logins = registries(
        team,
        "registry-login",
        basic(team, "basic", mirror),
        mirrors=[{"registry": "docker.io", "endpoints": endpoints, "fallback": False}],
    )
    source = {"inline": {"files": [{"path": "Dockerfile", "content": "FROM busybox:1\nRUN echo built > /built\n"}]}}
    return team.manifest("mirrored", source, registries=logins)


def tagged(team: Team, commit: str) -> list[JSON]:
    name = f"public/{team.namespace}"
    by_commit = [team.image("tags", tag) for tag in ("$(commit)", "c-$(shortCommit)", "g$(generation)-r$(run)")]
    by_branch = [team.image("slugs", "$(revisionSlug)"), team.image("slugs", "$(revisionSlug)-$(run)")]
    twins = [team.image("twins", "$(revisionSlug)"), team.image("twins", "main")]
    return [
        team.manifest("tags", team.git(name, revision=commit), output={"images": by_commit}),
        team.manifest("slugs", team.git(name, revision=BRANCH), output={"images": by_branch}),
        team.manifest("twins", team.git(name, revision="main"), output={"images": twins}),
    ]


def on_docker_hub(team: Team) -> list[JSON]:
    """Pushed and pulled without a registry in the name; the Secret's key is docker.io."""
    based = {"inline": {"files": [{"path": "Dockerfile", "content": f"FROM {team.namespace}/base:1\nRUN true\n"}]}}
    empty = {"inline": {"files": [{"path": "Dockerfile", "content": "FROM scratch\nCOPY Dockerfile /\n"}]}}
    as_it_is = registries(team, "hub", caBundle=None, insecure=["docker.io"])
    return [
        team.manifest(
            "hub", based, output={"images": [f"{team.namespace}/hub-app:1"]}, registries=registries(team, "hub")
        ),
        team.manifest("hub-key", empty, output={"images": [f"{team.namespace}/hub-key:1"]}, registries=as_it_is),
    ]


@pytest.mark.usefixtures("words")
class TestForms:
    @pytest.mark.parametrize("name", ["basic-auth", "docker-config", "pair", "projected", "scoped"])
    def test_every_form_of_a_login_pushes(self, team: Team, name: str) -> None:
        status = team.result(name)
        assert status["phase"] == "Succeeded", status
        assert status["digest"] == team.digest(team.image(name))

    def test_a_single_secret_with_nothing_to_prepare_needs_no_init_container(self, team: Team) -> None:
        [pod] = team.pods("projected")
        assert "initContainers" not in pod["spec"]

    def test_a_single_secret_whose_type_is_written_is_merged_with_nothing_else_to_prepare(self, team: Team) -> None:
        status = team.result("typed")
        assert status["phase"] == "Succeeded", status
        [pod] = team.pods("typed")
        assert [container["name"] for container in pod["spec"]["initContainers"]] == ["prepare"]

    @pytest.mark.parametrize(("name", "mirror"), [("left-out", "0"), ("typed", "0"), ("kept", "1")])
    def test_logins_for_registries_not_in_use_are_left_out(self, team: Team, name: str, mirror: str) -> None:
        status = team.result(name)
        assert status["phase"] == "Succeeded", status
        files = team.files(status["image"])
        assert (files["registry"].content, files["mirror"].content) == ("1\n", f"{mirror}\n")

    def test_a_mirror_with_its_own_login_is_asked_after_one_that_has_nothing(self, team: Team) -> None:
        status = team.result("mirrored")
        assert status["phase"] == "Succeeded", status
        assert team.files(status["image"])["built"].content == "built\n"


@pytest.mark.usefixtures("words")
class TestClash:
    def test_the_later_secret_wins_and_the_clash_is_a_warning(self, team: Team) -> None:
        status = team.result("clash")
        assert status["phase"] == "Succeeded", status
        assert [team.digest(image) for image in status["images"]] == [status["digest"]] * 2
        team.until(lambda: bool(clashes(team, "clash")), "Event of the clash", 30)
        [event] = clashes(team, "clash")
        assert event["type"] == "Warning"
        host = team.cluster.registry.host
        assert (
            event["message"] == f"{host} has several logins: that of Secret registry-login is used, not that of stale."
        )

    @pytest.mark.parametrize(("name", "secret"), [("scoped", "scoped"), ("typed", "everything")])
    def test_the_path_decides_before_the_order(self, team: Team, name: str, secret: str) -> None:
        """The last login is wrong: one for another path, one for all of the host."""
        assert team.result(name)["phase"] == "Succeeded"
        team.until(lambda: bool(clashes(team, name)), "Event of the clash", 30)
        [event] = clashes(team, name)
        host = team.cluster.registry.host
        assert event["type"] == "Warning"
        told = f"Secret {secret} has several logins for {host}: only that for {host}/{team.namespace} is used."
        assert event["message"] == told

    def test_where_nothing_clashes_nothing_is_told(self, team: Team) -> None:
        assert team.result("left-out")["phase"] == "Succeeded"
        assert clashes(team, "left-out") == []


def clashes(team: Team, name: str) -> list[JSON]:
    return [event for event in team.events(name) if event["reason"] == "CredentialClash"]


@pytest.mark.usefixtures("words")
class TestFaults:
    @pytest.mark.parametrize(("name", "named"), [("wrong-password", "wrong"), ("wrong-host", "mirror-login")])
    def test_a_refused_login_is_told_with_its_secret(self, team: Team, name: str, named: str) -> None:
        status = team.result(name)
        failure = status["failure"]
        assert failure["reason"] == "RegistryAuthFailed", failure
        assert failure["message"].startswith(f"The registry refused the login of Secret {named}: ")
        assert "UNAUTHORIZED" in failure["message"]
        assert "a login for this very host" in failure["hint"]
        assert (status["run"]["attempt"], len(team.pods(name))) == (1, 1)

    def test_a_secret_whose_content_is_of_another_form_is_told(self, team: Team) -> None:
        failure = team.result("broken")["failure"]
        assert failure["reason"] == "SecretInvalid", failure
        assert failure["message"].startswith("Secret mislabelled: its .dockercfg holds no login"), failure
        assert "kubernetes.io/dockercfg (DockerConfig)" in failure["hint"]


@pytest.mark.usefixtures("words")
class TestReferences:
    def test_a_failure_after_the_first_push_says_what_was_pushed(self, team: Team) -> None:
        status = team.result("half-pushed")
        failure = status["failure"]
        assert failure["reason"] == "RegistryAuthFailed", failure
        first = team.image("first")
        assert failure["message"].startswith(f"1 of 3 references were pushed: {first}. The registry refused"), failure
        assert "second" in failure["message"]
        assert not {"image", "images", "digest"} & status.keys()
        assert team.digest(first).startswith("sha256:")

    def test_variables_of_a_commit(self, team: Team, commit: str) -> None:
        status = team.result("tags")
        assert status["phase"] == "Succeeded", status
        expected = [team.image("tags", tag) for tag in (commit, f"c-{commit[:8]}", "g1-r1")]
        assert status["images"] == expected
        assert [team.digest(image) for image in expected] == [status["digest"]] * 3
        assert team.get("tags")["spec"]["output"]["images"][0].endswith(":$(commit)")

    def test_variables_of_a_branch(self, team: Team) -> None:
        status = team.result("slugs")
        assert status["phase"] == "Succeeded", status
        assert status["images"] == [team.image("slugs", tag) for tag in ("feature-next-1", "feature-next-1-1")]
        assert team.files(status["image"])["which"].content == "branch\n"
        again = team.rebuild("slugs", "once more")
        assert again["images"] == [team.image("slugs", tag) for tag in ("feature-next-1", "feature-next-1-2")]

    @pytest.mark.cause("spec-invalid")
    def test_tags_that_become_the_same_are_refused_without_a_pod(self, team: Team) -> None:
        failure = team.result("twins")["failure"]
        assert failure["reason"] == "InvalidSpec", failure
        assert f"both become {team.image('twins', 'main')}" in failure["message"]
        assert team.pods("twins") == []


@pytest.mark.usefixtures("words")
class TestDockerHub:
    def test_a_merged_login_gets_the_key_that_the_executor_looks_for(self, team: Team) -> None:
        status = team.result("hub")
        assert status["phase"] == "Succeeded", status
        assert status["digest"] == team.digest(team.image("hub-app"))

    def test_a_wrong_key_in_a_secret_taken_as_it_is_is_told_with_the_right_one(self, team: Team) -> None:
        failure = team.result("hub-key")["failure"]
        assert failure["reason"] == "RegistryAuthFailed", failure
        assert "Secret hub" in failure["message"]
        assert "https://index.docker.io/v1/" in failure["hint"]
        [pod] = team.pods("hub-key")
        assert "initContainers" not in pod["spec"]


class TestWhatComesLate:
    def test_a_secret_of_the_wrong_type_is_told_and_heals(self, team: Team, words: dict[str, str]) -> None:
        expected = "Secret untyped has no key .dockerconfigjson: it is not of type DockerConfigJSON"
        assert expected in words["wrong-type"]
        assert_waited(team, "wrong-type")

    def test_a_missing_secret_is_told_and_heals(self, team: Team, words: dict[str, str]) -> None:
        assert 'secret "late" not found' in words["late"]
        assert_waited(team, "late")
