"""A folder for an embedded Postgres of a test's own, and roles on the common one."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from agentos.db.embedded import EmbeddedPostgres
from agentos.db.postgres import PostgresDb
from tests.db.logins import Logins


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


@pytest.fixture(scope="module")
def server():
    """A server whose superuser the tests may be."""
    if "AGENTOS_TEST_DB_URL" in os.environ:
        pytest.skip("needs the embedded server's superuser")
    with EmbeddedPostgres(os.environ["AGENTOS_TEST_POSTGRES"], fsync=False) as shared:
        yield shared


@pytest.fixture
def logins(server, empty_database):
    database = empty_database.rpartition("/")[2]
    made = Logins(server.url(database, user="postgres"))
    made.run(f'ALTER DATABASE "{database}" OWNER TO postgres')
    yield made
    made.run(f'ALTER DATABASE "{database}" OWNER TO ai')
    for name in made.made:
        made.run(f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")
    # Those of a superuser, the next user of the database may not end, and closing doesn't wait for their end.
    with psycopg.connect(server.url(user="postgres").replace("+psycopg", "")) as connection:
        ending = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s"
        connection.execute(ending, [database])
