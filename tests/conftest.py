"""What a session of tests tells at its end: the causes of failures that it really produced, and figures of tests.

Both travel in the tests' reports, since the tests run in two processes: those that share the real cluster in one, all
others in the other.
"""

from collections.abc import Callable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests import causes

CAUSE = "cause"
FIGURE = "figure"


class SideBySide(LoadScopeScheduling):
    """Two bundles of tests, each for one process of pytest-xdist.

    Its own groups (`xdist_group`) write to a member of items that pytest has no more since 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "cluster" if "tests/e2e/" in nodeid else "others"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SideBySide:
    """Keep the tests of the cluster together, wherever tests run in several processes."""
    return SideBySide(config, log)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Note which causes a test produces if it passes."""
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
