"""A database for tests that leave nothing in it, and a model that waits at a gate."""

import pytest

from agentos.db.postgres import PostgresDb
from tests.conftest import a_database
from tests.os.apps import Gated


@pytest.fixture(scope="module")
def empty_database(server_url, template):
    with a_database(server_url, template) as url:
        yield url


@pytest.fixture
async def empty_db(empty_database):
    db = PostgresDb(empty_database, pool_size=2)
    yield db
    await db.close()


@pytest.fixture
def gated():
    return Gated()
