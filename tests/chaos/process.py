"""The real operator as a process of its own, which a test may kill, start again and start twice.

When it ends by itself it is started again at once, as a kubelet does with a container; that is counted.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import imagebuild_operator

RESTART_SECONDS: Final = 0.2
SOURCES: Final = Path(imagebuild_operator.__file__).parents[1]
# kopf 1.45 (_cogs/clients/api.py) asserts in a callback that it runs in a task, which no callback does: harmless, and
# seen only when kopf stops while a watch is not answered.
KOPF_STOPPER: Final = "in request_cancel_callback"
SETTINGS: Final = {
    "IMAGEBUILD_OPERATOR_IMAGE": "registry.example.com/imagebuild-operator:test",
    "IMAGEBUILD_HTTP_HOST": "127.0.0.1",
    "IMAGEBUILD_HTTP_PORT": "0",
}


class OperatorProcess:
    """One replica of the operator.

    Args:
        kubeconfig: the cluster, as this replica sees it.
        log: where its lines are kept, those of all its lives.
        settings: variables beside those that every test needs.
    """

    def __init__(self, kubeconfig: Path, log: Path, settings: Mapping[str, str] | None = None) -> None:
        self._log = log
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_")},
            "PYTHONPATH": str(SOURCES),
            "KUBECONFIG": str(kubeconfig),
            "POD_NAME": log.stem,
            **SETTINGS,
            **(settings or {}),
        }
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.kills = 0
        self.exits: list[int] = []

    async def start(self) -> None:
        """Start it, and keep it running until `stop`."""
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    async def kill(self) -> None:
        """SIGKILL, wherever it is; a new process follows."""
        self.kills += 1
        await self._kill()

    async def end(self) -> None:
        """SIGKILL, and no new process; nothing to do when it was ended already."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None
            await self._kill()

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged; a line that is no JSON, such as one of a traceback on stderr, as `stderr`."""
        return [_parsed(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    def faults(self) -> list[str]:
        """Every traceback in its log, which holds none when all is well."""
        told = [str(line.get("exception") or line.get("stderr") or "") for line in self.lines()]
        return [text for text in told if text and KOPF_STOPPER not in text]

    async def _kill(self) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _spawn(self) -> None:
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "imagebuild_operator",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment,
                cwd="/",
            )

    async def _keep(self) -> None:
        while True:
            assert self._process is not None
            before = self.kills
            code = await self._process.wait()
            if self.kills == before:
                self.exits.append(code)
            await asyncio.sleep(RESTART_SECONDS)
            await self._spawn()


def _parsed(line: str) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError:
        return {"stderr": line}
    return document if isinstance(document, dict) else {"stderr": line}
