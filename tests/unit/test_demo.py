"""What the demo leaves to its reader: where to go on, and the logs."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import demo
from tests.cluster import lifecycle
from tests.cluster.paths import ClusterPaths
from tests.cluster.settings import CHECKOUT


def test_the_tutorial_that_it_names_is_there() -> None:
    assert (CHECKOUT / demo.TUTORIAL).is_file()


def test_the_end_of_the_demo_keeps_the_operators_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = ClusterPaths(tmp_path)
    asked: list[tuple[str, ...]] = []

    def kubectl(*arguments: str) -> str:
        asked.append(arguments)
        return "all that it said\n"

    def end(last_look: Callable[[Any], None]) -> bool:
        last_look(SimpleNamespace(paths=paths, kubectl=kubectl))
        return True

    monkeypatch.setattr(lifecycle, "down_ours", end)
    demo.down()
    assert (paths.logs / "operator.log").read_text() == "all that it said\n"
    assert "--tail=-1" in asked[0]
    assert "operator.log" in capsys.readouterr().out


def test_the_end_of_a_demo_that_is_gone_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lifecycle, "down_ours", lambda _: False)
    demo.down()
    assert capsys.readouterr().out == "nothing was running\n"
