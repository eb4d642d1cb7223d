"""A server's runs through starts, stops and starts, and with several databases."""

import asyncio

from agentos.db.postgres import PostgresDb
from agentos.run.events import RunContent
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunStatus
from agentos.run.request import RunRequest
from agentos.runner.service import RunService
from agentos.runner.settings import RunSettings
from tests.db.connection.test_db_outages import waiting
from tests.runner.script import Script
from tests.runner.worker.test_lost_runs import Gated, away


async def hello(context):
    yield RunContent(content="Hello")
    context.run.content = "Hello"


def ask(**fields):
    return RunRequest(input=RunInput(input_content="hi"), anyone=True, **fields)


async def ended(runs, script, started):
    async with asyncio.timeout(20):
        return await runs.finished(script, started)


async def test_what_was_stopped_may_be_started_again(db):
    script = Script(hello, RunSettings(db=db, durable=True))
    runs = RunService([script], [db])
    for _ in range(2):
        async with runs.running(grace=5):
            for background in (False, True):
                started = await runs.start(script, ask(background=background))
                assert (await ended(runs, script, started)).status is RunStatus.COMPLETED


async def test_a_database_without_durable_runs_needs_no_engine(db, empty_database):
    other = PostgresDb(empty_database)
    durable, plain = (
        Script(hello, RunSettings(db=db, durable=True)),
        Script(hello, RunSettings(db=other), id="b"),
    )
    runs = RunService([durable, plain], [db, other])
    async with runs.running(grace=5):
        for script in (durable, plain):
            started = await runs.start(script, ask())
            assert (await ended(runs, script, started)).status is RunStatus.COMPLETED
    await other.close()


async def test_what_was_claimed_is_begun_before_the_process_ends(db):
    script = Script(hello, RunSettings(db=db))
    runs = RunService([script], [db])
    async with runs.running(grace=20):
        started = [await runs.start(script, ask(background=True)) for _ in range(20)]
        while all(run.status is RunStatus.PENDING for run in await stored(db, started)):
            pass
    assert {run.status for run in await stored(db, started)} <= {RunStatus.PENDING, RunStatus.COMPLETED}


async def stored(db, started):
    return [await db.get_run(each.run.run_id, owner=ANYONE) for each in started]


async def test_a_run_that_is_stored_is_not_handed_over(db, database):
    script = Script(Gated(), RunSettings(db=db))
    runs = RunService([script], [db])
    async with runs.running(grace=20):
        live = (await runs.start(script, ask())).live
        await script.play.reached.wait()
        with away(database):
            script.play.release.set()
            await waiting(database, 1)
            live.hand_over()
        assert (await live.finished()).status is RunStatus.COMPLETED
        assert not live.execution.is_handed_over
