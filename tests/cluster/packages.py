"""Installs the Debian packages that the cluster needs and the machine has not."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from .errors import ClusterError
from .programs import Say, say_on_stdout

PACKAGES = (
    "apache2-utils",  # htpasswd, for the registries' login
    "busybox-static",
    "ca-certificates",
    "conntrack",
    "containernetworking-plugins",
    "docker-registry",
    "gcc",  # runc needs cgo
    "git",
    "git-lfs",
    "iproute2",
    "iptables",
    "libc6-dev",
    "libseccomp-dev",
    "lighttpd",
    "lighttpd-mod-openssl",
    "mmdebstrap",
    "openssh-server",
    "pkg-config",
    "rsync",  # for gitlab-ci-local
    "util-linux",  # nsenter and unshare
)
# What they start, by package.
SERVICES = {"docker-registry": "docker-registry", "lighttpd": "lighttpd", "openssh-server": "ssh"}
POLICY = Path("/usr/sbin/policy-rc.d")


def _installed() -> set[str]:
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *PACKAGES]
    try:
        answer = subprocess.run(query, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise ClusterError("The cluster is made for Debian 12: there is no dpkg here.") from error
    rows = (line.split() for line in answer.stdout.splitlines())
    return {row[0] for row in rows if row[1:] == ["installed"]}


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting their daemons: exit code 101 of policy-rc.d forbids it, see invoke-rc.d(8)."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with tempfile.TemporaryFile("w+") as output:
        command = ["apt-get", "--quiet", "--quiet", *arguments]
        if subprocess.run(command, stdout=output, stderr=output, env=environment).returncode != 0:
            output.seek(0)
            raise ClusterError(f"{' '.join(command)} failed:\n{output.read()[-4000:]}")


def install(packages: Sequence[str], say: Say = say_on_stdout) -> None:
    """Install packages, and start none of their services."""
    say(f"installing Debian packages: {' '.join(packages)} …")
    _apt("update")
    with _no_services():
        _apt("install", "--yes", "--no-install-recommends", *packages)


def install_missing(say: Say = say_on_stdout) -> None:
    """Install only what is missing, and leave none of its services running or enabled."""
    missing = sorted(set(PACKAGES) - _installed())
    if not missing:
        return
    install(missing, say)
    for package, service in SERVICES.items():
        # A freshly installed service would start at the next boot; whoever had it before keeps it.
        if package in missing:
            with contextlib.suppress(FileNotFoundError):
                subprocess.run(["systemctl", "disable", service], capture_output=True)
