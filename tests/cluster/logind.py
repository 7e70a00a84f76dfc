"""systemd-logind, as far as a kubelet asks it: how a node learns that its machine shuts down.

The bus and the one service on it in a thread, so that a test can announce a shutdown of a node while the machine stays.
See the D-Bus Specification ("Message Protocol", "Authentication Protocol"), the page "Inhibitor Locks" of systemd, and
what the kubelet calls (kubernetes, pkg/kubelet/nodeshutdown/systemd/inhibit_linux.go).
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path

from .errors import ClusterError

# How long the kubelet may delay a shutdown: more than its own grace period, or it would rewrite logind's configuration.
INHIBIT_DELAY_SECONDS = 30
_REPLY, _SIGNAL = 2, 4
_PATH, _INTERFACE, _MEMBER, _REPLY_SERIAL, _SENDER, _SIGNATURE, _FDS = 1, 2, 3, 5, 7, 8, 9
_FIXED = 16
_GUID = b"0" * 32

Field = tuple[int, str, bytes]


class Logind:
    """Announces shutdowns to everyone who asked, and knows who delays them."""

    def __init__(self, address: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(address))
        self._listener.listen()
        self._clients: list[socket.socket] = []
        # The ends of pipes whose other ends the delaying programs hold.
        self._locks: list[int] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def shut_down(self) -> None:
        """Announce that the machine shuts down, and wait until nobody delays that any more."""
        if not self._locks:
            raise ClusterError("Nobody wants to know of a shutdown.")
        self._announce(going=True)
        while self._locks:
            lock = self._locks.pop()
            released, _, _ = select.select([lock], [], [], INHIBIT_DELAY_SECONDS)
            os.close(lock)
            if not released:
                raise ClusterError("The shutdown is delayed for longer than that is allowed.")

    def call_off(self) -> None:
        """Announce that it does not shut down after all."""
        self._announce(going=False)

    def close(self) -> None:
        """Leave the bus; it has no more clients then."""
        for each in (self._listener, *self._clients):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for lock in self._locks:
            os.close(lock)

    def _announce(self, *, going: bool) -> None:
        fields = (
            (_PATH, "o", _text("/org/freedesktop/login1")),
            (_INTERFACE, "s", _text("org.freedesktop.login1.Manager")),
            (_MEMBER, "s", _text("PrepareForShutdown")),
            (_SENDER, "s", _text(":1.0")),
            (_SIGNATURE, "g", _signature("b")),
        )
        for client in self._clients:
            # One that was killed has gone without a word.
            with contextlib.suppress(OSError):
                client.sendall(_message(_SIGNAL, fields, struct.pack("<I", going)))

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client.makefile("rb") as stream:
            _welcome(client, stream)
            self._clients.append(client)
            while len(fixed := stream.read(_FIXED)) == _FIXED:
                body, serial, header = struct.unpack("<4xIII", fixed)
                member = _member(stream.read(header + -header % 8), header)
                stream.read(body)
                self._answer(client, member, serial)

    def _answer(self, client: socket.socket, member: str, serial: int) -> None:
        to: Field = (_REPLY_SERIAL, "u", struct.pack("<I", serial))
        match member:
            case "Hello":
                client.sendall(_message(_REPLY, (to, (_SIGNATURE, "g", _signature("s"))), _text(":1.1")))
            case "Get":
                delay = _aligned(_signature("t"), 8) + struct.pack("<Q", INHIBIT_DELAY_SECONDS * 10**6)
                client.sendall(_message(_REPLY, (to, (_SIGNATURE, "g", _signature("v"))), delay))
            case "Inhibit":
                ours, theirs = os.pipe()
                fields = (to, (_SIGNATURE, "g", _signature("h")), (_FDS, "u", struct.pack("<I", 1)))
                socket.send_fds(client, [_message(_REPLY, fields, struct.pack("<I", 0))], [theirs])
                os.close(theirs)
                self._locks.append(ours)
            case _:
                client.sendall(_message(_REPLY, (to,)))


@contextlib.contextmanager
def logind(address: Path) -> Iterator[Logind]:
    """The service at a socket while the block runs; a kubelet looks for it only when it starts."""
    address.unlink(missing_ok=True)
    service = Logind(address)
    try:
        yield service
    finally:
        service.close()
        address.unlink(missing_ok=True)


def _welcome(client: socket.socket, stream: BufferedReader) -> None:
    """Let in whoever comes."""
    answers = {b"AUTH": b"REJECTED EXTERNAL", b"NEGOTIATE_UNIX_FD": b"AGREE_UNIX_FD"}
    stream.read(1)
    while (line := stream.readline().strip()) not in (b"", b"BEGIN"):
        client.sendall(answers.get(line, b"OK " + _GUID) + b"\r\n")


def _member(header: bytes, length: int) -> str:
    """The name of the method that a message calls."""
    at, found = 0, ""
    while at < length:
        at += -at % 8
        code, kind = header[at], header[at + 2]
        # Behind the signature of one letter comes the value: text, another signature, or a number.
        at += 4
        if kind == ord("g"):
            at += header[at] + 2
            continue
        at += -at % 4
        (number,) = struct.unpack_from("<I", header, at)
        at += 4
        if kind != ord("u"):
            if code == _MEMBER:
                found = header[at : at + number].decode()
            at += number + 1
    return found


def _message(kind: int, fields: Sequence[Field], body: bytes = b"") -> bytes:
    array = b""
    for code, signature, value in fields:
        array = _aligned(array, 8) + bytes([code]) + _signature(signature)
        array = _aligned(array, 1 if signature == "g" else 4) + value
    # Nobody asks what serial number an answer has, but 0 is not allowed.
    head = struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), 1, len(array))
    return _aligned(head + array, 8) + body


def _text(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode() + b"\0"


def _signature(text: str) -> bytes:
    return bytes([len(text)]) + text.encode() + b"\0"


def _aligned(data: bytes, to: int) -> bytes:
    return data + bytes(-len(data) % to)
