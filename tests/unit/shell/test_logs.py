import asyncio
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest

from imagebuild_operator.shell.logs import NOISY, build_log_context, configure_logging

logger = logging.getLogger("imagebuild_operator.test")
Configure = Callable[[Literal["json", "text"], str], io.StringIO]


@pytest.fixture
def configure() -> Iterator[Configure]:
    root = logging.getLogger()
    before = root.level, list(root.handlers), {name: logging.getLogger(name).level for name in NOISY}
    # basicConfig(force=True) closes the handlers it replaces; pytest's must live on.
    root.handlers = []

    def start(log_format: Literal["json", "text"], level: str = "INFO") -> io.StringIO:
        stream = io.StringIO()
        configure_logging(log_format=log_format, level=level, stream=stream)
        return stream

    yield start
    logging.captureWarnings(capture=False)
    root.level, root.handlers, levels = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_carries_the_build_of_its_context(configure: Configure) -> None:
    stream = configure("json", "INFO")
    with build_log_context("shop", "web"):
        logger.info("looking at %s", "it")
        with build_log_context("shop", "web", 3):
            logger.warning("two\nlines, ünd more")
    logger.error("outside")
    first, second, third = lines(stream)
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "info",
        "logger": "imagebuild_operator.test",
        "message": "looking at it",
        "namespace": "shop",
        "name": "web",
    }
    assert (second["run"], second["message"]) == (3, "two\nlines, ünd more")
    assert third.keys() == {"time", "level", "logger", "message"}


def test_a_traceback_stays_in_its_line(configure: Configure) -> None:
    stream = configure("json", "INFO")
    try:
        raise ValueError("boom")
    except ValueError:
        logger.exception("failed")
    [line] = lines(stream)
    assert "ValueError: boom" in line["exception"]


def test_a_text_line_names_the_build(configure: Configure) -> None:
    stream = configure("text", "INFO")
    with build_log_context("shop", "web", 3):
        logger.info("started")
    with build_log_context("shop", "web"):
        logger.info("seen")
    logger.info("alone")
    rests = [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()]
    assert rests == ["INFO    [shop/web run 3] started", "INFO    [shop/web] seen", "INFO    alone"]


async def test_tasks_do_not_mix_their_builds(configure: Configure) -> None:
    stream = configure("json", "INFO")

    async def work(name: str) -> None:
        with build_log_context("shop", name):
            await asyncio.sleep(0)
            logger.info("%s", name)

    await asyncio.gather(*(work(f"build-{number}") for number in range(5)))
    assert all(line["name"] == line["message"] for line in lines(stream))


def test_libraries_are_quiet_until_it_matters(configure: Configure) -> None:
    stream = configure("json", "debug")
    logging.getLogger("kopf.objects").info("noise")
    logging.getLogger("aiohttp.access").info("noise")
    logging.getLogger("kopf.objects").warning("signal")
    logger.debug("ours")
    warnings.warn("old call", DeprecationWarning, stacklevel=1)
    messages = [line["message"] for line in lines(stream)]
    assert messages[:2] == ["signal", "ours"]
    assert "old call" in messages[2]


def test_a_second_configuration_replaces_the_first(configure: Configure) -> None:
    first, second = configure("json", "INFO"), configure("text", "WARNING")
    logger.info("hidden")
    logger.warning("shown")
    assert first.getvalue() == ""
    assert second.getvalue().endswith("WARNING shown\n")


def test_what_the_api_server_answered_to_kopf_is_a_line_and_no_traceback(configure: Configure) -> None:
    error = type("APIClientError", (Exception,), {"__module__": "kopf._cogs.clients.errors"})("410")
    for log_format in ("json", "text"):
        stream = configure(log_format, "INFO")
        logger.error("the watch has failed", exc_info=(type(error), error, None))
        assert len(stream.getvalue().splitlines()) == 1
        assert "APIClientError" not in stream.getvalue()
