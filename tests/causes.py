"""Which test produces which cause of failure, and the reference page made from the table of causes.

A test that really produces a cause is marked with its name: `@pytest.mark.cause("step-failed")`.
`python -m tests.causes` writes the page.
"""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.causes.cause import Cause, Evidence, Found, Told, again
from imagebuild_operator.core.causes.told import TOLD
from imagebuild_operator.core.failures import CAUSES, find
from imagebuild_operator.core.retry import CLASSES, DISRUPTIONS, FailureClass
from tests.corpus.logs import recorded
from tests.unit.core.pod_documents import pod, terminated

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs/reference/failures.md"
FOLDERS: Final = ("e2e", "integration")
ROWS: Final[tuple[Cause | Told, ...]] = (*TOLD, *CAUSES)
NAMES: Final = tuple(row.doc.name for row in ROWS)
UNKNOWN: Final = "unknown"
# More are missing where only some tests were run.
MISSING_TOLD: Final = 20

# What each class of failures means, in the words of all pages.
TRIED_AGAIN: Final = {
    FailureClass.TRANSIENT: "up to `spec.retry.limit` times",
    FailureClass.DISRUPTION: f"up to {DISRUPTIONS} times",
    FailureClass.MEMORY: "with more memory",
    FailureClass.MISSING: "no",
    FailureClass.THEIRS: "no",
}
# And of what a build waits for before that becomes a failure.
WAITED_FOR: Final = "until `spec.startTimeout`"

HEADS: Final = {
    Found.SPEC: "Before there is a Pod",
    Found.API: "The API server refuses the Pod",
    Found.START: "The Pod does not start",
    Found.POD: "What became of the Pod",
    Found.CLOCK: "What took too long",
    Found.PREPARE: "Fetching the source",
    Found.LOG: "The executor's words",
    Found.EXIT: "Exit codes",
}


def produced() -> dict[str, list[str]]:
    """The tests of each cause, as `file::test`; of several in a file, the first."""
    found: dict[str, list[str]] = {}
    for folder in FOLDERS:
        for file in sorted((ROOT / "tests" / folder).glob("test_*.py")):
            module = importlib.import_module(f"tests.{folder}.{file.stem}")
            for name, test in _tests(module):
                for cause in _marked(test):
                    place = f"tests/{folder}/{file.name}::{name}"
                    if not any(other.startswith(place.partition("::")[0]) for other in found.get(cause, [])):
                        found.setdefault(cause, []).append(place)
    return found


def _tests(module: Any) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        if name.startswith("test_"):
            yield name, value
        elif name.startswith("Test"):
            yield from ((f"{name}::{each}", test) for each, test in vars(value).items() if each.startswith("test_"))


def _marked(test: Any) -> Iterator[str]:
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "cause":
            yield from mark.args
        elif mark.name == "parametrize":
            for case in mark.args[1]:
                for each in getattr(case, "marks", ()):
                    yield from each.args if each.name == "cause" else ()


def summary(names: set[str]) -> list[str]:
    """What a session of tests says at its end."""
    missing = [name for name in NAMES if name not in names]
    few = len(missing) <= MISSING_TOLD
    logs = list(recorded())
    ends = [find(Evidence(pod(build=terminated(log.exit_code)), log.log)).doc.name for log in logs]
    return [
        f"causes produced: {len(names)} of {len(NAMES)}" + (f"; not {', '.join(missing)}" if missing and few else ""),
        f"recorded logs of failures that no row knows: {ends.count(UNKNOWN)} of {len(logs)}",
    ]


def page() -> str:
    """The reference page."""
    tests = produced()
    files = next(row for row in ROWS if row.by_files)
    parts = [_HEAD.format(count=len(ROWS), again=again(files, inline=False).strip())]
    for found, head in HEADS.items():
        parts.append(f"## {head}\n")
        parts += [_section(row, tests.get(row.doc.name, [])) for row in ROWS if row.doc.found is found]
    return "\n".join(parts)


_HEAD: Final = """# Failures

Every cause of failure that the operator knows, {count} of them: how it is found, what is told, and what to do. Made
from the table in `operator/imagebuild_operator/core/failures.py` and `operator/imagebuild_operator/core/causes` by
`python -m tests.causes`; a test fails when the two differ. Each is really produced by the test that stands below it,
but for `pod-without-result`, which no kubelet of today leaves behind: there the test writes the Pod's status.

Words in capitals stand for names. A message may go on with the cluster's, the registry's or the executor's own words.
A changed spec builds again by itself. What is mended elsewhere, a Secret or a branch that the spec names, is asked for
by the annotation `imagebuild.dev/requestedAt`. Where the Dockerfile or another file that is built has to change, and is
not inline, the hint goes on: "{again}"
What is tried again by itself, and when, is told in [Retries](../how-to/retries.md); the reasons are explained in
[Reasons](reasons.md).
"""


def _section(row: Cause | Told, tests: list[str]) -> str:
    doc = row.doc
    sign = f"`{_GROUP.sub(_named, doc.sign)}`" if _PATTERN.search(doc.sign) else doc.sign
    by = ", ".join(f"[{place.rpartition('::')[2]}](../../{place.partition('::')[0]})" for place in tests)
    lines = [
        f"### {doc.name}\n",
        f"{_filled(doc.says).rstrip(':.')}.\n",
        f"- To do: {_filled(doc.hint)}",
        f"- Reason: {_reason(row)}",
        f"- Found in {doc.found.value}: {sign}",
        f"- Test: {by}\n",
    ]
    return "\n".join(lines)


def _reason(row: Cause | Told) -> str:
    """The reasons in the order in which they are seen, and whether it is tried again."""
    waits = Reason.POD_NOT_STARTING if row.doc.found is Found.START else row.reason
    if waits in CLASSES:
        return f"`{row.reason}`; tried again: {TRIED_AGAIN[CLASSES[row.reason]]}"
    return f"`{waits}` while it waits, then `{Reason.START_TIMEOUT}`; tried again: {WAITED_FOR}"


# A named group with what it holds; other groups may be within it.
_GROUP: Final = re.compile(r"\(\?P<(\w+)>(?:\\.|\[\^?\]?[^]]*\]|\([^()]*\)|[^()\\\[])*\)")
_PATTERN: Final = re.compile(r"\(\?|\\|\.\*")


def _named(group: re.Match[str]) -> str:
    return group[1].upper()


def _filled(text: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), text)


if __name__ == "__main__":
    PAGE.write_text(page())
