"""`python -m tests.cluster`: the cluster from a terminal."""

from __future__ import annotations

import argparse
import sys
import time

from . import images, lifecycle, npm, settings
from .errors import ClusterError
from .handle import ClusterHandle, all_logs_tail
from .paths import ClusterPaths
from .record import read_record


def _describe(handle: ClusterHandle) -> str:
    return "\n".join(
        (
            f"export KUBECONFIG={handle.kubeconfig}",
            f"registry   {handle.registry.host} (in Pods), {handle.registry.url} (on the host)",
            f"           login {handle.registry.user} / {handle.registry.password}, CA {handle.paths.ca}",
            f"mirror     {handle.mirror.host}, {handle.mirror.url}",
            f"insecure   {handle.insecure_registry.host}, {handle.insecure_registry.url}",
            f"git        {handle.git.url('public/NAME')}, {handle.git.host_url('public/NAME')}",
        )
    )


def _up() -> None:
    started = time.monotonic()
    handle = lifecycle.up()
    print(f"the cluster is up ({time.monotonic() - started:.0f} s)\n{_describe(handle)}")


def _down() -> None:
    print("the cluster is down" if lifecycle.down() else "no cluster was running")


def _status() -> None:
    record = read_record()
    if record is None:
        print("no cluster")
        return
    state = "up" if record.running else "killed or not complete; the next up or down cleans up"
    print(f"cluster of {record.state}: {state}")
    for process in record.processes:
        print(f"  {process.name:24} {process.pid:8} {'runs' if process.alive else 'DEAD'}")
    handle = lifecycle.running_handle()
    if handle is not None:
        print(_describe(handle))


def _programs() -> None:
    lifecycle.refuse_unless_possible()
    lifecycle.ensure_programs()
    for program in npm.NODE_PROGRAMS:
        npm.install_program(program)


def _images() -> None:
    _programs()
    for name, layout in images.make_all().items():
        print(f"{name:32} {layout}")


def _logs() -> None:
    record = read_record()
    print(all_logs_tail(ClusterPaths(record.state if record else settings.STATE_FOLDER), 40))


COMMANDS = {
    "up": (_up, "start the cluster and leave it running"),
    "down": (_down, "end it and remove what it made"),
    "status": (_status, "what runs, and where"),
    "programs": (_programs, "install packages and build programs only"),
    "images": (_images, "make the base images only"),
    "logs": (_logs, "the end of each process's log"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, explanation) in COMMANDS.items():
        commands.add_parser(name, help=explanation)
    try:
        COMMANDS[parser.parse_args().command][0]()
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
