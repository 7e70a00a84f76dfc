"""Log lines, as JSON or text, that say which build they are about.

The build is taken from the context of the running task, so that no call has to pass it on.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

# kopf reports every event it handles; aiohttp every request. Their warnings are kept.
NOISY: Final = ("kopf", "aiohttp", "asyncio", "kubernetes", "client")

_build: ContextVar[dict[str, Any] | None] = ContextVar("imagebuild_operator_build", default=None)


@contextmanager
def build_log_context(namespace: str, name: str, run: int | None = None) -> Iterator[None]:
    """Every line logged inside, by this task and those it starts, carries the build and, when known, its run."""
    build: dict[str, Any] = {"namespace": namespace, "name": name}
    token = _build.set(build if run is None else {**build, "run": run})
    try:
        yield
    finally:
        _build.reset(token)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the build, and the traceback as `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **(_build.get() or {}),
        }
        if _is_ours(record) and record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """One line for people: time, level, `[namespace/name run 3]` when about a build, message; then the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, and the lines of its traceback."""
        build = _build.get()
        about = ""
        if build is not None:
            run = f" run {build['run']}" if "run" in build else ""
            about = f"[{build['namespace']}/{build['name']}{run}] "
        line = f"{_time(record)} {record.levelname:<7} {about}{record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if _is_ours(record) and record.exc_info else line


def configure_logging(
    *, log_format: Literal["json", "text"], level: str, stream: TextIO | None = None
) -> logging.Handler:
    """Send every log line of the process, warnings included, to one stream in one format.

    Args:
        log_format: `json` or `text`.
        level: the lowest level shown, e.g. INFO; libraries start at WARNING whatever it is.
        stream: standard error by default.

    Returns:
        The only handler of the root logger.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    return handler


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a traceback helps: what the API server answered to kopf is in the message, and no bug."""
    return not (record.exc_info and type(record.exc_info[1]).__module__.startswith("kopf."))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
