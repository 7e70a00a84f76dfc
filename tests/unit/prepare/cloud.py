"""A cloud on the loopback: answers by path, and keeps what it was asked."""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from imagebuild_operator.pod.source_plans import SourceSecret
from tests.cluster.certificates import KeyPair

LAST_MODIFIED = "Sat, 21 Nov 2026 12:00:00 GMT"


@dataclass(frozen=True)
class Asked:
    """A request: its path without the query, its headers in lower case, its body."""

    path: str
    headers: Mapping[str, str]
    body: str


@dataclass
class Cloud:
    """`answers` is status and body by path; everything else is not found."""

    url: str
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def last(self, path: str) -> Asked:
        """The last request for a path."""
        return [asked for asked in self.asked if asked.path == path][-1]


def mounted_keys(folder: Path, values: Mapping[str, str | bytes]) -> SourceSecret:
    """A Secret with these keys, as the kubelet mounts it."""
    folder.mkdir(exist_ok=True)
    for name, content in values.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return SourceSecret(secret="store-keys", folder=folder)


@contextmanager
def cloud(tls: KeyPair | None = None) -> Iterator[Cloud]:
    """One that serves while the block runs, over TLS if it has a certificate."""
    made = Cloud("")

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            path = unquote(self.path.partition("?")[0])
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            made.asked.append(Asked(path, {name.lower(): value for name, value in self.headers.items()}, body))
            status, content = made.answers.get(path, (404, b"not found"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            # Without these two the library takes no answer for an object.
            self.send_header("Last-Modified", LAST_MODIFIED)
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = _answer  # noqa: N815 - the standard library's names

        def log_message(self, *_arguments: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    made.url = f"{'https' if tls else 'http'}://localhost:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def speaking(said: str, *, hang_up: bool = False) -> Iterator[str]:
    """The address of a server that says this to everybody, whatever the question, and then nothing more."""
    held: list[socket.socket] = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            held.append(connection)
            connection.recv(65536)
            connection.sendall(said.encode())
            if hang_up:
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"http://localhost:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()
