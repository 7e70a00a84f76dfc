"""Pods that the test itself brings to a node, in the scheduler's place: what the node's kubelet then says is real."""

import json
from typing import Final

from tests.e2e.team import JSON, Team

# A Pod template: no scheduler looks at the Pod.
NOBODY: Final[JSON] = {"schedulerName": "nobody"}


def bind(team: Team, name: str, node: str) -> None:
    """Bring the Pod of a build, which may have yet to be made, to a node, whether that can take it or not."""
    team.until(lambda: bool(team.pods(name)), f"Pod of {name}", 60)
    [pod] = team.pods(name)
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod["metadata"]["name"], "namespace": team.namespace},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }
    path = f"/api/v1/namespaces/{team.namespace}/pods/{pod['metadata']['name']}/binding"
    team.cluster.kubectl("create", "--raw", path, "-f", "-", input=json.dumps(binding))
