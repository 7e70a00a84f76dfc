"""What git prints, read as it comes: much of it are a server's words, which need not end."""

import subprocess
import threading
from typing import IO, Final

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


def printed(process: subprocess.Popen[bytes]) -> tuple[str, str]:
    """What a process prints, and the end of what it tells besides; returns when it has closed both.

    The pipes must be without buffers. A process that prints too much is killed.

    Raises:
        OutputTooLongError: if so.
        ValueError: if there are no pipes.
    """
    if process.stdout is None or process.stderr is None:
        raise ValueError("both channels must be pipes")
    tail = _Tail()
    thread = threading.Thread(target=tail.fill, args=(process.stderr,))
    thread.start()
    output = bytearray()
    try:
        while chunk := process.stdout.read(_CHUNK):
            output += chunk
            if len(output) > OUTPUT_BYTES:
                process.kill()
                raise OutputTooLongError
    finally:
        process.stdout.close()
        thread.join()
    return output.decode(errors="replace"), tail.text()


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
