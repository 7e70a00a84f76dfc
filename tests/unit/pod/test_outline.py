"""A Dockerfile in a few bytes, written by the init container and read by the operator."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.pod.dockerfile import instructions
from imagebuild_operator.pod.outline import OUTLINE_LIMIT, Kind, Mark, decode, encode, key_of, marks_of
from imagebuild_operator.pod.paths import CONTEXT
from imagebuild_operator.pod.plan import VARIABLE, Plan
from tests.unit.pod.specs import GIT, INLINE, Json, pod_of, spec_of

DOCKERFILE = """\
ARG V=1
FROM --platform=linux/amd64 busybox:1 AS one
MAINTAINER nobody
copy --chown=1:1 a b
ADD https://example.com/c c
FROM busybox:${V}
COPY --link --from=one a b
RUN true
"""


def test_what_is_told_of_each_instruction() -> None:
    marks = marks_of(instructions(DOCKERFILE))
    assert [(mark.line, mark.stage, mark.kind) for mark in marks] == [
        (1, -1, Kind.OTHER),
        (2, 0, Kind.START),
        (4, 0, Kind.COPY),
        (5, 0, Kind.COPY),
        (6, 1, Kind.START),
        (7, 1, Kind.COPY_FROM),
        (8, 1, Kind.OTHER),
    ]
    assert [mark.key for mark in marks if mark.kind is Kind.START] == [key_of("busybox:1"), ""]
    assert marks[-1].text == "RUN true"


def test_it_arrives_as_it_was_but_for_the_texts() -> None:
    marks = marks_of(instructions(DOCKERFILE))
    text = encode(marks)
    assert text.isascii()
    assert decode(text) == tuple(Mark(mark.line, mark.stage, mark.kind, mark.key) for mark in marks)


def test_blanks_do_not_tell_instructions_apart_and_anything_else_does() -> None:
    assert key_of("RUN a  &&\tb ") == key_of("RUN a && b")
    assert key_of("RUN a") != key_of("RUN b") != key_of("run b")
    assert key_of("RUN \ud800")


def test_a_long_dockerfile_has_none() -> None:
    many = "FROM a\n" + "RUN true\n" * 300
    assert len(marks_of(instructions(many))) > 250
    assert len(encode(marks_of(instructions(many)))) <= OUTLINE_LIMIT
    assert encode(marks_of(instructions(many * 2))) == ""


@pytest.mark.parametrize("text", ["", "x", "1", "0:abcde", "1:abc", "1:abcde 2?abcde", "1:äbcde", "1:abcde " * 9999])
def test_what_is_none(text: str) -> None:
    assert decode(text) == ()


@given(st.text(alphabet="0123456789:+*/abAB_- ", max_size=60))
def test_nothing_raises(text: str) -> None:
    assert all(mark.line > 0 for mark in decode(text))


@pytest.mark.parametrize(
    ("source", "members", "dockerfile"),
    [
        (GIT, {}, f"{CONTEXT}/Dockerfile"),
        ({**GIT, "subPath": "a/b"}, {"dockerfile": "c/My.file"}, f"{CONTEXT}/a/b/c/My.file"),
        (INLINE, {"registries": {"secretRefs": [{"name": "x"}, {"name": "y"}]}}, None),
    ],
)
def test_the_init_container_is_told_where_the_dockerfile_will_be(
    source: Json, members: Json, dockerfile: str | None
) -> None:
    (prepare,) = pod_of(spec_of(source, **members))["spec"]["initContainers"]
    (text,) = [entry["value"] for entry in prepare["env"] if entry["name"] == VARIABLE]
    assert Plan.model_validate_json(text).dockerfile == (Path(dockerfile) if dockerfile else None)
