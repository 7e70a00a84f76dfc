"""What a team does in its namespace: write an ImageBuild, apply it, look at it, wait for it."""

import json
import re
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from tests import installation
from tests.cluster.errors import ClusterError
from tests.cluster.handle import ClusterHandle

JSON = dict[str, Any]

BUILD_SECONDS = 180.0
POLL_SECONDS = 0.1
API = "/apis/imagebuild.dev/v1alpha1"
CORE_API = "/api/v1"
# Phases in which a Pod or an ImageBuild has ended.
FINISHED = ("Succeeded", "Failed", "Cancelled")


@dataclass(frozen=True)
class ImageFile:
    """A file of an image, as it stands in the layers; `content` is empty for anything but a regular file."""

    mode: int
    regular: bool
    content: str


@dataclass(frozen=True)
class Team:
    """One namespace of the cluster."""

    cluster: ClusterHandle
    namespace: str
    since: datetime

    @classmethod
    def create(cls, cluster: ClusterHandle, name: str, **labels: str) -> Self:
        readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].rstrip("-")
        namespace = f"{readable}-{uuid.uuid4().hex[:5]}"
        installation.prepare_namespace(cluster, namespace, **labels)
        return cls(cluster, namespace, datetime.now(UTC))

    def delete(self) -> None:
        """Let the namespace go, and with it everything in it, without waiting for that."""
        self.cluster.kubectl("delete", "namespace", self.namespace, "--wait=false")

    # Manifests

    def image(self, repository: str = "app", tag: str = "1") -> str:
        """A reference in the cluster's registry that no other test pushes to."""
        return self.cluster.registry.image(f"{self.namespace}/{repository}", tag)

    @property
    def registries(self) -> JSON:
        """Login and CA of the cluster's registry."""
        return {
            "secretRefs": [{"name": "registry-login"}],
            "caBundle": {"configMapRef": {"name": "cluster-ca", "key": "ca.crt"}},
        }

    @property
    def busybox(self) -> str:
        return self.cluster.registry.image("busybox")

    def dockerfile(self, *lines: str) -> str:
        return "\n".join((f"FROM {self.busybox}", *lines)) + "\n"

    def inline(self, *lines: str, **files: str) -> JSON:
        """An inline source: a Dockerfile on busybox with these lines, and further files by path."""
        entries = [{"path": "Dockerfile", "content": self.dockerfile(*lines)}]
        entries += [{"path": path, "content": content} for path, content in files.items()]
        return {"inline": {"files": entries}}

    def git(self, name: str, **more: Any) -> JSON:
        return {"git": {"url": self.cluster.git.url(name), **more}}

    def manifest(self, name: str, source: JSON | None = None, **spec: Any) -> JSON:
        """An ImageBuild that is quick, unless the test says otherwise; None leaves a member of the spec out."""
        full = {
            "source": source or self.inline("RUN echo built > /built"),
            "output": {"images": [self.image(name)]},
            "registries": self.registries,
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
            "timeout": "5m",
            **spec,
        }
        return {
            "apiVersion": "imagebuild.dev/v1alpha1",
            "kind": "ImageBuild",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {key: value for key, value in full.items() if value is not None},
        }

    # What people do

    def apply(self, *manifests: JSON) -> None:
        self.cluster.apply(*manifests)

    def build(self, name: str, source: JSON | None = None, **spec: Any) -> JSON:
        """Apply an ImageBuild and wait for its result; returns its status."""
        self.apply(self.manifest(name, source, **spec))
        return self.result(name)

    def request(self, name: str, token: str) -> None:
        self.kubectl("annotate", "imagebuild", name, "--overwrite", f"imagebuild.dev/requestedAt={token}")

    def cancel(self, name: str, token: str) -> JSON:
        """Ask for the end of the run and wait until that is recorded; returns the status."""
        self.kubectl("annotate", "imagebuild", name, "--overwrite", f"imagebuild.dev/cancelRequestedAt={token}")
        return self.until_status(name, lambda status: status.get("lastHandledCancel") == token, f"cancel {token}", 30)

    def change(self, name: str, **spec: Any) -> None:
        """Replace members of a spec, as `kubectl patch --type merge` does."""
        self.kubectl("patch", "imagebuild", name, "--type=merge", "--patch", json.dumps({"spec": spec}))

    def rebuild(self, name: str, token: str) -> JSON:
        """Ask for one more run and wait for its result; returns the status."""
        self.request(name, token)
        return self.until_status(
            name,
            lambda status: status.get("lastHandledRequest") == token and status["phase"] in FINISHED,
            f"run for the request {token}",
        )

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments, **options)

    # What they see

    def get(self, name: str) -> JSON:
        return self._read(API, f"imagebuilds/{name}")

    def builds(self) -> dict[str, JSON]:
        """The status of each build by its name."""
        items = self._read(API, "imagebuilds")["items"]
        return {build["metadata"]["name"]: build.get("status", {}) for build in items}

    def status(self, name: str) -> JSON:
        status: JSON = self.get(name).get("status", {})
        return status

    def pods(self, name: str | None = None) -> list[JSON]:
        selector = "app.kubernetes.io/managed-by=imagebuild-operator" + (
            f",imagebuild.dev/build={name}" if name else ""
        )
        items: list[JSON] = self._read(CORE_API, f"pods?{urlencode({'labelSelector': selector})}")["items"]
        return items

    def log(self, name: str, container: str = "build") -> str:
        """The log of the recorded run's Pod."""
        pod = self.status(name)["run"]["podName"]
        return self.cluster.read(f"{self._path(CORE_API)}/pods/{pod}/log?container={container}")

    def events(self, name: str) -> list[JSON]:
        items = self._read(CORE_API, "events")["items"]
        return [event for event in items if event["involvedObject"].get("name") == name]

    def _read(self, api: str, what: str) -> JSON:
        document: JSON = json.loads(self.cluster.read(f"{self._path(api)}/{what}"))
        return document

    def _path(self, api: str) -> str:
        return f"{api}/namespaces/{self.namespace}"

    def operator_log(self) -> list[JSON]:
        """Lines of the operator's log about this namespace, and those about no build at all."""
        lines = [json.loads(line) for line in installation.operator_log(self.cluster, 2000).splitlines()]
        recent = [line for line in lines if datetime.fromisoformat(line["time"]) >= self.since]
        return [line for line in recent if line.get("namespace") in (None, self.namespace)]

    def digest(self, reference: str) -> str:
        """The registry's word on a reference."""
        return self.cluster.crane("digest", reference).strip()

    def config(self, reference: str) -> JSON:
        """The configuration of an image in the registry."""
        document: JSON = json.loads(self.cluster.crane("config", reference))
        return document

    def file(self, reference: str, path: str) -> str:
        """A file of an image in the registry, read by running the image (busybox) as a Pod."""
        pod = f"read-{uuid.uuid4().hex[:6]}"
        self.kubectl(
            "run", pod, f"--image={reference}", "--restart=Never", "--quiet", "--command", "--", "/bin/cat", path
        )
        self.until(lambda: self._pod_phase(pod) in FINISHED, f"the end of {pod}", 60)
        return self.kubectl("logs", pod)

    def files(self, reference: str) -> dict[str, ImageFile]:
        """Every file, folder and link of an image in the registry, by path without the leading slash."""
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "image.tar"
            self.cluster.crane("export", reference, str(archive))
            with tarfile.open(archive) as tar:
                return {member.name.strip("/"): _image_file(tar, member) for member in tar}

    def _pod_phase(self, pod: str) -> str:
        return str(self._read(CORE_API, f"pods/{pod}")["status"].get("phase"))

    def writes(self, user: str = "system:serviceaccount:imagebuild-system:imagebuild-operator") -> list[JSON]:
        """Requests of the operator about this namespace, from the audit log, complete ones only."""
        return [
            entry
            for entry in self.cluster.audit_entries(self.since)
            if entry["user"]["username"] == user
            and entry["stage"] == "ResponseComplete"
            and entry.get("objectRef", {}).get("namespace") == self.namespace
        ]

    # Waiting

    def until(self, condition: Callable[[], bool], what: str, seconds: float = BUILD_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"no {what} within {seconds} s\n{self.story()}"
            time.sleep(POLL_SECONDS)

    def until_status(
        self, name: str, condition: Callable[[Mapping[str, Any]], bool], what: str, seconds: float = BUILD_SECONDS
    ) -> JSON:
        self.until(lambda: condition(self.status(name)), f"{what} of {name}", seconds)
        return self.status(name)

    def result(self, name: str, seconds: float = BUILD_SECONDS) -> JSON:
        """The status once the run of the current generation has ended."""

        def ended() -> bool:
            build = self.get(name)
            status = build.get("status", {})
            return (
                status.get("phase") in FINISHED and status.get("observedGeneration") == build["metadata"]["generation"]
            )

        self.until(ended, f"result of {name}", seconds)
        return self.status(name)

    def until_building(self, name: str) -> str:
        """Wait until the build container runs; returns its Pod's name."""

        def running() -> bool:
            return any(
                "running" in state["state"]
                for pod in self.pods(name)
                for state in pod["status"].get("containerStatuses", [])
            )

        self.until(running, f"running container of {name}", 60)
        return str(self.status(name)["run"]["podName"])

    def story(self) -> str:
        """What there is to know when something went wrong."""
        parts = []
        for command in (("get", "imagebuilds", "-o", "yaml"), ("get", "pods", "-o", "wide"), ("get", "events")):
            try:
                parts.append(self.kubectl(*command))
            except ClusterError as error:
                parts.append(str(error))
        return "\n".join((*parts, "---- operator ----", installation.operator_log(self.cluster)))


def _image_file(tar: tarfile.TarFile, member: tarfile.TarInfo) -> ImageFile:
    stream = tar.extractfile(member) if member.isreg() else None
    content = stream.read().decode(errors="replace") if stream else ""
    return ImageFile(member.mode, member.isreg(), content)
