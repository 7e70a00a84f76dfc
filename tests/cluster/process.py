"""Starts the cluster's long-running programs, each with its own log, and waits until they really serve."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from .errors import ClusterError

TAIL_LINES = 40


def start_time(pid: int) -> str | None:
    """The kernel's start time of a live process: with the pid it names a process for ever, pids alone are reused.

    Field 22 of /proc/PID/stat, see proc(5); the name in field 2 may hold spaces, so fields count from its end.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


@dataclass(frozen=True)
class Process:
    """A program that was started; it outlives the Python process that started it."""

    name: str
    pid: int
    started: str
    log: Path
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    # A test added it: the cluster is whole without it.
    added: bool = False

    @property
    def alive(self) -> bool:
        return start_time(self.pid) == self.started

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The end of the process's log, under its name."""
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            text = "(no log)"
        return f"---- last lines of {self.name} ({self.log}) ----\n" + "\n".join(text.splitlines()[-lines:])

    def stop(self, *, grace: float = 5.0) -> None:
        """Ask the process's group to end, then make it; one that is gone already is fine."""
        for signum, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
            if not self.alive:
                break
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signum)
            wait_until(lambda: not self.alive, patience, pause=0.02)
        self.reap()

    def reap(self) -> None:
        """Let the kernel forget it, if it ended and was started by this Python process."""
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)


def spawn(name: str, command: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None) -> Process:
    """Start a program in a session of its own, so that no Ctrl-C meant for the tests reaches it."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            cwd="/",
        )
    # The children are stopped and reaped through `Process`; Popen would only warn about them when collected.
    child.returncode = 0
    return Process(name, child.pid, start_time(child.pid) or "", log, tuple(command), dict(environment or {}))


class ProcessTable:
    """The programs of one control plane or cluster; lets a test take one away and bring it back."""

    def __init__(self, processes: list[Process], changed: Callable[[], None] = lambda: None) -> None:
        self._processes = processes
        self._changed = changed

    def find(self, name: str) -> Process:
        return next(process for process in self._processes if process.name == name)

    def kill(self, name: str) -> None:
        """End a program at once, as a crash does."""
        self.find(name).stop(grace=0)

    def revive(self, name: str) -> None:
        """Start a program again with what it was started with; waiting for it is the test's business."""
        old = self.find(name)
        new = spawn(name, old.command, old.log, environment=old.environment)
        self._processes[self._processes.index(old)] = replace(new, added=old.added)
        self._changed()

    def add(self, process: Process) -> Process:
        """Take up a program that the cluster is whole without."""
        added = replace(process, added=True)
        self._processes.append(added)
        self._changed()
        return added

    def remove(self, name: str) -> None:
        """End a program that was added, and forget it; one that is not there is fine."""
        for process in [each for each in self._processes if each.name == name and each.added]:
            process.stop(grace=0)
            self._processes.remove(process)
        self._changed()


def wait_until(ready: Callable[[], bool], patience: float, *, pause: float = 0.1) -> bool:
    """Poll until it is so; the answer is whether it became so in time."""
    end = time.monotonic() + patience
    while not ready():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def wait_ready(process: Process, ready: Callable[[], bool], patience: float = 60.0) -> None:
    """Wait for the real service; a process that died or stays silent is shown with the end of its log."""
    gone = False

    def decided() -> bool:
        nonlocal gone
        gone = not process.alive
        return gone or ready()

    in_time = wait_until(decided, patience)
    if gone:
        raise ClusterError(f"{process.name} ended right after its start.\n{process.tail()}")
    if not in_time:
        raise ClusterError(f"{process.name} was not ready within {patience:.0f} s.\n{process.tail()}")
