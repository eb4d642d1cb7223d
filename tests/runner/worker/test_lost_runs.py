"""Runs whose outcome, start or process is lost on the way, and what becomes of them."""

import asyncio
from contextlib import contextmanager

import psycopg
import pytest

from agentos.db.postgres import PostgresDb
from agentos.run.events import RunContent
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunStatus
from agentos.run.request import RunRequest
from agentos.runner.accept import Place, accept
from agentos.runner.execution import execute
from agentos.runner.execution.live_runs import LiveRuns
from agentos.runner.settings import RunSettings
from agentos.runner.worker.worker import Worker
from tests.runner.script import Script


class Gated:
    """A script that says a word, and the rest once it may."""

    def __init__(self):
        self.reached, self.release = asyncio.Event(), asyncio.Event()

    async def __call__(self, context):
        yield RunContent(content="so ")
        self.reached.set()
        await self.release.wait()
        yield RunContent(content="far")
        context.run.content = "so far"


@pytest.fixture
async def hasty(database, monkeypatch):
    """A database that is given up soon."""
    monkeypatch.setattr(execute, "STORE_PAUSES", (0.01,))
    db = PostgresDb(database, query_timeout=0.3)
    await db.start()
    yield db
    await db.close()


@contextmanager
def away(database):
    """Nobody ends a run until it is over; other things work."""
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        connection.execute("LOCK TABLE ai.agentos_sessions IN ACCESS EXCLUSIVE MODE")
        yield


def executing(db, script):
    return Worker(db, {("agent", "script"): script}, LiveRuns())


async def begun(worker, script, **fields):
    arguments = RunRequest(input=RunInput(input_content="hi"), anyone=True, **fields)
    job = await accept(script, arguments, place=Place(worker.id))
    return await worker.start(script, job, log=True)


async def unsettled(worker, script, database):
    """A run that ended while the database was away."""
    gate = script.play
    live = await begun(worker, script)
    await gate.reached.wait()
    with away(database):
        gate.release.set()
        run = await live.finished()
    assert run.status is RunStatus.ERROR
    return run


async def test_an_outcome_that_is_stored_late_ends_the_log_too(hasty, database):
    script = Script(Gated(), RunSettings(db=hasty))
    worker = executing(hasty, script)
    run = await unsettled(worker, script, database)
    assert worker.held == [run.run_id]
    await worker.settle()
    stored = await hasty.get_run(run.run_id, owner=ANYONE)
    assert (stored.status, stored.error_type) == (RunStatus.ERROR, "database_unavailable")
    lines = await hasty.read_events(run.run_id, after=0, owner=ANYONE)
    assert [line.seq for line in lines] == [1, 2, 3, 4]
    assert [line.name for line in lines] == ["RunStarted", "RunContent", "RunContent", "RunError"]
    assert worker.held == []
    await worker.close()


async def test_an_outcome_that_comes_too_late_holds_no_other_up(hasty, database):
    scripts = [Script(Gated(), RunSettings(db=hasty)) for _ in range(2)]
    worker = executing(hasty, scripts[0])
    lost, kept = [await unsettled(worker, script, database) for script in scripts]
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE ai.agentos_runs SET executor_id = 'new' WHERE run_id = %s", [lost.run_id])
    await worker.settle()
    assert (await hasty.get_run(lost.run_id, owner=ANYONE)).status is RunStatus.RUNNING
    assert (await hasty.get_run(kept.run_id, owner=ANYONE)).status is RunStatus.ERROR
    await worker.close()
