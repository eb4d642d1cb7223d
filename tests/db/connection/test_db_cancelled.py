"""Callers that give up, or whose database is closed, while their connection is being made."""

import asyncio
import gc
from contextlib import suppress
from pathlib import Path

import pytest

from agentos.db.connection.login import Connection
from agentos.db.postgres import PostgresDb
from agentos.errors import DatabaseUnavailableError
from agentos.run.owner import ANYONE


def open_files() -> list[Path]:
    return list(Path("/dev/fd").iterdir())


async def a_notice(db: PostgresDb):
    async for _ in db.notifications():
        return


def a_run(db: PostgresDb):
    return db.get_run("r", owner=ANYONE)


def a_transaction(db: PostgresDb):
    return db.delete_user("ann")


@pytest.mark.parametrize("call", [a_run, a_transaction, a_notice])
@pytest.mark.parametrize("times", [1, 2])
async def test_leave_no_connection_half_made(database, call, times):
    # Postgres waits a minute for the rest of a login, and nobody can drop a database meanwhile.
    gc.disable()
    try:
        await given_up(database, call, times=times, ticks=200)
        before = open_files()
        for ticks in range(1, 60, 3):
            await given_up(database, call, times=times, ticks=ticks)
        assert len(open_files()) <= len(before)
    finally:
        gc.enable()


async def test_stop_their_statement_however_often_they_are_cancelled(database):
    url = database.replace("+psycopg", "")
    async with (
        await Connection.connect(url, autocommit=True) as connection,
        await Connection.connect(url, autocommit=True) as other,
    ):
        gc.disable()
        try:
            before = open_files()
            for _ in range(10):
                task = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
                while not await sleeping(other):
                    await asyncio.sleep(0.001)
                task.cancel()
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert not await sleeping(other)
            assert len(open_files()) <= len(before)
            assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
        finally:
            gc.enable()


async def sleeping(connection: Connection) -> bool:
    """Whether a statement of the test's own database sleeps."""
    found = await connection.execute(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
        "AND query LIKE 'SELECT pg_sleep%'"
    )
    return await found.fetchone() is not None


async def test_one_that_is_closed_while_they_connect_leaves_no_connection_open(database):
    gc.disable()
    try:
        await closed(database, ticks=200)
        before = open_files()
        for ticks in range(1, 60, 3):
            await closed(database, ticks=ticks)
        assert len(open_files()) <= len(before)
    finally:
        gc.enable()


async def closed(database, *, ticks: int) -> None:
    db = PostgresDb(database, create_schema=False)
    await db.start()
    task = asyncio.create_task(db.get_run("r", owner=ANYONE))
    for _ in range(ticks):
        await asyncio.sleep(0)
    await db.close()
    with suppress(DatabaseUnavailableError):
        await task


async def given_up(database, call, *, times: int, ticks: int) -> None:
    db = PostgresDb(database, create_schema=False)
    await db.start()
    task = asyncio.create_task(call(db))
    for _ in range(ticks):
        await asyncio.sleep(0)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    with suppress(asyncio.CancelledError):
        await task
    await db.close()
