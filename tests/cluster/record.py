"""The machine-wide record of the one cluster, and the locks around it."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .locks import locked
from .paths import ClusterPaths
from .process import Process, ProcessTable
from .settings import CACHE_FOLDER, RUN_FOLDER

RECORD = RUN_FOLDER / "cluster.json"


@dataclass
class Record:
    """What `down`, or the next `up`, must know of a cluster; written before each thing it names is made."""

    state: Path
    complete: bool = False
    # Somebody ran `up` for it: no test run takes it down.
    keep: bool = False
    processes: list[Process] = field(default_factory=list)
    sysctls: dict[str, str] = field(default_factory=dict)
    made_folders: list[str] = field(default_factory=list)

    def save(self) -> None:
        RUN_FOLDER.mkdir(parents=True, exist_ok=True)
        scratch = RECORD.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(self), default=str, indent=1))
        scratch.rename(RECORD)

    @property
    def running(self) -> bool:
        """Whether it is whole; one whose state folder was removed under it (`git clean`) is not."""
        return self.complete and not self.dead and ClusterPaths(self.state).kubeconfig.exists()

    @property
    def dead(self) -> list[Process]:
        """Programs of the cluster that are gone; those that a test added may come and go."""
        return [process for process in self.processes if not process.alive and not process.added]

    @property
    def table(self) -> ProcessTable:
        return ProcessTable(self.processes, self.save)


def read_record() -> Record | None:
    """The record of the cluster of this machine, running or not; an unreadable one counts as a killed cluster's."""
    try:
        document = json.loads(RECORD.read_text())
        processes = [Process(**{**each, "log": Path(each["log"])}) for each in document.pop("processes")]
        return Record(**{**document, "state": Path(document["state"]), "processes": processes})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return Record(state=RUN_FOLDER)


def changing(say: Callable[[str], None]) -> contextlib.AbstractContextManager[None]:
    """Let one process at a time start or end the cluster."""
    return locked(CACHE_FOLDER / "cluster.lock", say, "waiting for another process that starts or ends the cluster …")


class Use:
    """Holds the cluster in use, so that whoever started it does not end it under somebody else's tests."""

    def __init__(self) -> None:
        CACHE_FOLDER.mkdir(parents=True, exist_ok=True)
        self._file = (CACHE_FOLDER / "cluster.users").open("w")
        fcntl.flock(self._file, fcntl.LOCK_SH)

    @contextlib.contextmanager
    def ending(self) -> Iterator[bool]:
        """Stop using it; true for the last one, and until the block ends nobody else begins to."""
        with self._file:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
