"""What the operator asks of a cluster, as a Protocol: the only door between the reconciler and the Kubernetes API.

Objects are the API's own JSON, never client models: those validate what the server answers and would refuse a Pod
that a newer kubelet describes differently.
"""

from datetime import datetime
from typing import Any, Protocol

JSON = dict[str, Any]


class ApiRefusal(Exception):  # noqa: N818  an answer of the API, not always an error of ours
    """Any answer that is not a success, and also no answer at all.

    Attributes:
        status: the HTTP status code; 0 when there was no answer (connection error, timeout, unreadable token).
        reason: the API's `reason` of the Status object, e.g. `Forbidden`; the error's kind when status is 0.
        message: the API's own sentence, fit to be shown to a user.
        retry_after: seconds the server asks to wait, when it does (429, 503).
    """

    def __init__(self, *, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status or 'no answer'} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class Conflict(ApiRefusal):
    """409: the object changed meanwhile, or one of that name already exists."""


class Missing(ApiRefusal):
    """404: the object, or the namespace of a new one, is not there."""


class Cluster(Protocol):
    """The API calls of the operator; every one of them may raise `ApiRefusal`."""

    async def get_build(self, namespace: str, name: str) -> JSON | None:
        """The ImageBuild as stored now, or None when it is gone."""
        ...

    async def list_unfinished_builds(self) -> tuple[list[JSON], str]:
        """All watched ImageBuilds that are not finished, suspended ones among them, and the resourceVersion."""
        ...

    async def list_build_pods(self) -> tuple[list[JSON], str]:
        """All build Pods in the watched namespaces, and the resourceVersion of the first list."""
        ...

    async def get_pod(self, namespace: str, name: str) -> JSON | None:
        """The Pod as stored now, or None when it is gone."""
        ...

    async def write_status(self, *, namespace: str, name: str, uid: str, resource_version: str, status: JSON) -> JSON:
        """Replace the whole status, provided that nothing changed since `resource_version`; returns the new object.

        Raises:
            Conflict: when it did change, or another object took the name.
            Missing: when the ImageBuild is gone.
        """
        ...

    async def create_pod(self, namespace: str, manifest: JSON) -> JSON:
        """Create the Pod and return it; `Conflict` when the name is taken."""
        ...

    async def delete_build(self, *, namespace: str, name: str, uid: str, resource_version: str) -> None:
        """Delete that very ImageBuild, provided that nothing changed since `resource_version`.

        One that is gone, or was changed, counts as done: the watch tells what became of it.
        """
        ...

    async def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        """Delete that very Pod; one that is gone or has another uid counts as done."""
        ...

    async def read_log(self, namespace: str, name: str, container: str) -> str:
        """The end of a container's log; empty when there is none or no longer one.

        Raises:
            ApiRefusal: also when the kubelet cannot be reached (5xx), which may last as long as its node is away.
        """
        ...

    async def last_output(self, namespace: str, name: str, container: str) -> datetime | None:
        """When the container wrote its last line; None when it has written none, or its log is gone.

        Raises:
            ApiRefusal: also when the kubelet cannot be reached (5xx), which is no proof of silence.
        """
        ...

    async def pod_warnings(self, namespace: str, uid: str) -> list[str]:
        """Messages of the Pod's Warning Events, newest first, each once, at most five; none of the scheduler's."""
        ...

    async def create_event(self, namespace: str, manifest: JSON) -> None:
        """Create an events.k8s.io/v1 Event; one that is already there counts as done."""
        ...

    async def may(self, *, verb: str, group: str, resource: str, subresource: str, namespace: str | None) -> bool:
        """Whether the operator's own account has a permission; `namespace` None asks for the whole cluster."""
        ...

    async def close(self) -> None:
        """Close the connections; calls under way fail."""
        ...
