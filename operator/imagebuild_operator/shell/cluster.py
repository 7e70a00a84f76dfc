"""The `Cluster` port over a real API server: which path, selector and precondition each call means."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import aiohttp

from imagebuild_operator.api import names
from imagebuild_operator.shell.connection import APPLY, Connection, Request
from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.pod_logs import end_of_log, first_time
from imagebuild_operator.shell.port import JSON, ApiRefusal, Conflict, Missing

T = TypeVar("T")

BUILDS: Final = f"/apis/{names.API_VERSION}"
CORE: Final = "/api/v1"
EVENTS: Final = "/apis/events.k8s.io/v1"
ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
ACCESS_REVIEW: Final = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}

PAGE: Final = 500
# After the executor has said how it ended, what a step printed may still be on its way through three buffers of 64 KiB.
LOG_LINES: Final = 5000
WARNINGS: Final = 5
# What the scheduler says stands in the Pod's status until a node is found; its Events stay.
UNSCHEDULED: Final = "FailedScheduling"
# The API server waits for a node that is away; a worker has other builds to look after.
LOG_SILENCE_SECONDS: Final = 10.0
EVENT_SILENCE_SECONDS: Final = 5.0

# Suspended builds are among them: a resync finds those that were resumed while nobody was told.
UNFINISHED: Final = ",".join(f"status.phase!={phase}" for phase in names.Phase if phase.finished)
OUR_PODS: Final = f"{names.LABEL_MANAGED_BY}={names.OPERATOR}"


class KubernetesCluster:
    """Implements `port.Cluster`.

    Args:
        connection: to the API server; closed with this.
        namespaces: those that lists cover; none means all.
        page: objects a list asks for at a time.
    """

    def __init__(self, connection: Connection, namespaces: Sequence[str], *, page: int = PAGE) -> None:
        self._connection = connection
        self._namespaces = tuple(namespaces)
        self._page = page

    @classmethod
    async def connect(
        cls,
        environ: Mapping[str, str],
        *,
        namespaces: Sequence[str],
        metrics: Metrics,
        random: Callable[[], float],
    ) -> Self:
        """Connect with the service account or the kubeconfig; `ApiRefusal` with status 0 when there is neither."""
        return cls(await Connection.open(environ, metrics=metrics, random=random), namespaces)

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()

    async def get_build(self, namespace: str, name: str) -> JSON | None:
        """See `port.Cluster`."""
        path = _path(BUILDS, namespace, names.PLURAL, name)
        return await _or_none(self._connection.json(Request("get", names.PLURAL, path, repeatable=True)))

    async def get_pod(self, namespace: str, name: str) -> JSON | None:
        """See `port.Cluster`."""
        path = _path(CORE, namespace, "pods", name)
        return await _or_none(self._connection.json(Request("get", "pods", path, repeatable=True)))

    async def list_unfinished_builds(self) -> tuple[list[JSON], str]:
        """See `port.Cluster`."""
        return await self._list_watched(BUILDS, names.PLURAL, {"fieldSelector": UNFINISHED})

    async def list_build_pods(self) -> tuple[list[JSON], str]:
        """See `port.Cluster`."""
        return await self._list_watched(CORE, "pods", {"labelSelector": OUR_PODS})

    async def write_status(self, *, namespace: str, name: str, uid: str, resource_version: str, status: JSON) -> JSON:
        """See `port.Cluster`: server-side apply of the whole status, so that fields left out are removed."""
        metadata = {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": resource_version}
        request = Request(
            "patch",
            f"{names.PLURAL}/status",
            _path(BUILDS, namespace, names.PLURAL, name, "status"),
            query={"fieldManager": names.FIELD_MANAGER, "force": "true"},
            body={"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "status": status},
            content_type=APPLY,
        )
        return await self._connection.json(request)

    async def create_pod(self, namespace: str, manifest: JSON) -> JSON:
        """See `port.Cluster`; strict: a misspelt member of an affinity or a toleration is refused, not dropped."""
        request = Request(
            "create", "pods", _path(CORE, namespace, "pods"), query={"fieldValidation": "Strict"}, body=manifest
        )
        return await self._connection.json(request)

    async def delete_build(self, *, namespace: str, name: str, uid: str, resource_version: str) -> None:
        """See `port.Cluster`: both preconditions, so that nobody's edit goes with it."""
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        await self._delete(names.PLURAL, _path(BUILDS, namespace, names.PLURAL, name), preconditions)

    async def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        """See `port.Cluster`: the uid precondition keeps a later Pod of the same name alive."""
        await self._delete("pods", _path(CORE, namespace, "pods", name), {"uid": uid})

    async def read_log(self, namespace: str, name: str, container: str) -> str:
        """See `port.Cluster`: the last 5,000 lines, of them the last MiB (`limitBytes` would keep the first)."""
        return await self._log(namespace, name, container, {"tailLines": str(LOG_LINES)}, end_of_log) or ""

    async def last_output(self, namespace: str, name: str, container: str) -> datetime | None:
        """See `port.Cluster`."""
        return await self._log(namespace, name, container, {"tailLines": "1", "timestamps": "true"}, first_time)

    async def pod_warnings(self, namespace: str, uid: str) -> list[str]:
        """See `port.Cluster`."""
        query = {"fieldSelector": f"involvedObject.uid={uid},type=Warning"}
        events, _ = await self._list(_path(CORE, namespace, "events"), "events", query)
        others = (event for event in events if event.get("reason") != UNSCHEDULED)
        newest_first = sorted(others, key=_last_seen, reverse=True)
        messages = (str(event.get("message") or "").strip() for event in newest_first)
        return list(dict.fromkeys(message for message in messages if message))[:WARNINGS]

    async def create_event(self, namespace: str, manifest: JSON) -> None:
        """See `port.Cluster`."""
        path = _path(EVENTS, namespace, "events")
        request = Request("create", "events", path, body=manifest, silence=EVENT_SILENCE_SECONDS)
        try:
            await self._connection.json(request)
        except Conflict:
            return

    async def may(self, *, verb: str, group: str, resource: str, subresource: str, namespace: str | None) -> bool:
        """See `port.Cluster`: a SelfSubjectAccessReview, which changes nothing and so may be repeated."""
        attributes = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": subresource,
            "namespace": namespace or "",
        }
        body = {**ACCESS_REVIEW, "spec": {"resourceAttributes": attributes}}
        request = Request("create", "selfsubjectaccessreviews", ACCESS_REVIEWS, body=body, repeatable=True)
        review = await self._connection.json(request)
        return bool(review.get("status", {}).get("allowed"))

    async def _delete(self, resource: str, path: str, preconditions: JSON) -> None:
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        try:
            await self._connection.json(Request("delete", resource, path, body=options))
        except (Missing, Conflict):
            return

    async def _log(
        self,
        namespace: str,
        name: str,
        container: str,
        query: Mapping[str, str],
        consume: Callable[[aiohttp.ClientResponse], Awaitable[T]],
    ) -> T | None:
        path = _path(CORE, namespace, "pods", name, "log")
        asked = {"container": container, **query}
        request = Request("get", "pods/log", path, query=asked, repeatable=True, silence=LOG_SILENCE_SECONDS)
        try:
            return await self._connection.read(request, consume)
        except Missing:
            return None
        except ApiRefusal as refusal:
            # The API server answers 400 for a container that never started, and when the kubelet dropped its log.
            if refusal.status == 400:
                return None
            raise

    async def _list_watched(self, base: str, resource: str, query: Mapping[str, str]) -> tuple[list[JSON], str]:
        items: list[JSON] = []
        first_version: str | None = None
        for namespace in self._namespaces or (None,):
            found, version = await self._list(_path(base, namespace, resource), resource, query)
            items += found
            first_version = version if first_version is None else first_version
        return items, first_version or ""

    async def _list(self, path: str, resource: str, query: Mapping[str, str]) -> tuple[list[JSON], str]:
        items: list[JSON] = []
        version: str | None = None
        page: dict[str, str] = {"limit": str(self._page)}
        while True:
            request = Request("list", resource, path, query={**query, **page}, repeatable=True)
            try:
                document = await self._connection.json(request)
            except ApiRefusal as refusal:
                if refusal.status != 410 or "continue" not in page:
                    raise
                # The snapshot behind the continue token was compacted; one list without pages cannot expire.
                items, version, page = [], None, {}
                continue
            items += _complete(document)
            metadata: dict[str, Any] = document.get("metadata") or {}
            version = str(metadata.get("resourceVersion", "")) if version is None else version
            if not (token := metadata.get("continue")):
                return items, version
            page = {"limit": str(self._page), "continue": token}


def _complete(document: JSON) -> list[JSON]:
    """The list's items with the apiVersion and kind that core lists leave out of them."""
    kind = str(document.get("kind", "")).removesuffix("List")
    api_version = document.get("apiVersion", "")
    return [{"apiVersion": api_version, "kind": kind, **item} for item in document.get("items") or []]


def _path(base: str, namespace: str | None, *parts: str) -> str:
    place = () if namespace is None else ("namespaces", namespace)
    return "/".join((base, *(quote(part, safe="") for part in (*place, *parts))))


async def _or_none(answer: Awaitable[JSON]) -> JSON | None:
    try:
        return await answer
    except Missing:
        return None


def _last_seen(event: JSON) -> str:
    series = event.get("series") or {}
    metadata = event.get("metadata") or {}
    times = (
        event.get("lastTimestamp"),
        series.get("lastObservedTime"),
        event.get("eventTime"),
        metadata.get("creationTimestamp"),
    )
    # Without the Z, times with and without fractions of a second sort as text.
    return max(str(time).removesuffix("Z") for time in times if time) if any(times) else ""
