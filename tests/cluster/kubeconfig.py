"""Writes kubeconfig files: for the person, and one for each part that talks to the API."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from .certificates import KeyPair


def _inline(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def write_kubeconfig(file: Path, *, server: str, ca: Path, client: KeyPair, name: str = "imagebuild") -> None:
    """Write a kubeconfig that holds everything itself, so that it can be copied and mounted."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": _inline(ca)}}],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _inline(client.certificate),
                    "client-key-data": _inline(client.key),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(document, sort_keys=False))
