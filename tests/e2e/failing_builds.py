"""Builds that fail for real, each in its own way, and what must be read about them afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.e2e.team import JSON, Team

PASSWORD = "not-the-password"
GIT_REPOSITORY = "public/failures"
# What a fake executor claims to have pushed.
CLAIMED = "sha256:" + "0123456789abcdef" * 4

# The real executor writes its digest before it pushes; these make its worst outcomes, one a target.
FAKE_EXECUTOR = f"""\
#!/bin/sh
case "$*" in
*--target=garbage*) echo "sha256:of nothing" >/dev/termination-log; exit 0 ;;
*--target=silence*) exit 0 ;;
*--target=digest*) printf %s {CLAIMED} >/dev/termination-log; echo "error pushing image: out of luck"; exit 1 ;;
esac
"""

Spec = Callable[[Team], JSON]


@dataclass(frozen=True)
class Failing:
    """A build that fails, and what is told about it; texts are patterns to be found, an empty one means no text.

    Attributes:
        cause: name of the row in the table of causes.
        evicted: the kubelet may say that the Pod failed before it says how its container ended.
    """

    name: str
    cause: str
    spec: Spec
    reason: str
    message: str
    hint: str = ""
    exit_code: int | None = None
    log: str = ""
    evicted: bool = False

    def manifest(self, team: Team) -> JSON:
        """Its manifest in the namespace of a team."""
        return team.manifest(self.name, **self.spec(team))

    def __str__(self) -> str:
        return self.name


def step(*lines: str, **spec: Any) -> Spec:
    """A Dockerfile with these lines after `FROM busybox`."""
    return lambda team: {"source": team.inline(*lines), **spec}


def git(repository: str = GIT_REPOSITORY, revision: str = "main") -> Spec:
    return lambda team: {"source": team.git(repository, revision=revision)}


def registries(**changes: Any) -> Spec:
    """Login and CA of the cluster's registry, with some members replaced; None takes one out."""

    def spec(team: Team) -> JSON:
        members = {**team.registries, **changes}
        return {"registries": {key: value for key, value in members.items() if value is not None}}

    return spec


def ca(key: str) -> Spec:
    return registries(caBundle={"configMapRef": {"name": "bad-certificates", "key": key}})


def faked(target: str) -> Spec:
    return lambda team: {"target": target, "executor": {"image": team.image("fake-executor")}}


def affinity(value: JSON) -> Spec:
    return lambda team: {"podTemplate": {"affinity": {"nodeAffinity": value}}}


# One attempt, however little memory it has.
ONE_ATTEMPT: JSON = {"memoryFactor": 1}


def memory(limit: str) -> JSON:
    return {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": limit}}


_NO_OPERATOR = {
    "requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "Fast"}]}]
    }
}
_DISK = {"limits": {"memory": "256Mi", "ephemeral-storage": "40Mi"}}

# Those that wait come first, so that the others build meanwhile.
FAILING = (
    Failing(
        "secret-missing",
        "object-missing",
        lambda team: {**registries(secretRefs=[{"name": "nobodys-login"}])(team), "startTimeout": "15s"},
        "StartTimeout",
        r'could not start within spec\.startTimeout\. .*"nobodys-login" not found',
        r"Create the secret nobodys-login in the namespace",
    ),
    Failing(
        "disk-full",
        "storage-limit",
        step("RUN echo filling && dd if=/dev/zero of=/big bs=1M count=80 && sleep 120", resources=_DISK),
        "OutOfStorage",
        r"evicted at a limit of its own: .*ephemeral.*40Mi",
        r"Raise spec\.resources\.limits\.ephemeral-storage",
        exit_code=2,
        # The kubelet removes an evicted Pod's log; its last words survive in the termination message only if it was
        # quick enough to copy them.
        log=r"filling|\A\Z",
        evicted=True,
    ),
    Failing(
        "too-slow",
        "timeout",
        step("RUN echo started && sleep 120", timeout="25s"),
        "Timeout",
        r"did not end within spec\.timeout",
        r"Raise spec\.timeout",
        exit_code=2,
        log=r"started",
    ),
    Failing(
        "push-refused",
        "registry-unavailable",
        step("RUN echo built", retry={"limit": 0}),
        "RegistryUnavailable",
        r"The registry failed or cannot be reached: error pushing image: ",
        r"registry's health",
        exit_code=1,
        log=r"error pushing image",
    ),
    Failing(
        "exit-7",
        "step-failed",
        step("RUN echo what the step says && exit 7"),
        "StepFailed",
        r"^A RUN step ended with exit code 7\.$",
        r"^Mend the step",
        exit_code=7,
        log=r"what the step says",
    ),
    Failing(
        "killed-itself",
        "step-killed",
        step("RUN kill -9 $$"),
        "StepFailed",
        r"^A RUN step died of a signal \(killed\)\.$",
        r"raise spec\.resources\.limits\.memory",
        exit_code=255,
        log=r"signal: killed",
    ),
    Failing(
        "memory-eater",
        "memory-limit",
        step("RUN tail /dev/zero", resources=memory("128Mi"), retry=ONE_ATTEMPT),
        "OutOfMemory",
        r"A process of a RUN step was killed at the build's memory limit of 128Mi \(exit code 255\)",
        r"Raise spec\.resources\.limits\.memory above 128Mi",
        exit_code=255,
        log=r"signal: killed",
    ),
    Failing(
        "unknown-instruction",
        "dockerfile-syntax",
        step("RUNN echo typo"),
        "DockerfileInvalid",
        r"^Line 2 of the Dockerfile is wrong: unknown instruction: RUNN",
        r"^Correct line 2",
        exit_code=1,
        log=r"unknown instruction: RUNN",
    ),
    Failing(
        "wrong-password",
        "registry-login",
        registries(secretRefs=[{"name": "wrong-login"}]),
        "RegistryAuthFailed",
        r"refused the login of Secret wrong-login: error checking push permissions.*UNAUTHORIZED",
        r"holds a login for this very host",
        exit_code=1,
        log=r"UNAUTHORIZED",
    ),
    Failing(
        "no-login",
        "registry-login",
        registries(secretRefs=None),
        "RegistryAuthFailed",
        r"refused access without a Secret: error checking push permissions.*UNAUTHORIZED",
        r"Name a Secret .* in spec\.registries\.secretRefs",
        exit_code=1,
        log=r"UNAUTHORIZED",
    ),
    Failing(
        "no-such-registry",
        "registry-missing",
        lambda _: {"output": {"images": ["nowhere.imb.test:5000/app:1"]}},
        "RegistryNotFound",
        r"There is no host nowhere\.imb\.test:5000: Get .*no such host",
        r"Correct the host in spec\.output\.images",
        exit_code=1,
        log=r"no such host",
    ),
    Failing(
        "no-such-operator",
        "pod-invalid",
        affinity(_NO_OPERATOR),
        "PodRejected",
        r'matchExpressions\[0\]\.operator: Invalid value: "Fast": not a valid selector operator',
        r"below spec\.podTemplate",
    ),
    Failing(
        "no-affinity",
        "pod-invalid",
        affinity({"requiredDuringSchedulingIgnoredDuringExecution": "near"}),
        "PodRejected",
        r"requiredDuringSchedulingIgnoredDuringExecution",
        r"below spec\.podTemplate",
    ),
    Failing(
        "no-such-revision",
        "revision-missing",
        git(revision="nowhere"),
        "RevisionNotFound",
        r"Revision nowhere not found: https://\S+/public/failures\.git has no such branch or tag",
        r"Check spec\.source\.git\.revision",
        exit_code=1,
    ),
    Failing(
        "no-such-repository",
        "source-missing",
        git("public/nowhere"),
        "SourceNotFound",
        r"no git repository at https://\S+/public/nowhere\.git",
        r"Check spec\.source\.git\.url",
        exit_code=1,
    ),
    Failing(
        "unknown-certificate",
        "source-certificate",
        lambda team: {**git()(team), **registries(caBundle=None)(team)},
        "CertificateUnknown",
        r"The certificate of git\.imb\.test:15443 is not trusted",
        r"spec\.registries\.caBundle",
        exit_code=1,
    ),
    Failing(
        "broken-certificate",
        "ca-bundle-invalid",
        ca("broken.crt"),
        "CABundleInvalid",
        r"ConfigMap bad-certificates, key broken\.crt: certificate 1 of 1 is broken",
        r"^Put PEM certificates into the key that spec\.registries\.caBundle names",
        exit_code=1,
    ),
    Failing(
        "no-certificate",
        "ca-bundle-invalid",
        ca("empty.crt"),
        "CABundleInvalid",
        r"ConfigMap bad-certificates, key empty\.crt: holds no PEM certificate",
        r"^Put PEM certificates into the key that spec\.registries\.caBundle names",
        exit_code=1,
    ),
)

FAKED = (
    Failing(
        "garbage-and-exit-0",
        "executor-without-digest",
        faked("garbage"),
        "ExecutorFailed",
        r"exit code 0 but left no digest",
        r"Check that spec\.executor\.image is a kaniko executor",
        exit_code=0,
        log=r"^sha256:of nothing$",
    ),
    Failing(
        "silence-and-exit-0",
        "executor-without-digest",
        faked("silence"),
        "ExecutorFailed",
        r"exit code 0 but left no digest",
        r"Check that spec\.executor\.image is a kaniko executor",
        exit_code=0,
    ),
    Failing(
        "digest-and-exit-1",
        "unknown",
        faked("digest"),
        "BuildFailed",
        r"exit code 1: error pushing image: out of luck",
        r"^Read the end of its log in status\.failure\.logTail",
        exit_code=1,
        log=r"^error pushing image: out of luck$",
    ),
)


def prepare(team: Team) -> None:
    """What the failing builds find: a login that is wrong, certificates that are none, a repository that refuses."""
    wrong = team.cluster.pull_secret("wrong-login", replace(team.cluster.registry, password=PASSWORD))
    broken = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
    team.apply(
        wrong | {"metadata": {"name": "wrong-login", "namespace": team.namespace}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "bad-certificates", "namespace": team.namespace},
            "data": {"broken.crt": broken, "empty.crt": "# none yet\n"},
        },
    )
    if not team.cluster.git.folder(GIT_REPOSITORY).exists():
        team.cluster.git.create(GIT_REPOSITORY, {"Dockerfile": team.dockerfile("RUN true")})
    # The registry will take the layers, and then find a file in the place of its folder for manifests.
    refusing = stored(team) / "push-refused"
    refusing.mkdir(parents=True)
    (refusing / "_manifests").touch()


def stored(team: Team) -> Path:
    """Where the registry keeps what was pushed in a team's name (distribution, registry/storage/paths.go)."""
    return team.cluster.registry.storage(team.cluster.paths) / "docker/registry/v2/repositories" / team.namespace


def tags(team: Team) -> set[str]:
    """Repositories of a team that hold a tagged image."""
    return {tag.parents[2].name for tag in stored(team).glob("*/_manifests/tags/*")}


def fake_executor(team: Team) -> JSON:
    """The build of the image that the builds in `FAKED` use as their executor."""
    lines = ("COPY executor /executor", 'ENTRYPOINT ["/bin/sh", "/executor"]')
    return team.manifest("fake-executor", team.inline(*lines, executor=FAKE_EXECUTOR))
