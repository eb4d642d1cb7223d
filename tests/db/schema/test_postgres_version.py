"""A server that is too old is refused in one sentence."""

import asyncio
import re

import pytest

from agentos.db.postgres import PostgresDb
from agentos.db.schema.upgrade import require_postgres
from agentos.errors import ConfigurationError
from tests.db.wire import counting


@pytest.mark.parametrize("version", [0, 9, 13, 14])
def test_versions_before_15_are_refused(version):
    with pytest.raises(ConfigurationError, match=f"Postgres {version}, and agentos needs 15 or newer"):
        require_postgres(version)


@pytest.mark.parametrize("version", [15, 16, 18, 20])
def test_version_15_and_newer_ones_will_do(version):
    require_postgres(version)


def saying(version: int):
    """Has the server call itself Postgres `version`."""
    return lambda sent: re.sub(rb"PostgreSQL \d\d", b"PostgreSQL %d" % version, sent)


async def test_neither_a_start_nor_an_upgrade_uses_an_older_server(database):
    async with counting(database, rewrite=saying(14)) as wire:
        for db in (PostgresDb(wire.url), PostgresDb(wire.url, create_schema=False)):
            with pytest.raises(ConfigurationError, match="Postgres 14"):
                await db.start()
        with pytest.raises(ConfigurationError, match="Postgres 14"):
            await asyncio.to_thread(PostgresDb(wire.url).schema.upgrade)
    async with counting(database, rewrite=saying(15)) as wire:
        db = PostgresDb(wire.url)
        await db.start()
        await db.close()
