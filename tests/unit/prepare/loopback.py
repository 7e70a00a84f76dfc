"""A server of a test on the loopback: what git's and the registry's have in common."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, TypeVar

# True when it has answered the request.
Answer = Callable[[BaseHTTPRequestHandler], bool]


class Server(Protocol):
    """What answers the requests; `port` is set when it is served."""

    port: int

    def handle(self, request: BaseHTTPRequestHandler) -> None: ...


Served = TypeVar("Served", bound=Server)


def reply(
    request: BaseHTTPRequestHandler, status: int, content: bytes = b"", headers: dict[str, str] | None = None
) -> None:
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


class _Listener(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that do not trust it, or speak something else, are part of the tests."""


@contextmanager
def serving(server: Served, certificate: ssl.SSLContext | None = None) -> Iterator[Served]:
    """The server while the block runs; with a certificate it speaks TLS."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.handle(self)

        def do_POST(self) -> None:
            server.handle(self)

        def log_message(self, *arguments: object) -> None:
            """Nothing: the tests look at what was seen instead."""

    http = _Listener(("127.0.0.1", 0), Handler)
    if certificate is not None:
        http.socket = certificate.wrap_socket(http.socket, server_side=True)
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
