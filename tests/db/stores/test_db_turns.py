"""Callers that wait for each other leave the connections to others."""

import asyncio
from contextlib import asynccontextmanager

import psycopg
import pytest

from agentos.db.contracts.sessions import SessionQuery
from agentos.db.postgres import PostgresDb
from tests.db.made import WAITING, a_run, a_session, accepted, finished

POOL = 3
MANY = 20
PATIENCE = 20


@pytest.fixture
async def small(database):
    db = PostgresDb(database, pool_size=POOL, pool_timeout=PATIENCE)
    await db.start()
    await db.create_session(a_session("bobs", user_id="bob"), owner="bob")
    yield db
    await db.close()


@asynccontextmanager
async def held(database, session_id):
    """Another process is in the middle of a statement on the session. Yields how many wait for it."""
    url = database.replace("+psycopg", "")
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("SELECT set_config('agentos.anyone', 'on', true)")
        row = "SELECT FROM agentos_sessions WHERE session_id = %s FOR UPDATE"
        assert (await connection.execute(row, [session_id])).rowcount == 1

        async def waiting() -> int:
            async with await psycopg.AsyncConnection.connect(url) as looking:
                row = await (await looking.execute(WAITING)).fetchone()
            return row[0]

        yield waiting
        await connection.rollback()


async def bob_sees_his_session(db):
    async with asyncio.timeout(PATIENCE / 2):
        page = await db.list_sessions(SessionQuery(), owner="bob")
    assert [session.session_id for session in page.rows] == ["bobs"]


async def until(waiting):
    """Returns once somebody waits in Postgres."""
    async with asyncio.timeout(PATIENCE):
        while not (count := await waiting()):
            pass
    return count


@pytest.mark.parametrize("asked", [{}, {"multitask": "enqueue"}, {"background": True, "queue_limit": 99}])
async def test_many_requests_of_one_session_leave_the_pool_to_others(small, database, asked):
    await small.create_session(a_session("chat"), owner="alice")
    async with held(database, "chat") as waiting:
        calls = [asyncio.create_task(accepted(small, a_run("chat"), **asked)) for _ in range(MANY)]
        await until(waiting)
        await bob_sees_his_session(small)
        assert await waiting() == 1
    opened = await asyncio.gather(*calls)
    assert len({each.run.run_id for each in opened}) == MANY


async def test_many_runs_of_one_session_that_end_leave_the_pool_to_others(small, database):
    runs = [a_run("chat") for _ in range(MANY)]
    for run in runs:
        await accepted(small, run, worker_id="a")
    async with held(database, "chat") as waiting:
        calls = [asyncio.create_task(finished(small, run, worker_id="a")) for run in runs]
        await until(waiting)
        await bob_sees_his_session(small)
        assert await waiting() == 1
    await asyncio.gather(*calls)
    assert {run.status for run in await small.list_runs("chat", owner="alice")} == {"COMPLETED"}


async def test_a_caller_that_leaves_while_it_waits_gives_up_its_turn(small, database):
    await small.create_session(a_session("chat"), owner="alice")
    async with held(database, "chat") as waiting:
        first, second, third = [
            asyncio.create_task(accepted(small, a_run("chat"), multitask="enqueue")) for _ in range(3)
        ]
        await until(waiting)
        second.cancel()
        await asyncio.wait([second])
        assert second.cancelled()
    assert (await first).is_new
    assert (await third).is_new


async def test_other_sessions_wait_for_nothing(small, database):
    await small.create_session(a_session("chat"), owner="alice")
    async with held(database, "chat") as waiting:
        call = asyncio.create_task(accepted(small, a_run("chat"), multitask="enqueue"))
        await until(waiting)
        async with asyncio.timeout(PATIENCE / 2):
            assert (await accepted(small, a_run("another"), multitask="enqueue")).is_new
    await call
