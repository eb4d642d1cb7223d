"""Callers that give up while their connection is being made."""

import asyncio
import gc
from contextlib import suppress
from pathlib import Path

import pytest

from agentos.db.postgres import PostgresDb
from agentos.run.owner import ANYONE


def open_files() -> list[Path]:
    return list(Path("/dev/fd").iterdir())


async def a_notice(db: PostgresDb):
    async for _ in db.notifications():
        return


@pytest.mark.parametrize("call", [lambda db: db.get_run("r", owner=ANYONE), a_notice], ids=["pool", "news"])
async def test_leave_no_connection_half_made(database, call):
    # Postgres waits a minute for the rest of a login, and nobody can drop a database meanwhile.
    gc.disable()
    try:
        await given_up(database, call, ticks=200)
        before = open_files()
        for ticks in range(1, 60, 3):
            await given_up(database, call, ticks=ticks)
        assert len(open_files()) <= len(before)
    finally:
        gc.enable()


async def given_up(database, call, *, ticks: int) -> None:
    db = PostgresDb(database, create_schema=False)
    await db.start()
    task = asyncio.create_task(call(db))
    for _ in range(ticks):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await db.close()
