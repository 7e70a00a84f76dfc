"""The outline of a Dockerfile in the termination message: there when it fits, and never in the way."""

import json
import os
from pathlib import Path

import pytest

from imagebuild_operator.pod.outline import decode, encode, key_of
from imagebuild_operator.pod.plan import Plan
from imagebuild_operator.pod.prepared import Prepared, parse_result
from imagebuild_operator.pod.source_plans import ConfigMapPlan
from imagebuild_operator.prepare import result
from imagebuild_operator.prepare.__main__ import carry_out
from imagebuild_operator.prepare.dockerfile import DOCKERFILE_BYTES, outline_of
from imagebuild_operator.prepare.result import MESSAGE_BYTES


def test_a_source_that_was_fetched_is_outlined(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given/Dockerfile").write_text("FROM a\n\nRUN true\n")
    plan = Plan(
        context=tmp_path / "context",
        scratch=tmp_path / "scratch",
        dockerfile=tmp_path / "context/Dockerfile",
        source=ConfigMapPlan(name="files", folder=tmp_path / "given"),
    )
    prepared = carry_out(plan)
    assert isinstance(prepared, Prepared)
    read = parse_result(result.encode(prepared))
    assert isinstance(read, Prepared)
    assert [(mark.line, mark.key) for mark in decode(read.outline)] == [(1, key_of("a")), (3, key_of("RUN true"))]


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    assert outline_of(None) == outline_of(file) == outline_of(tmp_path) == ""
    (tmp_path / "other").write_text("FROM a\n")
    file.symlink_to(tmp_path / "other")
    assert outline_of(file) == "", "it might lead anywhere"
    file.unlink()
    os.mkfifo(file)
    assert outline_of(file) == ""
    file.unlink()
    file.write_bytes(b"FROM a\n" + b"#" * DOCKERFILE_BYTES)
    assert outline_of(file) == ""
    file.write_bytes(b"FROM a\xff\n")
    assert len(decode(outline_of(file))) == 1


OUTLINE = " ".join(f"{number}:abcde" for number in range(1, 300))


@pytest.mark.parametrize(
    ("warnings", "kept"),
    [((), OUTLINE), (("w" * 300,), OUTLINE), (("w" * 300,) * 4, "")],
)
def test_it_gives_way_to_everything_else(warnings: tuple[str, ...], kept: str) -> None:
    text = result.encode(Prepared("c" * 40, "main", warnings=warnings, outline=OUTLINE))
    assert len(text.encode()) <= MESSAGE_BYTES
    assert parse_result(text) == Prepared("c" * 40, "main", warnings=warnings, outline=kept)


def test_nothing_is_said_of_one_that_is_not_there() -> None:
    assert "outline" not in json.loads(result.encode(Prepared("c" * 40, outline=encode(()))))


def test_one_that_is_too_long_is_read_as_none() -> None:
    read = parse_result(json.dumps({"commit": "c", "outline": "1:abcde " * 9999}))
    assert isinstance(read, Prepared)
    assert decode(read.outline) == ()
