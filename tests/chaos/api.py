"""The way to the API server that no fault disturbs: for the kubelet, the observer and the users of the scenario."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, Self
from urllib.parse import urlencode

import aiohttp

from imagebuild_operator.api import names
from tests.cluster.handle import ApiHandle

JSON = dict[str, Any]

BUILDS: Final = f"/apis/{names.API_VERSION}"
OUR_PODS: Final = f"{names.LABEL_MANAGED_BY}={names.OPERATOR}"
MERGE: Final = "application/merge-patch+json"
PAUSE_SECONDS: Final = 0.05


def builds_path(namespace: str, name: str = "", part: str = "") -> str:
    """The path of an ImageBuild, of its subresource, or of all in a namespace."""
    return "/".join(filter(None, (f"{BUILDS}/namespaces/{namespace}/{names.PLURAL}", name, part)))


def pods_path(namespace: str, name: str = "", part: str = "") -> str:
    """The path of a Pod, of its subresource, or of all in a namespace."""
    return "/".join(filter(None, (f"/api/v1/namespaces/{namespace}/pods", name, part)))


class Refused(Exception):  # noqa: N818  an answer, which most callers expect
    """The API server answered with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """The administrator's connection."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session

    @classmethod
    @asynccontextmanager
    async def connect(cls, handle: ApiHandle) -> AsyncIterator[Self]:
        """Open connections as needed, and close them in the end."""
        connector = aiohttp.TCPConnector(ssl=handle.trust(), limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        # Answers are passed on as they come, so none may be compressed unless the operator asked for it.
        plain = {"Accept-Encoding", "User-Agent"}
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, skip_auto_headers=plain) as session:
            yield cls(handle.url, session)

    async def send(self, method: str, path: str, body: JSON | None = None, content_type: str = "") -> JSON:
        """One request; raises `Refused`."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type or "application/json", "Accept": "application/json"}
        async with self.session.request(method, self.url + path, data=data, headers=headers) as response:
            document: JSON = json.loads(await response.read())
            if not response.ok:
                raise Refused(response.status, str(document.get("message")))
            return document

    async def create(self, path: str, body: JSON) -> JSON:
        """POST a document."""
        return await self.send("POST", path, body)

    async def merge(self, path: str, changes: JSON) -> JSON:
        """PATCH members of an object."""
        return await self.send("PATCH", path, changes, MERGE)

    async def list(self, path: str, **query: str) -> JSON:
        """GET a list, in one piece."""
        return await self.send("GET", f"{path}?{urlencode(query)}")

    async def watch(self, path: str, **query: str) -> AsyncIterator[tuple[str, JSON]]:
        """Every object as `ADDED`, then every change, in their order and without a gap, for ever.

        Raises:
            Refused: the API server cannot go on from where a stream was cut, so something would be missed.
        """
        listed = await self.list(path, **query)
        version = str(listed["metadata"]["resourceVersion"])
        for item in listed["items"]:
            yield "ADDED", item
        while True:
            async for kind, item in self._stream(path, {**query, "watch": "true", "resourceVersion": version}):
                if kind == "ERROR":
                    raise Refused(int(item.get("code", 0)), str(item.get("message")))
                version = str(item["metadata"]["resourceVersion"])
                yield kind, item
            await asyncio.sleep(PAUSE_SECONDS)

    async def _stream(self, path: str, query: dict[str, str]) -> AsyncIterator[tuple[str, JSON]]:
        async with self.session.get(f"{self.url}{path}?{urlencode(query)}") as response:
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for event in _events(lines):
                    yield event


def _events(lines: list[bytes]) -> Iterator[tuple[str, JSON]]:
    for line in lines:
        document = json.loads(line)
        yield str(document["type"]), document["object"]
