"""Three registries: the one that builds push to, one that stands for a mirror, and one without TLS and login."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from . import settings
from .certificates import KeyPair
from .errors import ClusterError
from .paths import ClusterPaths

PROGRAM = "/usr/bin/docker-registry"


@dataclass(frozen=True)
class Registry:
    """A registry as Pods, the node and tests on the host see it."""

    name: str
    host_name: str
    port: int
    user: str | None = None
    password: str | None = None

    @property
    def host(self) -> str:
        """What stands in image references; Pods and the node resolve it, the host does not."""
        return f"{self.host_name}:{self.port}"

    @property
    def secure(self) -> bool:
        return self.user is not None

    @property
    def url(self) -> str:
        """The registry's address for programs on the host; its certificate is good for it."""
        return f"{'https' if self.secure else 'http'}://{settings.NODE_ADDRESS}:{self.port}"

    def image(self, repository: str, tag: str = "latest") -> str:
        return f"{self.host}/{repository}:{tag}"

    def docker_config(self) -> str:
        """A config.json with this registry's login, as Secrets of type kubernetes.io/dockerconfigjson hold."""
        return docker_config(self)

    def storage(self, paths: ClusterPaths) -> Path:
        return paths.registry / self.name

    def write_files(self, paths: ClusterPaths, server: KeyPair) -> None:
        http: dict[str, object] = {"addr": f"{settings.NODE_ADDRESS}:{self.port}", "secret": "imagebuild"}
        config: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": False}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.storage(paths))},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": http,
        }
        if self.secure:
            http["tls"] = {"certificate": str(server.certificate), "key": str(server.key)}
            config["auth"] = {"htpasswd": {"realm": "imagebuild", "path": str(_password_file(paths))}}
        self._file(paths).write_text(yaml.safe_dump(config))

    def _file(self, paths: ClusterPaths) -> Path:
        return paths.config / f"registry-{self.name}.yaml"

    def command(self, paths: ClusterPaths) -> list[str]:
        return [PROGRAM, "serve", str(self._file(paths))]


REGISTRY = Registry(
    "main", settings.REGISTRY_HOST, settings.REGISTRY_PORT, settings.REGISTRY_USER, settings.REGISTRY_PASSWORD
)
MIRROR = Registry(
    "mirror", settings.MIRROR_HOST, settings.MIRROR_PORT, settings.REGISTRY_USER, settings.REGISTRY_PASSWORD
)
INSECURE = Registry("insecure", settings.INSECURE_HOST, settings.INSECURE_PORT)
REGISTRIES = (REGISTRY, MIRROR, INSECURE)
# The main one with a second login, so that a test can tell who fetches from who pushes.
PULLED = replace(REGISTRY, user=settings.PULL_USER, password=settings.PULL_PASSWORD)


def docker_config(*registries: Registry) -> str:
    """A config.json with the logins of some registries."""
    logins = {
        registry.host: {"auth": base64.b64encode(f"{registry.user}:{registry.password}".encode()).decode()}
        for registry in registries
        if registry.secure
    }
    return json.dumps({"auths": logins})


def _password_file(paths: ClusterPaths) -> Path:
    return paths.config / "registry.htpasswd"


def password_line(user: str, password: str) -> str:
    """A line of a bcrypt password file, the only kind that the registry reads.

    The cheapest cost: the registry checks the password anew with every request.
    """
    command = ["htpasswd", "-B", "-C", "4", "-b", "-n", user, password]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise ClusterError(f"htpasswd failed: {result.stderr.strip()}")
    return result.stdout.strip() + "\n"


def write_files(paths: ClusterPaths, server: KeyPair) -> None:
    logins = {
        settings.REGISTRY_USER: settings.REGISTRY_PASSWORD,
        settings.PULL_USER: settings.PULL_PASSWORD,
        **settings.FURTHER_LOGINS,
    }
    _password_file(paths).write_text("".join(password_line(user, password) for user, password in logins.items()))
    for registry in REGISTRIES:
        registry.write_files(paths, server)
    crane = paths.config / "crane"
    crane.mkdir()
    (crane / "config.json").write_text(docker_config(*REGISTRIES))
