"""One cluster a machine: start it, find it running, end it, clean up after one that was killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import cgroups, images, network, packages, programs, settings
from .errors import ClusterError
from .handle import ClusterHandle
from .paths import ClusterPaths
from .programs import Say, say_on_stdout
from .record import RECORD, Record, Use, changing, read_record
from .start import Starter, handle_of

HOW_TO_END = "`make cluster-down` (or `python -m tests.cluster down`) ends it"


def refuse_unless_possible() -> None:
    """Say what is missing that we cannot install ourselves."""
    if not sys.platform.startswith("linux") or shutil.which("dpkg-query") is None:
        raise ClusterError("The cluster is made for Debian 12 (it installs Debian packages): run it on such a machine.")
    if os.geteuid() != 0:
        raise ClusterError("The cluster needs root (namespaces, mounts, cgroups): run the command with sudo.")


def refuse_unfit_disk() -> None:
    """Containerd's overlayfs cannot lie upon another overlayfs, as in a container's own file system."""
    folder = settings.DATA_FOLDER
    folder.parent.mkdir(parents=True, exist_ok=True)
    kind = subprocess.run(
        ["stat", "--file-system", "--format=%T", str(folder if folder.is_dir() else folder.parent)],
        capture_output=True,
        text=True,
    )
    if kind.stdout.strip() == "overlayfs":
        raise ClusterError(f"{folder} is on an overlayfs, which containers cannot use: mount a disk or a tmpfs there.")


def ensure_programs(say: Say = say_on_stdout) -> None:
    """Install packages and build programs: minutes the first time, nothing afterwards."""
    if not all(family.binaries.is_dir() for family in programs.FAMILIES):
        programs.go_command()
    packages.install_missing(say)
    programs.build_all(say=say)


def running_handle() -> ClusterHandle | None:
    """The cluster that runs on this machine, if it is whole."""
    record = read_record()
    if record is None or not record.running:
        return None
    return handle_of(record)


def up(*, state: Path = settings.STATE_FOLDER, keep: bool = True, say: Say = say_on_stdout) -> ClusterHandle:
    """Start the cluster, or return the one that runs; `keep` protects it from the end of test runs."""
    refuse_unless_possible()
    with changing(say):
        record = read_record()
        if record is not None and record.running:
            return _adopt(record, state, keep=keep)
        # After a reboot the record and the processes are gone, but what is on disk is not.
        if record is not None or cgroups.processes() or settings.DATA_FOLDER.exists():
            say("cleaning up what a killed cluster left …")
            _tell_what_died(record, say)
            _clean(record)
        ensure_programs(say)
        made = images.make_all(say)
        refuse_unfit_disk()
        network.refuse_foreign_networks()
        say("starting the cluster …")
        return _start(Record(state=state, keep=keep), made)


def _tell_what_died(record: Record | None, say: Say) -> None:
    """Show why, if programs of a cluster ended by themselves; when all are gone, somebody killed it."""
    if record is not None and record.complete and len(record.dead) < len(record.processes):
        for process in record.dead:
            say(f"{process.name} had ended.\n{process.tail()}")


def _adopt(record: Record, state: Path, *, keep: bool) -> ClusterHandle:
    if record.state != state:
        raise ClusterError(
            f"A cluster with the state folder {record.state} runs, and a machine can have one only: "
            f"{HOW_TO_END}, run in its checkout."
        )
    if keep and not record.keep:
        record.keep = True
        record.save()
    return handle_of(record)


def _start(record: Record, made: dict[str, Path]) -> ClusterHandle:
    try:
        handle = Starter(record).start(made)
        record.complete = True
        record.save()
    except BaseException as error:
        tails = "\n".join(process.tail() for process in record.dead)
        _clean(record)
        if isinstance(error, ClusterError) and tails and tails not in str(error):
            raise ClusterError(f"{error}\n{tails}") from error
        raise
    return handle


def down(say: Say = say_on_stdout) -> bool:
    """End the cluster and remove what it made, the logs in the state folder excepted; false if there was none."""
    refuse_unless_possible()
    with changing(say):
        return _end()


def down_ours(
    last_look: Callable[[ClusterHandle], None], *, state: Path = settings.STATE_FOLDER, say: Say = say_on_stdout
) -> bool:
    """`down`, but only of the checkout's own cluster, and not under anybody's tests.

    Args:
        last_look: called with the cluster before it ends, if it runs.
        state: the checkout's state folder.
        say: takes what there is to tell meanwhile.

    Raises:
        ClusterError: it is not ours to end.
    """
    refuse_unless_possible()
    with Use().ending() as last:
        if not last:
            raise ClusterError(
                f"Tests use the cluster, or start it: try again when they have ended. {HOW_TO_END} all the same."
            )
        with changing(say):
            record = read_record()
            if record is not None and record.running:
                if record.state != state:
                    raise ClusterError(
                        f"The cluster that runs is another checkout's, with the state folder {record.state}: run "
                        f"`make demo-down` there. {HOW_TO_END} from any checkout."
                    )
                last_look(handle_of(record))
            return _end()


def _end() -> bool:
    record = read_record()
    was_there = record is not None or bool(cgroups.processes())
    _clean(record)
    return was_there


def _clean(record: Record | None) -> None:
    if not cgroups.kill_all():
        raise ClusterError(f"These processes of the cluster cannot be killed: {sorted(cgroups.processes())}")
    for process in record.processes if record is not None else ():
        process.reap()
    network.leave()
    stuck = cgroups.remove()
    if record is not None:
        network.restore_sysctls(record.sysctls)
        _remove_folders(record)
    shutil.rmtree(settings.DATA_FOLDER, ignore_errors=True)
    shutil.rmtree(settings.RUN_FOLDER, ignore_errors=True)
    if stuck or RECORD.exists():
        raise ClusterError(f"Could not remove {', '.join(map(str, stuck)) or RECORD}.")


def _remove_folders(record: Record) -> None:
    """Remove the empty mount points we made on the host, and the state folder's files but for the logs."""
    for mount_point in record.made_folders:
        with suppress(OSError):
            Path(mount_point).rmdir()
    if record.state == settings.RUN_FOLDER:
        return
    paths = ClusterPaths(record.state)
    for folder in (paths.pki, paths.config, paths.etcd, paths.registry, paths.git):
        shutil.rmtree(folder, ignore_errors=True)
    paths.kubeconfig.unlink(missing_ok=True)


@contextmanager
def running_cluster(*, state: Path = settings.STATE_FOLDER, say: Say = say_on_stdout) -> Iterator[ClusterHandle]:
    """The running cluster, started if need be; its last user ends it, unless somebody ran `up` for it."""
    use = Use()
    try:
        yield up(state=state, keep=False, say=say)
    finally:
        with use.ending() as last:
            record = read_record()
            if last and record is not None and not record.keep:
                down(say)
