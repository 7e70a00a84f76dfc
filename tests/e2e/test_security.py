"""What a build Pod may do, and user namespaces."""

import json
from collections.abc import Iterator

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.handle import ClusterHandle
from tests.e2e.team import JSON, Team

ENFORCE = "pod-security.kubernetes.io/enforce"
CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETFCAP", "SETGID", "SETUID"]


@pytest.fixture(scope="module")
def team(cluster: ClusterHandle, operator: None) -> Iterator[Team]:
    """A namespace that admits no more than the level `baseline`."""
    space = Team.create(cluster, "security", **{ENFORCE: "baseline"})
    yield space
    space.delete()


@pytest.fixture(scope="module")
def builds(cluster: ClusterHandle, team: Team) -> None:
    """A private repository built in the node's user namespace and in one of its own, and inline files."""
    lines = ("COPY . /src", "RUN cat /proc/self/uid_map > /uid_map")
    name = f"private/{team.namespace}"
    cluster.git.create(name, {"Dockerfile": team.dockerfile(*lines)})
    source = team.git(name, secretRef={"name": "git-login"})
    registries = {**team.registries, "secretRefs": [{"name": "registry-login"}, {"name": "mirror-login"}]}
    team.apply(
        team.manifest("private", source, registries=registries),
        team.manifest("mapped", source, registries=registries, podTemplate={"hostUsers": False}),
        team.manifest(
            "mapped-inline",
            team.inline("COPY note /note", "RUN cat /proc/self/uid_map > /uid_map", note="inline\n"),
            podTemplate={"hostUsers": False},
        ),
    )


@pytest.fixture(scope="module")
def pod(team: Team, builds: None) -> JSON:
    """The Pod of the private repository's build, as the API server has it."""
    assert team.result("private")["phase"] == "Succeeded", team.story()
    [pod] = team.pods("private")
    return pod


def containers(pod: JSON) -> list[JSON]:
    found: list[JSON] = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    return found


@pytest.mark.usefixtures("builds")
class TestAdmission:
    def test_a_namespace_of_level_baseline_admits_builds(self, team: Team) -> None:
        assert team.result("private")["phase"] == "Succeeded"
        overrides = {"spec": {"hostNetwork": True}}
        with pytest.raises(ClusterError, match='violates PodSecurity "baseline'):
            team.kubectl("run", "x", "--image=x", "--dry-run=server", f"--overrides={json.dumps(overrides)}")

    def test_the_pod_has_no_token_of_a_service_account(self, pod: JSON) -> None:
        assert pod["spec"]["automountServiceAccountToken"] is False
        mounts = [mount["mountPath"] for each in containers(pod) for mount in each["volumeMounts"]]
        assert not [path for path in mounts if "serviceaccount" in path]
        assert {kind for volume in pod["spec"]["volumes"] for kind in volume if kind != "name"} == {
            "configMap",
            "emptyDir",
            "secret",
        }

    def test_nothing_is_privileged(self, pod: JSON) -> None:
        prepare, build = containers(pod)
        for each in (prepare, build):
            context = each["securityContext"]
            assert not context.get("privileged")
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"]["drop"] == ["ALL"]
        assert sorted(build["securityContext"]["capabilities"]["add"]) == CAPABILITIES
        assert "add" not in prepare["securityContext"]["capabilities"]
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod["spec"].keys()

    def test_memory_and_disk_are_bounded(self, pod: JSON) -> None:
        assert all({"memory", "ephemeral-storage"} <= each["resources"]["limits"].keys() for each in containers(pod))


@pytest.mark.usefixtures("builds")
class TestUserNamespaces:
    @pytest.mark.parametrize("name", ["mapped", "mapped-inline"])
    def test_a_build_runs_in_one_of_its_own(self, team: Team, name: str) -> None:
        status = team.result(name)
        assert status["phase"] == "Succeeded", team.story()
        inside, outside, _ = team.files(status["image"])["uid_map"].content.split()
        assert inside == "0"
        assert int(outside) >= 65536

    def test_without_it_root_is_the_nodes_root(self, team: Team) -> None:
        """What the test above would see if `hostUsers` did nothing."""
        status = team.result("private")
        assert team.files(status["image"])["uid_map"].content.split()[:2] == ["0", "0"]
