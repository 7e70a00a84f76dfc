"""Who asked what of the API server, in order, from its audit log."""

from tests.e2e.team import JSON, Team

WRITERS = {
    "imagebuild:admin": "user",
    "system:serviceaccount:imagebuild-system:imagebuild-operator": "operator",
    "system:node:imb-node": "kubelet",
}


def story_of(team: Team, name: str) -> list[str]:
    """Who wrote what about a build and its Pods, in the order in which the API server answered."""
    entries = [
        entry
        for entry in team.cluster.audit_entries(team.since)
        if entry.get("objectRef", {}).get("namespace") == team.namespace
        and entry["objectRef"].get("name", "").startswith(name)
        and entry["stage"] == "ResponseComplete"
        and entry["responseStatus"]["code"] < 300
        and entry["user"]["username"] in WRITERS
        and (entry["objectRef"]["resource"], entry["verb"])
        in (("imagebuilds", "patch"), ("pods", "create"), ("pods", "delete"))
    ]
    return [
        " ".join((WRITERS[entry["user"]["username"]], entry["verb"], entry["objectRef"]["name"]))
        for entry in sorted(entries, key=lambda entry: str(entry["stageTimestamp"]))
    ]


def requests(team: Team, name: str = "") -> list[str]:
    """The operator's requests about the team's namespace, or about one build there, in order, e.g. `create pods`."""
    found = []
    for entry in sorted(team.writes(), key=lambda entry: str(entry["requestReceivedTimestamp"])):
        target = entry["objectRef"]
        if target.get("name", "").startswith(name):
            found.append(f"{entry['verb']} {_path(target)}")
    return found


def _path(target: JSON) -> str:
    return f"{target['resource']}/{target['subresource']}" if "subresource" in target else str(target["resource"])
