"""A folder for an embedded Postgres of a test's own."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agentos.db.postgres import PostgresDb


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """Beside the common server's: root's server runs as nobody, whom pytest's `tmp_path` isn't open to."""
    beside = Path(os.environ["AGENTOS_TEST_POSTGRES"]).parent
    folder = Path(tempfile.mkdtemp(prefix="agentos-own-", dir=beside))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def pair(database) -> AsyncIterator[list[PostgresDb]]:
    """Two processes' worth of connections to one database."""
    dbs = [PostgresDb(database, pool_size=4) for _ in range(2)]
    for db in dbs:
        await db.start()
    yield dbs
    for db in dbs:
        await db.close()
