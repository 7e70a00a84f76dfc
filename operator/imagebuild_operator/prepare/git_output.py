"""What git prints, read as it comes: much of it are a server's words, which need not end."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

# What git is asked for is read as a whole: a few references, a repository's list of submodules.
OUTPUT_BYTES: Final = 32 * 1024 * 1024
# Of the rest only the end counts: git stops at the error that it tells of.
TAIL_BYTES: Final = 64 * 1024
_CHUNK: Final = 64 * 1024

_SERVERS_LINE: Final = "remote:"
# What follows may have line breaks of the server's; git itself has nothing more to say (pkt-line.c).
_SERVERS_REST: Final = "fatal: remote error: "
# Git's own, but about the server's words, and never why it failed.
_ASIDE: Final = ("warning: ", "hint: ")


class OutputTooLongError(Exception):
    """Git printed more than `OUTPUT_BYTES`."""


class _Tail:
    """The end of a stream that somebody writes."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._cut = False

    def fill(self, stream: IO[bytes]) -> None:
        while chunk := stream.read(_CHUNK):
            self._kept += chunk
            if len(self._kept) > TAIL_BYTES:
                self._cut = True
                del self._kept[:-TAIL_BYTES]

    def text(self) -> str:
        """Whole lines only: half a line may begin within a secret, which nobody would know again."""
        text = self._kept.decode(errors="replace")
        return text.partition("\n")[2] if self._cut else text


@dataclass(frozen=True)
class Printed:
    """How a program ended, what it printed, and the end of what it told besides."""

    status: int
    output: str
    told: str


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Printed:
    """Run a program in a folder to its end, and that of everybody it has started.

    Raises:
        OutputTooLongError: if it prints too much; it is killed then, as it is when anything else goes wrong here.
    """
    tail = _Tail()
    with subprocess.Popen(
        command,
        bufsize=0,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        thread = threading.Thread(target=tail.fill, args=(process.stderr,))
        thread.start()
        try:
            output = _whole(cast("IO[bytes]", process.stdout))
            thread.join()
        except BaseException:
            # Its helpers have the same pipes: those end with the last of them.
            os.killpg(process.pid, signal.SIGKILL)
            thread.join()
            raise
    return Printed(process.returncode, output.decode(errors="replace"), tail.text())


def _whole(stream: IO[bytes]) -> bytearray:
    output = bytearray()
    while chunk := stream.read(_CHUNK):
        output += chunk
        if len(output) > OUTPUT_BYTES:
            raise OutputTooLongError
    return output


def own_and_servers(output: str) -> tuple[list[str], list[str]]:
    """The lines that git or its helpers wrote, and those with the server's words, without what git put before them.

    Over ssh a server's own channel for errors comes as it is; nothing tells that from git's words.
    """
    own: list[str] = []
    servers: list[str] = []
    # Only this one is a line's end for git: a server may use others to begin what looks like a new line.
    for number, line in enumerate(lines := output.split("\n")):
        if line.startswith(_SERVERS_REST):
            servers += [line.removeprefix(_SERVERS_REST), *lines[number + 1 :]]
            break
        if line.startswith(_SERVERS_LINE):
            servers.append(line.removeprefix(_SERVERS_LINE))
        elif not line.startswith(_ASIDE):
            own.append(line)
    return _filled(own), _filled(servers)


def _filled(lines: list[str]) -> list[str]:
    return [stripped for line in lines if (stripped := line.strip())]
