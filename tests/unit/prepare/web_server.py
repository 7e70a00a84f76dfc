"""A web server on the loopback, with TLS or without, that answers as a test says."""

import base64
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.cluster.certificates import KeyPair

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Asked:
    """One request that came in."""

    path: str
    headers: Mapping[str, str]

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")


@dataclass
class WebServer:
    """What it answers by path, and what it was asked; any other path is not found."""

    scheme: str
    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def url(self, path: str = "/web.tgz", host: str = "localhost") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


class Listener(ThreadingHTTPServer):
    """Takes the connections; clients that do not trust it, or have enough, are no errors."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ssl.SSLError | ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def serving(pair: KeyPair | None = None) -> Iterator[WebServer]:
    """A server while the block runs; with a certificate it speaks TLS."""
    server = WebServer("http" if pair is None else "https")

    class Handler(BaseHTTPRequestHandler):
        # One that hangs must not hold the test.
        timeout = 30

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.asked.append(Asked(self.path, headers))
            server.answers.get(self.path.partition("?")[0], status(404))(self)

        def log_message(self, *_arguments: object) -> None:
            pass

    with Listener(("127.0.0.1", 0), Handler) as listener:
        server.port = listener.server_address[1]
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate, pair.key)
            # The handshake belongs into the thread of its connection.
            listener.socket = context.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


def file(content: bytes, **headers: str) -> Answer:
    """The file; `Content_Encoding="gzip"` adds a header."""
    return lambda handler: _send(handler, 200, content, {key.replace("_", "-"): to for key, to in headers.items()})


def status(code: int, **headers: str) -> Answer:
    """No file, but a body that must not be mistaken for one."""
    named = {key.replace("_", "-"): to for key, to in headers.items()}
    return lambda handler: _send(handler, code, b"these words may repeat your password", named)


def redirect(to: str, code: int = 302) -> Answer:
    return status(code, Location=to)


def guarded(content: bytes, authorization: str) -> Answer:
    """The file for those who have the login, 401 for others."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        known = handler.headers.get("Authorization") == authorization
        (file(content) if known else status(401, WWW_Authenticate='Basic realm="files"'))(handler)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """One after the other, the last one for ever."""
    left = list(answers)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        current = left.pop(0) if len(left) > 1 else left[0]
        current(handler)

    return answer


def cut(content: bytes) -> Answer:
    """Half of the file, then nothing more."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])
        handler.close_connection = True

    return answer


def silent(until: threading.Event, content: bytes = b"") -> Answer:
    """A beginning, and silence until the test has what it wants."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(content)
        handler.wfile.flush()
        until.wait(30)

    return answer


def basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def _send(handler: BaseHTTPRequestHandler, code: int, content: bytes, headers: Mapping[str, str]) -> None:
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
