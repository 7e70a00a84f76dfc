"""A fake cluster and an operator process on it."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.shell.fake_cluster import FakeCluster
from tests.unit.shell.process import Process


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
async def process(cluster: FakeCluster) -> AsyncIterator[Process]:
    process = await Process(cluster).start()
    yield process
    await process.stop()
