"""What a GitOps controller makes of a status: the generic algorithm of kstatus (cli-utils, pkg/kstatus/status).

`tests/integration/test_gitops.py` compares it with the original.
"""

from typing import Any, Literal

Verdict = Literal["InProgress", "Failed", "Current"]


def kstatus(generation: int, status: dict[str, Any]) -> Verdict:
    observed = status.get("observedGeneration")
    if observed is not None and observed != generation:
        return "InProgress"
    conditions: list[dict[str, Any]] = status.get("conditions") or []
    for condition in conditions:
        if condition["status"] == "True" and condition["type"] == "Reconciling":
            return "InProgress"
        if condition["status"] == "True" and condition["type"] == "Stalled":
            return "Failed"
    ready = [condition["status"] for condition in conditions if condition["type"] == "Ready"]
    return "InProgress" if ready and ready[0] != "True" else "Current"
