"""What tests and the demo hold in their hands: a running cluster."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from .docker_hub import docker_hub
from .errors import ClusterError
from .faulty import FaultyRegistry, faulty_registry
from .fileserver import FileServer, file_server
from .gitserver import GitServer
from .images import GOOGLE_IMAGE, make_google_executor
from .logind import Logind, logind
from .nodes import SECOND, Node
from .object_stores import ObjectStores, object_stores
from .paths import ClusterPaths
from .process import ProcessTable
from .programs import program
from .registry import INSECURE, MIRROR, REGISTRY, Registry, docker_config
from .second import second_node
from .sshserver import SshServer, ssh_server
from .web_proxy import WebProxy, web_proxy


def run_tool(
    command: Sequence[str], *, environment: dict[str, str], given: str | None = None, timeout: float = 300
) -> str:
    """Run a command line tool and return its output; its own words are the message when it fails."""
    result = subprocess.run(
        command, input=given, capture_output=True, text=True, env={**os.environ, **environment}, timeout=timeout
    )
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()
        raise ClusterError(f"{Path(command[0]).name} {' '.join(command[1:])}: {said}")
    return result.stdout


def read_audit(file: Path, since: datetime | None = None) -> Iterator[dict[str, Any]]:
    """The requests that the API server answered; it writes its log while we read, so the last line may be half."""
    with file.open() as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            entry: dict[str, Any] = json.loads(line)
            received = datetime.fromisoformat(entry["requestReceivedTimestamp"])
            if since is None or received >= since.astimezone(UTC):
                yield entry


def all_logs_tail(paths: ClusterPaths, lines: int) -> str:
    """The ends of all log files but the audit log, which is data."""
    parts = []
    for file in sorted(paths.logs.glob("*.log")):
        if file != paths.audit_log:
            text = file.read_text(errors="replace").splitlines()[-lines:]
            parts.append(f"---- {file.name} ----\n" + "\n".join(text))
    return "\n".join(parts)


@dataclass(frozen=True)
class ApiHandle:
    """An API server that answers: of a whole cluster, or one of its own for an integration test."""

    paths: ClusterPaths
    url: str
    processes: ProcessTable

    @property
    def kubeconfig(self) -> Path:
        return self.paths.kubeconfig

    @property
    def ca_pem(self) -> str:
        """The cluster's CA, which also signed the registries' and the git server's certificates."""
        return self.paths.ca.read_text()

    def kubectl(self, *arguments: str, input: str | None = None, timeout: float = 300) -> str:  # noqa: A002
        environment = {"KUBECONFIG": str(self.kubeconfig)}
        return run_tool([str(program("kubectl")), *arguments], environment=environment, given=input, timeout=timeout)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects given as documents, whoever else has written to them."""
        documents = "\n---\n".join(json.dumps(each) for each in objects)
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=documents)

    def get(self, *arguments: str) -> dict[str, Any]:
        """`kubectl get … -o json`."""
        document: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return document

    def read(self, path: str) -> str:
        """What the API server answers to a GET, without a process for it: whoever waits looks often.

        Raises:
            ClusterError: with the answer, if it is an error, or why there is none.
        """
        try:
            with self._opener.open(self.url + path, timeout=30) as answer:
                text: str = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise ClusterError(f"GET {path}: {error.read().decode()}") from error
        except OSError as error:
            raise ClusterError(f"GET {path}: {error}") from error
        return text

    def trust(self) -> ssl.SSLContext:
        """The administrator's certificate and the CA to check the API server with."""
        context = ssl.create_default_context(cafile=str(self.paths.ca))
        pki = self.paths.pki
        context.load_cert_chain(pki / "client-kubeconfig.crt", pki / "client-kubeconfig.key")
        return context

    @cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        # The person's proxy settings must not come between us and the bridge.
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.trust())
        return urllib.request.build_opener(*handlers)

    def audit_entries(self, since: datetime | None = None) -> list[dict[str, Any]]:
        """Audit events received at or after `since`: user, verb, objectRef, responseStatus and so on."""
        return list(read_audit(self.paths.audit_log, since))

    def logs_tail(self, lines: int = 40) -> str:
        return all_logs_tail(self.paths, lines)


@dataclass(frozen=True)
class ClusterHandle(ApiHandle):
    """A running cluster with its registries and its git server."""

    enter: Callable[[Sequence[str]], list[str]] = field(repr=False)
    git: GitServer
    registry: Registry = REGISTRY
    mirror: Registry = MIRROR
    insecure_registry: Registry = INSECURE

    def helm(self, *arguments: str, timeout: float = 300) -> str:
        """Run Helm with no repositories, plugins and caches of the person who runs the tests."""
        folders = {f"HELM_{name}_HOME": str(self.paths.config / "helm" / name) for name in ("CACHE", "CONFIG", "DATA")}
        environment = {"KUBECONFIG": str(self.kubeconfig), **folders}
        return run_tool([str(program("helm")), *arguments], environment=environment, timeout=timeout)

    def crane(self, *arguments: str, timeout: float = 300) -> str:
        """Run crane on the node, where the registries' names are known, with their logins and the cluster's CA."""
        environment = {"DOCKER_CONFIG": str(self.paths.config / "crane"), "SSL_CERT_FILE": str(self.paths.ca)}
        return run_tool(self.enter([str(program("crane")), *arguments]), environment=environment, timeout=timeout)

    def second_node(self) -> AbstractContextManager[Node]:
        """A second node while the block runs, for Pods that tolerate its taint `settings.SECOND_TAINT`.

        `processes.kill("kubelet-second")` loses it, `processes.revive("kubelet-second")` brings it back.
        """
        return second_node(self)

    def logind(self) -> AbstractContextManager[Logind]:
        """What announces shutdowns to a second node that is started within the block."""
        assert SECOND.bus is not None
        return logind(SECOND.bus)

    def faulty_registry(self) -> AbstractContextManager[FaultyRegistry]:
        """The main registry behind a proxy that fails as the test says, while the block runs."""
        return faulty_registry(self)

    def docker_hub(self) -> AbstractContextManager[None]:
        """The main registry under Docker Hub's name while the block runs."""
        return docker_hub(self)

    def file_server(self) -> AbstractContextManager[FileServer]:
        """A web server for archives while the block runs."""
        return file_server(self)

    def object_stores(self, objects: Mapping[str, bytes]) -> AbstractContextManager[ObjectStores]:
        """S3, Google Cloud Storage and Azure Blob Storage while the block runs, with these objects by key."""
        return object_stores(self, objects)

    def ssh_server(self) -> AbstractContextManager[SshServer]:
        """The git server's repositories over ssh while the block runs."""
        return ssh_server(self)

    def web_proxy(self) -> AbstractContextManager[WebProxy]:
        """A proxy to all these servers while the block runs."""
        return web_proxy(self)

    def google_executor(self) -> str:
        """Reference of Google's own executor and warmer, which are built and pushed when they are first asked for."""
        reference = f"{self.registry.host}/{GOOGLE_IMAGE.image.name}"
        self.crane("push", str(make_google_executor()), reference)
        return reference

    def pull_secret(self, name: str, *registries: Registry) -> dict[str, Any]:
        """A Secret of type kubernetes.io/dockerconfigjson with logins of the cluster's registries."""
        document = docker_config(*(registries or (self.registry,)))
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": base64.b64encode(document.encode()).decode()},
        }
