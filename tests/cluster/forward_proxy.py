"""A program: a proxy for https, which tells of each host that it is asked for.

It speaks CONNECT alone (RFC 9110, section 9.3.6), so it sees names and ports and nothing else. A line of its output is
such a request; it is a copy of what was asked for, as in `CONNECT git.imb.test:15443`.
"""

from __future__ import annotations

import argparse
import selectors
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHUNK = 1 << 16
SILENCE_SECONDS = 300
CONNECT_SECONDS = 15


class Handler(BaseHTTPRequestHandler):
    """One connection of a client; anything but CONNECT is answered with 501."""

    def do_CONNECT(self) -> None:
        print("CONNECT", self.path, flush=True)
        host, _, port = self.path.rpartition(":")
        try:
            server = socket.create_connection((host, int(port)), CONNECT_SECONDS)
        except OSError as error:
            self.send_error(502, str(error))
            return
        with server:
            self.send_response_only(200)
            self.end_headers()
            pass_on(self.connection, server)
        self.close_connection = True

    def log_message(self, *_arguments: object) -> None:
        """Nothing: what is asked for is told above."""


def pass_on(client: socket.socket, server: socket.socket) -> None:
    """Copy bytes both ways until one side has ended, or both are silent for long."""
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ, server)
        selector.register(server, selectors.EVENT_READ, client)
        while ready := selector.select(SILENCE_SECONDS):
            for key, _ in ready:
                other: socket.socket = key.data
                source = client if other is server else server
                if not (content := source.recv(CHUNK)):
                    return
                other.sendall(content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    server = ThreadingHTTPServer((options.host, options.port), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
