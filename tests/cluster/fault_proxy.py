"""A program: an HTTPS server before a registry that passes requests on, or fails those that a file names.

The file is read anew for each request, so a test that writes it decides about the next one. It holds a JSON list of
faults; the first that fits is acted out:

    [{"method": "PUT", "path": "/manifests/", "status": 503, "body": "...", "headers": {}}]
    [{"path": "^/v2/$", "action": "reset"}]

`method` and `path` are regular expressions to be found, `action` is one of `answer` (the default), `reset` (the
connection is cut with an RST), `close` (it is cut in an orderly way) and `hang` (nothing is ever said).
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CHUNK = 1 << 16
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"})
# SO_LINGER with a time of 0 makes close(2) send an RST, see socket(7).
LINGER_NOT = struct.pack("ii", 1, 0)
LONG = 3600


class Proxy(ThreadingHTTPServer):
    """The server; each connection has a thread of its own."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], upstream: tuple[str, int], ca: Path, faults: Path) -> None:
        super().__init__(address, Handler)
        self.upstream = upstream
        self.trust = ssl.create_default_context(cafile=str(ca))
        self.faults = faults

    def fault(self, method: str, path: str) -> dict[str, Any] | None:
        """The fault that this request is to meet, if any."""
        faults: list[dict[str, Any]] = json.loads(self.faults.read_text())
        for fault in faults:
            if re.search(fault.get("method", ""), method) and re.search(fault.get("path", ""), path):
                return fault
        return None


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    server: Proxy
    protocol_version = "HTTP/1.1"

    def handle_request(self) -> None:
        """Fail the request, or pass it on."""
        fault = self.server.fault(self.command, self.path)
        action = fault.get("action", "answer") if fault else "pass"
        if fault is None:
            self._pass_on()
            return
        self.log_message("%s", f"fault: {action} {fault.get('status', '')} for {self.command} {self.path}")
        if action == "answer":
            self._answer(fault)
            return
        if action == "hang":
            time.sleep(LONG)
        if action == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            # The socket below the TLS one is closed as it is: unwrapping it first would say goodbye.
            socket.close(self.connection.detach())
        self.close_connection = True

    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = handle_request  # noqa: N815

    def _answer(self, fault: dict[str, Any]) -> None:
        for _ in self._body():
            pass
        body = fault.get("body", "").encode()
        self.send_response(fault["status"])
        for name, value in ({"Content-Length": str(len(body))} | fault.get("headers", {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _pass_on(self) -> None:
        # The client's own word on the host stays: the registry makes the addresses of uploads from it.
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        upstream = http.client.HTTPSConnection(*self.server.upstream, context=self.server.trust, timeout=60)
        body = b"".join(self._body())
        headers["Content-Length"] = str(len(body))
        try:
            upstream.request(self.command, self.path, body=body, headers=headers)
            answer = upstream.getresponse()
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.end_headers()
            while chunk := answer.read(CHUNK):
                self.wfile.write(chunk)
        finally:
            upstream.close()

    def _body(self) -> Iterator[bytes]:
        """The request's body, whichever way its length is told (RFC 9112, section 6)."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            remaining = int(self.headers.get("Content-Length", 0))
            yield self.rfile.read(remaining)
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass


def serve(proxy: Proxy, certificate: Path, key: Path) -> None:
    """Serve until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    # Shaking hands is left to the connection's own thread, so that a silent client holds up nobody else.
    proxy.socket = context.wrap_socket(proxy.socket, server_side=True, do_handshake_on_connect=False)
    proxy.serve_forever()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", type=_address, required=True)
    parser.add_argument("--upstream", type=_address, required=True)
    for name in ("--ca", "--faults", "--certificate", "--key"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args()
    proxy = Proxy(options.listen, options.upstream, options.ca, options.faults)
    serve(proxy, options.certificate, options.key)


if __name__ == "__main__":
    main()
