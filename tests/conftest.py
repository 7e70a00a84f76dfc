"""Counts the causes of failures that the tests of a session really produced, see `tests.causes`."""

from collections.abc import Iterator

import pytest

from tests import causes

PRODUCED = pytest.StashKey[set[str]]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Note the causes of a test that passed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call" and report.passed:
        produced = item.config.stash.setdefault(PRODUCED, set())
        produced.update(*(mark.args for mark in item.iter_markers("cause")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many there were, and which of all are missing."""
    produced = config.stash.get(PRODUCED, set())
    if produced:
        for line in causes.summary(produced):
            terminalreporter.write_line(line)
