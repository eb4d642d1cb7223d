"""What the tests of faults stand on: a stage, and processes that come to it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conftest import a_database
from tests.faults.cluster import Cluster, Shared
from tests.faults.stage import Stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage() as stage:
        yield stage


@pytest.fixture
async def cluster(database: str, stage: Stage) -> AsyncIterator[Cluster]:
    cluster = Cluster(database, stage)
    yield cluster
    await cluster.close()
    cluster.print()  # shown of tests that fail


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(server_url: str, template: str, request: pytest.FixtureRequest) -> AsyncIterator[Shared]:
    """Two servers for a whole module, set up by its `SETTINGS`: a start takes longer than most tests."""
    with a_database(server_url, template) as database:
        async with Stage() as stage:
            cluster = Cluster(database, stage, **request.module.SETTINGS)
            one, other = await cluster.start(2)
            yield Shared(stage, one, other)
            await cluster.close()
            cluster.print()
