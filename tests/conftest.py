"""What a session of tests tells at its end: the causes of failures that it really produced, and figures of tests.

Both travel in the tests' reports, since the tests run in two processes: those that share the real cluster in one, all
others in the other.
"""

from collections.abc import Callable

import pytest

from tests import causes

CAUSE = "cause"
FIGURE = "figure"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which process a test belongs to (pytest-xdist), and which causes it produces if it passes."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group("cluster" if "tests/e2e/" in item.nodeid else "others"))
        item.user_properties.extend((CAUSE, name) for mark in item.iter_markers("cause") for name in mark.args)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes one line of figures, shown at the end of the test run whether or not the test passes."""
    return lambda line: request.node.user_properties.append((FIGURE, f"{request.node.name}: {line}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures, say how many causes there were, and which of all are missing."""
    passed, failed = (terminalreporter.getreports(outcome) for outcome in ("passed", "failed"))
    for line in (value for report in (*passed, *failed) for name, value in report.user_properties if name == FIGURE):
        terminalreporter.write_line(str(line))
    produced = {str(value) for report in passed for name, value in report.user_properties if name == CAUSE}
    if produced:
        for line in causes.summary(produced):
            terminalreporter.write_line(line)
