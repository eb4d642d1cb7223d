"""News from other processes, over a connection that may be lost."""

import asyncio

import psycopg
import pytest

from agentos.db.contracts.events import LoggedEvent, Notification
from agentos.db.contracts.workers import Limits
from agentos.db.embedded import EmbeddedPostgres
from agentos.db.postgres import PostgresDb
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from tests.db.made import a_run, accepted, finished

LINE = LoggedEvent(1, "e", "{}")
LISTENERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"


def administering(url):
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


async def listening(db):
    notices = db.notifications()
    assert await anext(notices) == Notification("connected")
    return notices


async def test_another_process_hears_of_events_once_a_batch_and_after_they_are_there(pair):
    here, there = pair
    notices = await listening(there)
    runs = [a_run(), a_run(user_id="bob", session_id="his")]
    for run in runs:
        await accepted(here, run)
    await here.append_events({run.run_id: [LINE] for run in runs}, owner=ANYONE)
    heard = await anext(notices)
    assert (heard.kind, set(heard.run_ids)) == ("events", {run.run_id for run in runs})
    news = await there.read_news({run.run_id: 0 for run in runs}, owner=ANYONE)
    assert news == {run.run_id: [LINE] for run in runs}
    await finished(here, runs[0], events=[LoggedEvent(2, "end", "{}")])
    assert await anext(notices) == Notification("events", (runs[0].run_id,))
    assert (await there.get_run(runs[0].run_id, owner="alice")).status is RunStatus.COMPLETED
    await notices.aclose()


async def test_a_plain_run_that_nobody_waits_for_tells_nobody(db):
    notices = await listening(db)
    run = a_run()
    await accepted(db, run)
    await finished(db, run)
    await db.leave("x")
    assert await anext(notices) == Notification("queue")
    await notices.aclose()


@pytest.mark.parametrize("background", [True, False])
async def test_the_end_of_a_run_that_is_waited_for_is_told(db, background):
    run = a_run(status=RunStatus.PENDING)
    await accepted(db, run, background=background, multitask="enqueue")
    await db.claim_runs("x", runnables=[("agent", "web")], limits=Limits(), most=1)
    if not background:
        await accepted(db, a_run(), multitask="enqueue")
    notices = await listening(db)
    await finished(db, run, worker_id="x")
    assert await anext(notices) == Notification("queue")
    await notices.aclose()


async def test_news_about_many_runs_with_long_ids_all_arrive(db):
    notices = await listening(db)
    runs = [a_run(run_id=f"{number:03}" + 'é"' * 126) for number in range(40)]
    for run in runs:
        await accepted(db, run)
    ids = {run.run_id for run in runs}
    assert await db.append_events({run_id: [LINE] for run_id in ids}, owner="alice") == ids
    heard = set()
    while heard != ids:
        heard |= set((await anext(notices)).run_ids)
    await notices.aclose()


async def test_whoever_loses_the_connection_gets_another_and_is_told_so(db, database):
    notices = await listening(db)
    for _ in range(2):
        with administering(database) as admin:
            admin.execute(f"SELECT pg_terminate_backend(pid, 10000) FROM ({LISTENERS}) AS l")
        assert await anext(notices) == Notification("connected")
        await db.leave("x")
        assert await anext(notices) == Notification("queue")
    await notices.aclose()


async def test_listening_outlives_a_server_that_restarts(shared_folder):
    with EmbeddedPostgres(shared_folder, fsync=False) as server:
        port = int(server.url().rpartition(":")[2].partition("/")[0])
        db = PostgresDb(server.url())
        notices = await listening(db)
    again = asyncio.create_task(anext(notices))
    with EmbeddedPostgres(shared_folder, fsync=False, port=port):
        assert await again == Notification("connected")
        await notices.aclose()
        await db.close()


async def test_what_others_tell_on_the_channel_is_ignored(db, database):
    notices = await listening(db)
    with administering(database) as admin:
        for payload in ("", "x", "[]", "1", '{"odd": []}', "{}", '{"queue": 1}', '{"a": [], "b": []}'):
            admin.execute("SELECT pg_notify('ai.agentos_runs', %s)", [payload])
    await db.leave("x")
    assert await anext(notices) == Notification("queue")
    await notices.aclose()


async def test_two_sets_of_tables_do_not_hear_each_other(database):
    one, two = (
        PostgresDb(database),
        PostgresDb(database, runs_table="other:'runs", event_table="other events"),
    )
    for db in (one, two):
        await db.start()
    notices = await listening(one)
    await two.leave("x")
    await one.append_events({"absent": [LINE]}, owner=ANYONE)
    run = a_run()
    await accepted(one, run)
    await one.append_events({run.run_id: [LINE]}, owner=ANYONE)
    assert await anext(notices) == Notification("events", (run.run_id,))
    theirs = await listening(two)
    await two.leave("x")
    assert await anext(theirs) == Notification("queue")
    for generator in (notices, theirs):
        await generator.aclose()
    for db in (one, two):
        await db.close()


@pytest.mark.parametrize("how", ["closed", "cancelled"])
async def test_whoever_stops_listening_leaves_no_connection(db, database, how):
    notices = await listening(db)
    if how == "closed":
        await notices.aclose()
    else:
        waiting = asyncio.create_task(anext(notices))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    with administering(database) as admin:
        while admin.execute(LISTENERS).fetchall():
            await asyncio.sleep(0)
