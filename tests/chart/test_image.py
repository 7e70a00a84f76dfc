import re
from pathlib import Path

import pytest

from tests.chart.paths import EXAMPLES, ROOT

CONTEXTS = [ROOT, EXAMPLES / "web-app"]
PLAIN = {"ARG", "FROM", "RUN", "COPY", "ENV", "LABEL", "USER", "EXPOSE", "ENTRYPOINT"}


def instructions(context: Path) -> list[tuple[str, str]]:
    """Instructions of a Dockerfile with their arguments, continued lines joined."""
    lines = [line for line in (context / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


@pytest.mark.parametrize("context", CONTEXTS, ids=["operator", "web-app"])
def test_plain_instructions_only_so_that_kaniko_builds_it_too(context: Path) -> None:
    text = (context / "Dockerfile").read_text()

    assert "--mount" not in text
    assert "<<" not in text
    assert {word for word, _ in instructions(context)} <= PLAIN


@pytest.mark.parametrize("context", CONTEXTS, ids=["operator", "web-app"])
def test_every_stage_takes_the_base_it_is_given(context: Path) -> None:
    given = instructions(context)

    assert given[0] == ("ARG", "BASE_IMAGE=debian:12-slim")
    assert [rest.split()[0] for word, rest in given if word == "FROM"] == ["${BASE_IMAGE}", "${BASE_IMAGE}"]


@pytest.mark.parametrize("context", CONTEXTS, ids=["operator", "web-app"])
def test_the_last_user_is_a_number_that_is_not_root(context: Path) -> None:
    users = [rest for word, rest in instructions(context) if word == "USER"]

    assert users[-1] == "65532:65532"


@pytest.mark.parametrize("context", CONTEXTS, ids=["operator", "web-app"])
def test_the_context_holds_what_is_copied_and_nothing_else(context: Path) -> None:
    copied = {
        rest.split()[0] for word, rest in instructions(context) if word == "COPY" and not rest.startswith("--from")
    }
    ignored = (context / ".dockerignore").read_text().splitlines()

    assert "*" in ignored
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert all((context / path).exists() for path in copied)


def test_dependencies_are_installed_by_hash() -> None:
    (install,) = (rest for word, rest in instructions(ROOT) if word == "RUN" and "pip install" in rest)

    assert "--require-hashes" in install
    assert re.search(r"--hash=sha256:[0-9a-f]{64}", (ROOT / "requirements.lock").read_text())
