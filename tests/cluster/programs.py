"""Builds the cluster's programs from Go modules at pinned versions, once, into a cache keyed by those versions.

Each folder below `tools/` is one family: a go.mod of ours with `tool` lines, apart from the other families wherever
their dependencies conflict, or with a program of ours. Only its files and the flags below decide what is built, so
their hash is the key.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import ClusterError
from .locks import locked
from .settings import CACHE_FOLDER, KUBERNETES_VERSION

TOOLS = Path(__file__).resolve().parent / "tools"
GO_AT_LEAST = (1, 26)

Say = Callable[[str], None]


def say_on_stdout(sentence: str) -> None:
    print(sentence, flush=True)


@dataclass(frozen=True)
class Program:
    """One main package; `tags` stand for a program that needs cgo (runc's seccomp is a C library)."""

    name: str
    package: str
    cgo: bool = False
    tags: str = ""


@dataclass(frozen=True)
class Family:
    """Programs that are built from one go.mod."""

    name: str
    programs: tuple[Program, ...]
    variables: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return TOOLS / self.name

    @property
    def key(self) -> str:
        """Changes exactly when what would be built changes."""
        digest = hashlib.sha256(repr(self).encode())
        for file in (self.folder / "go.mod", self.folder / "go.sum", *sorted(self.folder.glob("*.go"))):
            digest.update(file.read_bytes())
        return digest.hexdigest()[:16]

    @property
    def binaries(self) -> Path:
        return CACHE_FOLDER / "bin" / f"{self.name}-{self.key}"


def _kubernetes_variables() -> tuple[str, ...]:
    # Without these the API server calls itself v0.0.0, and Helm refuses charts that name a kubeVersion.
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    return (
        f"k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}",
        f"k8s.io/component-base/version.gitMajor={major}",
        f"k8s.io/component-base/version.gitMinor={minor}",
        f"k8s.io/client-go/pkg/version.gitVersion={KUBERNETES_VERSION}",
    )


KUBERNETES = Family(
    "kubernetes",
    (
        Program("etcd", "go.etcd.io/etcd/server/v3"),
        *(
            Program(name, f"k8s.io/kubernetes/cmd/{name}")
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kube-proxy",
                "kubectl",
            )
        ),
    ),
    _kubernetes_variables(),
)
CONTAINERD = Family(
    "containerd",
    (
        *(
            Program(name, f"github.com/containerd/containerd/v2/cmd/{name}")
            for name in ("containerd", "containerd-shim-runc-v2", "ctr")
        ),
        Program("runc", "github.com/opencontainers/runc", cgo=True, tags="seccomp"),
    ),
    ("github.com/containerd/containerd/v2/version.Version=2.4.2",),
)
COREDNS = Family("coredns", (Program("coredns", "github.com/coredns/coredns"),))
KANIKO = Family("kaniko", (Program("executor", "github.com/chainguard-dev/kaniko/cmd/executor"),))
HELM = Family(
    "helm", (Program("helm", "helm.sh/helm/v3/cmd/helm"),), ("helm.sh/helm/v3/internal/version.version=v3.22.0",)
)
CRANE = Family("crane", (Program("crane", "github.com/google/go-containerregistry/cmd/crane"),))
# Built when a test asks for object stores, since the cluster is whole without them.
S3 = Family("s3", (Program("versitygw", "github.com/versity/versitygw/cmd/versitygw"),))
GCS = Family("gcs", (Program("fake-gcs-server", "github.com/fsouza/fake-gcs-server"),))
# Ours, for what Flux and Argo CD run on every object: built when a test asks what they make of a build.
GITOPS = Family("gitops", (Program("gitops", "."),))

# The last release of the project that the others continue: built when a test asks for it.
KANIKO_GOOGLE = Family(
    "kaniko-google",
    tuple(Program(name, f"github.com/GoogleContainerTools/kaniko/cmd/{name}") for name in ("executor", "warmer")),
)

CONTROL_PLANE_FAMILIES = (KUBERNETES,)
FAMILIES = (KUBERNETES, CONTAINERD, COREDNS, KANIKO, HELM, CRANE)


def go_command() -> str:
    """Find a Go that is new enough, or say what to do."""
    wanted = ".".join(map(str, GO_AT_LEAST))
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if found is None:
        raise ClusterError(f"Go {wanted} or newer is needed to build the cluster's programs: install it on PATH.")
    # A toolchain download would change what is built behind the pinned versions' back.
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    answer = subprocess.run([found, "version"], capture_output=True, text=True, env=environment)
    version = re.search(r"go(\d+)\.(\d+)", answer.stdout)
    if version is None or (int(version[1]), int(version[2])) < GO_AT_LEAST:
        raise ClusterError(f"{found} is {answer.stdout.strip() or 'broken'}; Go {wanted} or newer is needed.")
    return found


def _build(go: str, family: Family, program: Program, target: Path, say: Say) -> None:
    started = time.monotonic()
    say(f"building {program.name} …")
    linker = " ".join(["-s", "-w", *(f"-X {variable}" for variable in family.variables)])
    command = [go, "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", linker]
    if program.tags:
        command += ["-tags", program.tags]
    command += ["-o", str(target), program.package]
    environment = {**os.environ, "CGO_ENABLED": str(int(program.cgo)), "GOWORK": "off", "GOTOOLCHAIN": "local"}
    result = subprocess.run(
        command, cwd=family.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if result.returncode != 0:
        tail = "\n".join(result.stdout.splitlines()[-40:])
        raise ClusterError(f"building {program.name} failed:\n{tail}")
    say(f"built {program.name} in {time.monotonic() - started:.0f} s")


def build_family(family: Family, say: Say = say_on_stdout) -> Path:
    """Return the folder of the family's binaries, built if need be; a half-built folder is never seen."""
    if family.binaries.is_dir():
        return family.binaries
    go = go_command()
    lock = CACHE_FOLDER / "bin" / f"{family.name}.lock"
    with locked(lock, say, f"waiting for another process that builds {family.name} …"):
        if family.binaries.is_dir():
            return family.binaries
        scratch = Path(tempfile.mkdtemp(prefix=f".{family.name}-", dir=family.binaries.parent))
        scratch.chmod(0o755)
        try:
            for program in family.programs:
                _build(go, family, program, scratch / program.name, say)
            scratch.rename(family.binaries)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return family.binaries


def build_all(families: tuple[Family, ...] = FAMILIES, say: Say = say_on_stdout) -> None:
    """Build whatever is missing, one program after another: each build uses all cores by itself."""
    for family in families:
        build_family(family, say)


def program(name: str) -> Path:
    """Path of a built program; building it is `build_all`'s business."""
    for family in FAMILIES:
        if any(each.name == name for each in family.programs):
            return family.binaries / name
    raise KeyError(name)
