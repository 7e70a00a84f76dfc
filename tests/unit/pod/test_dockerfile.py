"""Where instructions start: the executor's parser is BuildKit's, and its lines are what its errors name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.pod.dockerfile import instructions

Lines = list[tuple[int, str]]


@pytest.mark.parametrize(
    ("dockerfile", "expected"),
    [
        ("", []),
        ("\n \n# FROM a\n", []),
        ("FROM a\nRUN b", [(1, "FROM a"), (2, "RUN b")]),
        ("\ufeffFROM a\r\n\r\n  RUN b \r\n", [(1, "FROM a"), (3, "RUN b")]),
        ("RUN a \\\n  b\nRUN c", [(1, "RUN a   b"), (3, "RUN c")]),
        ("RUN a \\  \n# note\n\n  # note\n  b \\\n c\nRUN d\n", [(1, "RUN a   b  c"), (7, "RUN d")]),
        ("RUN a \\\r\n  b\r\nRUN c", [(1, "RUN a   b"), (3, "RUN c")]),
        # An escaped escape character does not continue a line, and one alone on its line does.
        ("RUN a \\\\\nRUN b", [(1, "RUN a \\\\"), (2, "RUN b")]),
        ("RUN a \\\n\\\n b\nRUN c", [(1, "RUN a  b"), (4, "RUN c")]),
        ("RUN a \\", [(1, "RUN a")]),
        ("RUN a `\nb\n", [(1, "RUN a `"), (2, "b")]),
        ("# escape=`\nRUN a `\n b \\\nRUN c", [(2, "RUN a  b \\"), (4, "RUN c")]),
        ("#syntax=x\n# Escape = ` \nRUN a `\n b", [(3, "RUN a  b")]),
        ("# just a note\n# escape=`\nRUN a \\\n b", [(3, "RUN a  b")]),
        ("FROM a\n# escape=`\nRUN a \\\n b", [(1, "FROM a"), (3, "RUN a  b")]),
        # Here-documents.
        ("RUN <<EOF\nRUN a\nEOF\nRUN b", [(1, "RUN <<EOF"), (4, "RUN b")]),
        ("COPY <<a <<-'b' /x/\nRUN 1\na\nRUN 2\n\tb\nRUN c", [(1, "COPY <<a <<-'b' /x/"), (6, "RUN c")]),
        ('run 3<<"E F"\n EOF\nE F\nRUN b', [(1, 'run 3<<"E F"'), (4, "RUN b")]),
        ("ONBUILD RUN <<E\nRUN a\nE\nRUN b", [(1, "ONBUILD RUN <<E"), (4, "RUN b")]),
        ('RUN ["a", "<<E"]\nRUN b', [(1, 'RUN ["a", "<<E"]'), (2, "RUN b")]),
        ("RUN echo '<<E'\nRUN b", [(1, "RUN echo '<<E'"), (2, "RUN b")]),
        ("RUN cat <<<word\nRUN b", [(1, "RUN cat <<<word"), (2, "RUN b")]),
        ("RUN << E\nRUN a\nE\nRUN b", [(1, "RUN << E"), (4, "RUN b")]),
        ("RUN a <<E && b\nRUN a\nE\nRUN b", [(1, "RUN a <<E && b"), (4, "RUN b")]),
        ("ENV a=<<E\nRUN b", [(1, "ENV a=<<E"), (2, "RUN b")]),
        ("RUN <<E\nRUN b", [(1, "RUN <<E")]),
        ("what ever\nRUN b", [(1, "what ever"), (2, "RUN b")]),
    ],
)
def test_lines(dockerfile: str, expected: Lines) -> None:
    assert [(found.line, found.text) for found in instructions(dockerfile)] == expected


@given(st.text(alphabet="RUN COPYFROM<E-\\`#=escape\"'\n\r\t [", max_size=120))
def test_lines_rise_and_nothing_raises(dockerfile: str) -> None:
    lines = [found.line for found in instructions(dockerfile)]
    assert lines == sorted(set(lines))
    assert all(0 < line <= dockerfile.count("\n") + 1 for line in lines)


@pytest.mark.parametrize(
    "piece", ["\\\n", "RUN ", " ", "<<", "RUN <<E\n", '"', "'", "\\", "# a=b\n", "FROM --a ", "\n"]
)
def test_whatever_a_dockerfile_repeats_its_last_instruction_is_found_in_time(piece: str) -> None:
    """With a pattern that tries every beginning of a text, some of these would take hours."""
    text = piece * ((1 << 19) // len(piece))
    assert instructions(f"RUN true\n{text}")[0].text == "RUN true"
