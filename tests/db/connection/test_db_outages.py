import asyncio
from contextlib import contextmanager

import psycopg
import pytest

from agentos.db.embedded import EmbeddedPostgres
from agentos.db.postgres import PostgresDb
from agentos.errors import DatabaseUnavailableError
from agentos.event_loop import run_sync
from tests.db.made import a_run, a_session, accepted, finished


@contextmanager
def administering(url):
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def end_connections(url):
    with administering(url) as admin:
        # Not those with an open transaction, which `nobody_reading` has.
        admin.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND (state = 'idle' OR wait_event_type = 'Lock')"
        )


@contextmanager
def nobody_reading(url):
    """Whoever reads sessions waits until it is over."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("LOCK TABLE ai.agentos_sessions IN ACCESS EXCLUSIVE MODE")
        yield


async def waiting(url, count):
    """Returns once `count` connections wait for a lock."""
    with administering(url) as admin:
        waiters = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while admin.execute(waiters).fetchone() != (count,):
            await asyncio.sleep(0)


@pytest.fixture
def server(shared_folder):
    with EmbeddedPostgres(shared_folder, fsync=False) as started:
        port = int(started.url().rpartition(":")[2].partition("/")[0])
        yield EmbeddedPostgres(shared_folder, fsync=False, port=port), started


async def test_the_server_recovers_by_itself_when_the_database_is_back(server):
    again, first = server
    db = PostgresDb(first.url(), pool_size=3)
    await db.create_session(a_session("s"), owner="alice")
    run = a_run("s")
    await accepted(db, run)
    await asyncio.gather(*(db.get_session("s", owner="alice") for _ in range(10)))
    await asyncio.to_thread(first.stop)
    for call in (db.get_session("s", owner="alice"), finished(db, run), db.start(), accepted(db, a_run("s"))):
        if call.__name__ == "start":
            await call  # the tables were seen to already
            continue
        with pytest.raises(DatabaseUnavailableError):
            await call
    await asyncio.to_thread(again.start)
    found = await asyncio.gather(*(db.get_session("s", owner="alice") for _ in range(10)))
    assert all(session.session_id == "s" for session in found)
    await finished(db, run)
    await db.close()
    await asyncio.to_thread(again.stop)


async def test_tables_are_made_by_the_first_call_that_gets_through(server):
    again, first = server
    db = PostgresDb(first.url(), db_schema="late")
    await asyncio.to_thread(first.stop)
    with pytest.raises(DatabaseUnavailableError):
        await db.get_session("s", owner="alice")
    await asyncio.to_thread(again.start)
    assert await db.get_session("s", owner="alice") is None
    await db.close()
    await asyncio.to_thread(again.stop)


async def test_connections_that_the_server_closed_are_replaced_unnoticed(db, database):
    await asyncio.gather(*(db.create_session(a_session(f"s{n}"), owner="alice") for n in range(20)))
    end_connections(database)
    found = await asyncio.gather(*(db.get_session(f"s{n}", owner="alice") for n in range(20)))
    assert None not in found


async def test_a_connection_lost_in_the_middle_is_an_outage_and_the_next_call_works(db, database):
    with nobody_reading(database):
        call = asyncio.create_task(db.get_session("s", owner="alice"))
        await waiting(database, 1)
        end_connections(database)
        with pytest.raises(DatabaseUnavailableError):
            await call
    assert await db.get_session("s", owner="alice") is None


async def test_a_database_that_is_silent_for_too_long_is_an_outage(database):
    db = PostgresDb(database, query_timeout=0.3)
    await db.start()
    with nobody_reading(database), pytest.raises(DatabaseUnavailableError):
        await db.get_session("s", owner="alice")
    assert await db.get_session("s", owner="alice") is None
    await db.close()


async def test_no_free_connection_for_too_long_is_an_outage(database):
    db = PostgresDb(database, pool_size=1, pool_timeout=0.1)
    await db.start()
    with nobody_reading(database):
        first = asyncio.create_task(db.get_session("s", owner="alice"))
        await waiting(database, 1)
        with pytest.raises(DatabaseUnavailableError):
            await db.get_memory("m", owner="alice")
    assert await first is None
    assert await db.get_memory("m", owner="alice") is None
    await db.close()


async def test_a_cancelled_call_gives_its_connection_back(database):
    db = PostgresDb(database, pool_size=1, pool_timeout=5)
    await db.start()
    with nobody_reading(database):
        call = asyncio.create_task(db.get_session("s", owner="alice"))
        await waiting(database, 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await db.get_memory("m", owner="alice") is None
    await db.close()


async def test_a_slow_database_does_not_slow_the_loop(db, database):
    with nobody_reading(database):
        call = asyncio.create_task(db.get_session("s", owner="alice"))
        await waiting(database, 1)
        started = asyncio.get_running_loop().time()
        for _ in range(100):
            await asyncio.sleep(0)
        assert asyncio.get_running_loop().time() - started < 1
        assert not call.done()
    assert await call is None


def test_one_db_serves_several_loops(database):
    db = PostgresDb(database)

    async def once(name):
        await db.create_session(a_session(name), owner="alice")
        await db.close()

    asyncio.run(once("one"))
    asyncio.run(once("two"))
    assert run_sync(db.get_session("one", owner="alice")).session_id == "one"
    run_sync(db.close())
