"""Real builds that cost as little as one can, and builds that last until they are let go."""

import urllib.request
from typing import Any

from tests.e2e.team import JSON, Team

RESOURCES = {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}}


def cheap(team: Team, name: str, *lines: str, **spec: Any) -> JSON:
    """One label on nothing, pushed without login and CA: a Pod of one container that has little to do.

    Other lines may follow `FROM scratch` than that label.
    """
    registry = team.cluster.insecure_registry
    content = "\n".join(("FROM scratch", *(lines or (f"LABEL name={name}",)))) + "\n"
    return team.manifest(
        name,
        {"inline": {"files": [{"path": "Dockerfile", "content": content}]}},
        **{
            "output": {"images": [registry.image(f"{team.namespace}/{name}", "1")]},
            "registries": {"insecure": [registry.host]},
            "resources": RESOURCES,
            **spec,
        },
    )


def unprepared(team: Team, login: str = "registry-login") -> JSON:
    """The cluster's registry with a login and without a look at its certificate.

    Then nothing is to be prepared, and a Pod has one container: with two it takes twice as long.
    """
    return {"secretRefs": [{"name": login}], "insecure": [team.cluster.registry.host]}


def lasting(team: Team, name: str, sign: str = "", **spec: Any) -> JSON:
    """A build that ends well after `let_go`, and not before; several may wait for the same sign."""
    url = f"{team.cluster.insecure_registry.url}/v2/{_sign(team, sign or name)}/tags/list"
    source = team.inline(f"RUN until wget -q -O /dev/null {url}; do sleep 0.2; done")
    return team.manifest(name, source, **{"resources": RESOURCES, "registries": unprepared(team), **spec})


def let_go(team: Team, sign: str) -> None:
    """Let the builds end that last until this sign: it is an image in the registry without login."""
    target = team.cluster.insecure_registry.image(_sign(team, sign), "now")
    team.cluster.crane("copy", "--insecure", team.busybox, target)


def _sign(team: Team, sign: str) -> str:
    return f"{team.namespace}-signs/{sign}"


def cheap_digest(team: Team, name: str) -> str:
    """The registry's word on the image of a cheap build, asked for without a process of its own."""
    url = f"{team.cluster.insecure_registry.url}/v2/{team.namespace}/{name}/manifests/1"
    kinds = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
    request = urllib.request.Request(url, method="HEAD", headers={"Accept": kinds})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.headers["Docker-Content-Digest"])
