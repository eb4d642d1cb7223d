"""Work in queues, registered by the test itself: it outlives its process, and may have a delay."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest

from agentos.db.postgres import PostgresDb
from agentos.errors import ConfigurationError
from agentos.run.records import RunStatus
from agentos.runner.durable.runtime import DurableRuntime
from agentos.runner.durable.work import Work
from agentos.runner.execution.live_runs import LAST_SECONDS, LiveRuns
from agentos.runner.service import RunService
from agentos.runner.settings import RunSettings
from agentos.runner.worker.loops import Capacity, WorkerLoops
from agentos.runner.worker.worker import Worker
from tests.conftest import administering
from tests.flows.processes import environment, running
from tests.runner.durable.segments import rows, until
from tests.runner.script import Script
from tests.runner.worker.test_restarts import ask, ended, hello

ROOT = Path(__file__).parents[3]
HELD = "SELECT status, executor_id FROM dbos.workflow_status WHERE name = 'agentos_work'"

EXECUTORS = "SELECT executor_id FROM ai.agentos_executors"


class Letters:
    """What was executed, as it comes; an entry that is `held` waits."""

    def __init__(self, db: PostgresDb, **options) -> None:
        self.work = Work("letters", self.execute, db, **options)
        self.begun: asyncio.Queue[tuple[str, asyncio.AbstractEventLoop, float]] = asyncio.Queue()
        self.held = asyncio.Event()
        self.held.set()

    async def execute(self, argument) -> None:
        self.begun.put_nowait((argument["text"], asyncio.get_running_loop(), monotonic()))
        await self.held.wait()
        if argument["text"] == "fails":
            raise OSError("password=hunter2")

    async def next(self) -> tuple[str, asyncio.AbstractEventLoop, float]:
        async with asyncio.timeout(30):
            return await self.begun.get()


async def test_an_entry_executes_in_the_servers_loop_and_is_forgotten(db, database):
    letters = Letters(db)
    letters.held.clear()
    runs = RunService([], [db], works=[letters.work])
    async with runs.running(grace=5):
        assert await runs.enqueue(letters.work, "1", {"text": "hello"})
        assert (await letters.next())[:2] == ("hello", asyncio.get_running_loop())
        assert not await runs.enqueue(letters.work, "1", {"text": "again"})
        letters.held.set()
        await until(lambda: rows(database, HELD) == [])
        assert await runs.enqueue(letters.work, "1", {"text": "again"})
        assert (await letters.next())[0] == "again"
    assert letters.begun.empty()


async def test_an_entry_that_fails_is_logged_and_forgotten(db, database, caplog):
    letters = Letters(db)
    runs = RunService([], [db], works=[letters.work])
    async with runs.running(grace=5):
        await runs.enqueue(letters.work, "1", {"text": "fails"})
        await letters.next()
        await until(lambda: rows(database, HELD) == [])
    assert "An entry of the queue 'letters' failed" in caplog.text


async def test_a_delay_makes_an_entry_a_timer(db, database):
    letters = Letters(db)
    runs = RunService([], [db], works=[letters.work])
    async with runs.running(grace=5):
        since = monotonic()
        assert await runs.enqueue(letters.work, "late", {"text": "late"}, delay=3)
        assert [status for status, _ in rows(database, HELD)] == ["DELAYED"]
        assert await runs.enqueue(letters.work, "soon", {"text": "soon"})
        (soon, _, _), (late, _, rang) = await letters.next(), await letters.next()
    assert (soon, late) == ("soon", "late")
    assert rang - since >= 2.9  # milliseconds are cut off


async def test_one_process_executes_as_many_at_once_as_it_may(db, database):
    letters = Letters(db, per_process=2)
    letters.held.clear()
    runs = RunService([], [db], works=[letters.work])
    async with runs.running(grace=5):
        for each in ("1", "2", "3"):
            await runs.enqueue(letters.work, each, {"text": each})
        await letters.next(), await letters.next()
        assert sorted(status for status, _ in rows(database, HELD)) == ["ENQUEUED", "PENDING", "PENDING"]
        letters.held.set()
        await letters.next()


async def test_what_a_process_leaves_is_resumed_by_the_next(db, database):
    letters = Letters(db)
    letters.held.clear()
    runs = RunService([], [db], works=[letters.work])
    async with runs.running(grace=0):
        await runs.enqueue(letters.work, "1", {"text": "left"})
        await letters.next()
    assert [status for status, _ in rows(database, HELD)] == ["PENDING"]
    letters.held.set()
    async with runs.running(grace=5):
        assert (await letters.next())[0] == "left"
        await until(lambda: rows(database, HELD) == [])


async def test_a_process_whose_work_ends_slowly_says_that_it_leaves_all_the_same(db, database):
    begun = asyncio.Event()

    async def lingers(argument) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(LAST_SECONDS + 0.5)

    work = Work("lingering", lingers, db)
    runs = RunService([], [db], works=[work])
    async with runs.running(grace=0):
        await runs.enqueue(work, "1", {})
        async with asyncio.timeout(30):
            await begun.wait()
        assert len(rows(database, EXECUTORS)) == 1
    assert rows(database, EXECUTORS) == []


async def test_work_of_a_killed_process_is_resumed_and_that_of_a_live_one_is_not(db, database):
    letters = Letters(db)
    worker = Worker(db, {}, LiveRuns(), [letters.work])
    command = [sys.executable, "-m", "tests.runner.durable.programs.work", database, "1"]
    with running(command, cwd=ROOT, env=environment(), until=["begins hello"]) as process:
        async with WorkerLoops(worker, Capacity()).running(durable=False):
            [(status, executor)] = rows(database, HELD)
            assert status == "PENDING"
            await worker.resume_work()
            assert rows(database, HELD) == [("PENDING", executor)]
            os.kill(process.popen.pid, signal.SIGKILL)
            process.wait()
            with administering(database) as connection:  # as if 20 seconds had passed
                connection.execute(
                    "UPDATE ai.agentos_executors SET beat_at = '2025-01-01' WHERE executor_id = %s",
                    [executor],
                )
            assert (await letters.next())[:2] == ("hello", asyncio.get_running_loop())
            await until(lambda: rows(database, HELD) == [])


async def test_what_ended_long_ago_and_was_not_forgotten_is(db, database):
    async def nothing(run_id: str, segment: int) -> None: ...

    runtime = await DurableRuntime.launch(database, worker_id=uuid4().hex, execute=nothing)
    kept = {
        "lately": ("SUCCESS", "agentos_work", "agentos-1", 0.5),
        "waiting": ("PENDING", "agentos_segment", "agentos-1", 48),
        "theirs": ("SUCCESS", "their_work", "agentos-1", 48),
        "another version's": ("ERROR", "agentos_segment", "agentos-2", 48),
    }
    left = {
        "run:0": ("ERROR", "agentos_segment", "agentos-1", 48),
        "1": ("SUCCESS", "agentos_work", "agentos-1", 2),
    }
    with administering(database) as connection:
        for workflow_id, values in (kept | left).items():
            connection.execute(
                """
                INSERT INTO dbos.workflow_status
                    (workflow_uuid, status, name, application_version, application_name, completed_at)
                VALUES (%s, %s, %s, %s, 'agentos', (extract(epoch from now()) - %s * 3600) * 1000)
                """,
                [workflow_id, *values],
            )
    await runtime.forget_ended()
    assert {name for (name,) in rows(database, "SELECT workflow_uuid FROM dbos.workflow_status")} == set(kept)
    await runtime.close()


async def test_only_the_first_server_of_a_process_may_have_queues(db, database):
    async def nothing(run_id: str, segment: int) -> None: ...

    first = await DurableRuntime.launch(database, worker_id=uuid4().hex, execute=nothing)
    with pytest.raises(ConfigurationError, match="process of its own"):
        await DurableRuntime.launch(
            database, worker_id=uuid4().hex, execute=nothing, works=[Letters(db).work]
        )
    second = await DurableRuntime.launch(database, worker_id=uuid4().hex, execute=nothing)
    await second.close()
    await first.close()


async def test_a_role_that_may_not_make_the_schema_serves_all_but_durable_runs(database):
    role = f"plain_{uuid4().hex}"
    url = f"postgresql://{role}:x@{database.rpartition('@')[2]}"
    name = database.rpartition("/")[2]
    with administering(database) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        connection.execute(f"GRANT {role} TO CURRENT_USER")
        connection.execute(f"GRANT USAGE ON SCHEMA ai TO {role}")
        connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA ai TO {role}")
        connection.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA ai TO {role}")
    db = PostgresDb(url, create_schema=False)
    plain = Script(hello, RunSettings(db=db))
    durable = Script(hello, RunSettings(db=db, durable=True), id="durable")
    try:
        await serves(db, plain)
        assert rows(database, "SELECT FROM pg_namespace WHERE nspname = 'dbos'") == []
        for runs in (RunService([plain, durable], [db]), RunService([], [db], works=[Letters(db).work])):
            with pytest.raises(ConfigurationError, match="GRANT CREATE ON DATABASE"):
                async with runs.running(grace=0):
                    pass
        with administering(database) as connection:
            connection.execute(f'GRANT CREATE ON DATABASE "{name}" TO {role}')
        await serves(db, plain, durable)
    finally:
        await db.close()
        with administering(database) as connection:
            connection.execute(f"DROP OWNED BY {role} CASCADE")
            connection.execute(f"DROP ROLE {role}")


async def serves(db: PostgresDb, *scripts: Script) -> None:
    runs = RunService(scripts, [db])
    async with runs.running(grace=5):
        for script in scripts:
            run = await ended(runs, script, await runs.start(script, ask()))
            assert run.status is RunStatus.COMPLETED
