"""One request to the API server at a time: authenticated, bounded in time, counted, its refusals made our own.

The only module that imports the Kubernetes client, and of that only configuration, authentication and the HTTP
session: bodies are raw JSON both ways (its generated models refuse Pods they do not know in full).
"""

import asyncio
import json
import logging
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.config import incluster_config

from imagebuild_operator.api import names
from imagebuild_operator.shell.metrics import Metrics
from imagebuild_operator.shell.port import JSON, ApiRefusal, Conflict, Missing

logger = logging.getLogger(__name__)

T = TypeVar("T")

POOL_CONNECTIONS: Final = 32
TIMEOUT_SECONDS: Final = 30.0
TRIES: Final = 4
FIRST_DELAY_SECONDS: Final = 0.2
# A server that asks for more patience than this is told to the caller, whose work queue can wait without a worker.
LONGEST_DELAY_SECONDS: Final = 5.0
MESSAGE_CHARACTERS: Final = 1024

APPLY: Final = "application/apply-patch+yaml"
# What YAML takes as an escape only (its specification, 5.1), beside what JSON escapes anyway.
_ESCAPED_IN_YAML: Final = re.compile("[\x7f-\x9f\ufeff\ufffe\uffff]")


@dataclass(frozen=True)
class Request:
    """One API request.

    Args:
        verb: the Kubernetes verb, for metrics: get, list, create, patch, delete.
        resource: plural and subresource, for metrics, e.g. `pods/log`.
        path: below the server's address, its parts already quoted.
        body: the JSON document to send.
        content_type: of the body.
        repeatable: whether a second one does no harm; only those are tried again here.
        silence: seconds in which the server may say nothing, and after which there is no further try; None for no
            other limit than that of each try.
    """

    verb: str
    resource: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: JSON | None = None
    content_type: str = "application/json"
    repeatable: bool = False
    silence: float | None = None

    @property
    def method(self) -> str:
        """The HTTP method of the verb."""
        return {"create": "POST", "patch": "PATCH", "delete": "DELETE"}.get(self.verb, "GET")

    @property
    def patience(self) -> float:
        """Seconds after which there is no further try."""
        return math.inf if self.silence is None else self.silence


class Connection:
    """A pool of connections to one API server.

    Args:
        configuration: server, certificates and credentials.
        metrics: told about every try.
        random: numbers in [0, 1) for the jitter between tries.
        timeout: seconds one try may take, the answer's body included.
        first_delay: seconds before the second try, doubled for each further one.
    """

    def __init__(
        self,
        configuration: client.Configuration,
        *,
        metrics: Metrics,
        random: Callable[[], float],
        timeout: float = TIMEOUT_SECONDS,
        first_delay: float = FIRST_DELAY_SECONDS,
    ) -> None:
        configuration.connection_pool_maxsize = POOL_CONNECTIONS
        self._client = client.ApiClient(configuration)
        self._client.user_agent = names.OPERATOR
        self._metrics = metrics
        self._random = random
        self._timeout = timeout
        self._first_delay = first_delay

    @classmethod
    async def open(cls, environ: Mapping[str, str], *, metrics: Metrics, random: Callable[[], float]) -> Self:
        """Connect as kopf does, so that both always speak to the same cluster: the service account, else KUBECONFIG.

        Raises:
            ApiRefusal: with status 0 when there is neither.
        """
        return cls(await _configuration(environ), metrics=metrics, random=random)

    async def json(self, request: Request) -> JSON:
        """The answer's JSON object.

        Raises:
            ApiRefusal: `Conflict`, `Missing` or another refusal; status 0 without an answer.
        """
        return await self.read(request, _json)

    async def read(self, request: Request, consume: Callable[[aiohttp.ClientResponse], Awaitable[T]]) -> T:
        """What `consume` makes of a successful answer; a repeatable request is tried up to four times."""
        started, tries = time.monotonic(), TRIES if request.repeatable else 1
        for number in range(tries):
            try:
                return await self._try(request, consume)
            except ApiRefusal as refusal:
                delay = self._delay(refusal, number)
                if delay is None or number == tries - 1 or time.monotonic() - started >= request.patience:
                    raise
                logger.debug("%s %s: %s; again in %.1f s", request.verb, request.resource, refusal, delay)
            await asyncio.sleep(delay)
        raise AssertionError("unreachable: the last try returns or raises")

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    def _delay(self, refusal: ApiRefusal, number: int) -> float | None:
        if refusal.status not in (0, 429) and refusal.status < 500:
            return None
        if refusal.retry_after is not None:
            delay = refusal.retry_after * (1 + self._random() / 4)
        else:
            delay = self._first_delay * float(2**number) * (0.5 + self._random())
        return delay if delay <= LONGEST_DELAY_SECONDS else None

    async def _try(self, request: Request, consume: Callable[[aiohttp.ClientResponse], Awaitable[T]]) -> T:
        code: int | None = None
        started = time.monotonic()
        try:
            response = await self._send(request)
            async with response:
                code = response.status
                if response.ok:
                    return await consume(response)
                raise _refusal(response, await response.read())
        except (aiohttp.ClientError, OSError, ValueError, client.OpenApiException, config.ConfigException) as error:
            # TimeoutError is an OSError; ConfigException: the token file cannot be read just now.
            code = None
            raise ApiRefusal(status=0, reason=type(error).__name__, message=_words(error)) from error
        finally:
            seconds = time.monotonic() - started
            self._metrics.request_ended(verb=request.verb, resource=request.resource, code=code, seconds=seconds)

    async def _send(self, request: Request) -> aiohttp.ClientResponse:
        content_type, document = _encoded(request)
        method, url, headers, body, _ = await self._client.param_serialize(
            method=request.method,
            resource_path=request.path,
            query_params=list(request.query.items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=document,
            auth_settings=["BearerToken"],
        )
        timeout = aiohttp.ClientTimeout(total=self._timeout, connect=request.silence, sock_read=request.silence)
        answer = await self._client.call_api(method, url, header_params=headers, body=body, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response


async def _configuration(environ: Mapping[str, str]) -> client.Configuration:
    configuration = client.Configuration()
    try:
        service_account = incluster_config.InClusterConfigLoader(  # type: ignore[no-untyped-call]
            token_filename=incluster_config.SERVICE_TOKEN_FILENAME,
            cert_filename=incluster_config.SERVICE_CERT_FILENAME,
            environ=environ,
        )
        service_account.load_and_set(configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException as inside:
        path = environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        try:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                path, client_configuration=configuration, persist_config=False
            )
        except config.ConfigException as outside:
            message = f"no service account ({inside}) and no usable kubeconfig at {path} ({outside})"
            raise ApiRefusal(status=0, reason="NoConfiguration", message=message) from outside
    return configuration


def _encoded(request: Request) -> tuple[str, JSON | bytes | None]:
    """Content type and body as the client wants them.

    It would write an applied document as ASCII JSON, where an emoji is a pair of escapes, which YAML refuses (400,
    "invalid Unicode character escape code"). Bytes of a content type it does not know, it leaves alone.
    """
    if request.body is None or request.content_type != APPLY:
        return request.content_type, request.body
    text = json.dumps(request.body, ensure_ascii=False)
    text = _ESCAPED_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return f"{APPLY}; charset=utf-8", text.encode(errors="replace")


async def _json(response: aiohttp.ClientResponse) -> JSON:
    document = json.loads(await response.read())
    if not isinstance(document, dict):
        raise ValueError(f"expected a JSON object, got {type(document).__name__}")
    return document


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> ApiRefusal:
    text = body.decode(errors="replace")
    status: dict[str, Any] = {}
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict) and document.get("kind") == "Status":
        status = document
    message = str(status.get("message") or text.strip() or response.reason or "")[:MESSAGE_CHARACTERS]
    reason = str(status.get("reason") or response.reason or "Unknown")
    wait = response.headers.get("Retry-After", "")
    kind = {404: Missing, 409: Conflict}.get(response.status, ApiRefusal)
    return kind(
        status=response.status, reason=reason, message=message, retry_after=float(wait) if wait.isdecimal() else None
    )


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
