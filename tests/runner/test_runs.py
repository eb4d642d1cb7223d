"""A run from acceptance to its one final event, with and without a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import psycopg
import pytest

from agentos.db.base import Db
from agentos.errors import ConflictError, ModelError
from agentos.run.events import RunContent, RunContentCompleted, RunEvent
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunStatus
from agentos.run.request import RunRequest
from agentos.run.runnable import RunContext
from agentos.runner.accept import accept
from agentos.runner.events.writer import LogWriter
from agentos.runner.execution.live_runs import LiveRuns, launch
from agentos.runner.settings import RunSettings
from tests.runner.script import Script


async def hello(context: RunContext) -> AsyncGenerator[RunEvent]:
    for piece in ("Hel", "lo"):
        yield RunContent(content=piece)
    context.run.content = "Hello"


async def leak(context: RunContext) -> AsyncGenerator[RunEvent]:
    yield RunContent(content="so far")
    raise RuntimeError("password=hunter2 at /etc/secret")


async def refuse(context: RunContext) -> AsyncGenerator[RunEvent]:
    yield RunContent(content="")
    raise ModelError("The model is busy.", code="model_rate_limited")


def ask(text: str = "hi", **rest: object) -> RunRequest:
    return RunRequest(input=RunInput(input_content=text), **rest)  # type: ignore[arg-type]


def names(events: list[RunEvent]) -> list[str]:
    return [event.event for event in events]


async def test_a_run_ends_with_exactly_one_final_event() -> None:
    events = [event async for event in Script(hello).arun("hi", stream=True, stream_events=True)]
    assert names(events) == ["RunStarted", "RunContent", "RunContent", "RunCompleted"]
    assert [event.seq for event in events] == [1, 2, 3, 4]
    assert [event.is_final for event in events].count(True) == 1


async def test_without_stream_events_only_pieces_of_the_answer_come() -> None:
    events = [event async for event in Script(hello).arun("hi", stream=True)]
    assert names(events) == ["RunContent", "RunContent"]


def test_a_caller_without_a_loop_gets_the_same() -> None:
    assert Script(hello).run("hi").content == "Hello"
    assert (
        "".join(e.content for e in Script(hello).run("hi", stream=True) if e.event == "RunContent") == "Hello"
    )


async def test_inside_a_loop_the_sync_door_says_which_to_take() -> None:
    with pytest.raises(RuntimeError, match="arun"):
        Script(hello).run("hi")


async def test_a_foreign_exception_never_shows_its_text() -> None:
    run = await Script(leak).arun("hi")
    assert run.status is RunStatus.ERROR
    assert run.error_type == "internal_error"
    assert "hunter2" not in run.model_dump_json()


async def test_a_failed_run_is_found_in_the_log_by_its_error_id(caplog: pytest.LogCaptureFixture) -> None:
    run = await Script(leak).arun("hi")
    (record,) = [record for record in caplog.records if record.exc_info]
    assert run.error_id is not None
    assert run.error_id in record.getMessage()


async def test_our_own_error_keeps_its_code_and_sentence() -> None:
    run = await Script(refuse).arun("hi")
    assert (run.status, run.error_type, run.content) == (
        RunStatus.ERROR, "model_rate_limited", "The model is busy.",
    )  # fmt: skip


async def test_leaving_the_stream_cancels_the_run() -> None:
    stopped = asyncio.Event()

    async def endless(context: RunContext) -> AsyncGenerator[RunEvent]:
        try:
            yield RunContent(content="1")
            await asyncio.Event().wait()
        finally:
            stopped.set()

    source = Script(endless).arun("hi", stream=True)
    assert (await anext(source)).event == "RunContent"
    await source.aclose()
    assert stopped.is_set()


async def test_a_finished_run_is_stored_with_its_state(db: Db) -> None:
    async def count(context: RunContext) -> AsyncGenerator[RunEvent]:
        context.session_state["count"] += 1
        del context.session_state["gone"]
        yield RunContent(content="ok")

    script = Script(count, RunSettings(db=db, session_state={"count": 0, "gone": True}))
    first = await script.arun("hi", session_id="s", user_id="alice")
    second = await script.arun("again", session_id="s", user_id="alice", session_state={"gone": 1})
    session = await db.get_session("s", owner="alice")
    assert session is not None
    assert session.session_state == {"count": 2}
    assert [run.run_id for run in await db.list_runs("s", owner="alice")] == [first.run_id, second.run_id]


@pytest.mark.parametrize("play", [hello, leak, refuse])
async def test_every_outcome_is_stored(db: Db, play: object) -> None:
    run = await Script(play, RunSettings(db=db)).arun("hi", session_id="s")  # type: ignore[arg-type]
    stored = await db.get_run(run.run_id, owner=ANYONE)
    assert stored is not None
    assert (stored.status, stored.content) == (run.status, run.content)
    assert (stored.error_type, stored.error_id) == (run.error_type, run.error_id)


async def test_a_cancelled_run_is_stored_as_cancelled(db: Db) -> None:
    async def endless(context: RunContext) -> AsyncGenerator[RunEvent]:
        context.run.content = "half"
        yield RunContent(content="half")
        await asyncio.Event().wait()

    source = Script(endless, RunSettings(db=db)).arun("hi", stream=True, run_id="r")
    await anext(source)
    await source.aclose()
    stored = await db.get_run("r", owner=ANYONE)
    assert stored is not None
    assert (stored.status, stored.content) == (RunStatus.CANCELLED, "half")


async def test_a_session_that_somebody_else_has_too_is_ones_own(db: Db) -> None:
    script = Script(hello, RunSettings(db=db))
    await script.arun("hi", session_id="s", user_id="bob")
    mine = await script.arun("mine too", session_id="s", user_id="alice")
    assert [run.run_id for run in await db.list_runs("s", owner="alice")] == [mine.run_id]
    assert len(await db.list_runs("s", owner="bob")) == 1
    await db.delete_sessions(["s"], owner="alice")
    assert (await script.arun("hi again", session_id="s", user_id="bob")).status is RunStatus.COMPLETED
    admin = await accept(script, ask(session_id="s", user_id="root", anyone=True))
    assert admin.run.user_id == "bob"


async def test_a_taken_run_id_is_a_conflict(db: Db) -> None:
    script = Script(hello, RunSettings(db=db))
    await script.arun("hi", run_id="r", session_id="s")
    with pytest.raises(ConflictError):
        await script.arun("hi", run_id="r", session_id="s")


@pytest.mark.parametrize("table", ["agentos_runs", "agentos_run_events"])
async def test_what_cant_be_stored_or_logged_fails_and_ends_every_stream(
    db: Db, database: str, table: str
) -> None:
    async def lose_the_table(context: RunContext) -> AsyncGenerator[RunEvent]:
        url = database.replace("+psycopg", "")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute(f"ALTER TABLE ai.{table} RENAME TO lost")  # type: ignore[arg-type]
        yield RunContentCompleted()
        while table == "agentos_run_events":
            yield RunContent(content="until the log's failure stops this")
            await asyncio.sleep(0.001)

    script = Script(lose_the_table, RunSettings(db=db))
    log = LogWriter(db, worker_id=None)
    live = launch(script, await accept(script, ask(anyone=True)), log=log)
    events = [event async for event in live.buffer.follow()]
    assert events[-1].event == "RunError"
    assert (await live.finished()).status is RunStatus.ERROR
    await log.close()


async def test_runs_outlive_whoever_waits_and_end_with_the_server(db: Db) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def gated(context: RunContext) -> AsyncGenerator[RunEvent]:
        started.set()
        await release.wait()
        yield RunContent(content="done")

    runs, script = LiveRuns(), Script(gated, RunSettings(db=db))
    live = runs.launch(script, await accept(script, ask(anyone=True)), log=None)
    waiter = asyncio.create_task(live.finished())
    await started.wait()
    waiter.cancel()
    await asyncio.wait([waiter])
    assert runs.get(live.run.run_id) is live
    release.set()
    await runs.close(grace=10)
    stored = await db.get_run(live.run.run_id, owner=ANYONE)
    assert stored is not None
    assert stored.status is RunStatus.COMPLETED
    assert runs.get(live.run.run_id) is None
