"""Followers see what the log holds: in order, without gaps, the same bytes live and later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from agentos.db.base import Db
from agentos.db.contracts.events import LoggedEvent
from agentos.errors import RunLostError
from agentos.run.events import Origin, RunCompleted, RunContent, RunEvent, RunStarted
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput
from agentos.run.request import RunRequest
from agentos.runner.accept import accept
from agentos.runner.events.buffer import Buffer
from agentos.runner.events.writer import LogWriter
from agentos.runner.settings import RunSettings
from tests.runner.script import Script
from tests.runner.test_runs import hello


@pytest.fixture
async def log(db: Db) -> AsyncIterator[LogWriter]:
    writer = LogWriter(db, worker_id=None)
    yield writer
    await writer.close()


async def buffer_of(db: Db, log: LogWriter, *, careful: bool = False) -> Buffer:
    script = Script(hello, RunSettings(db=db))
    job = await accept(script, RunRequest(input=RunInput(input_content="hi"), anyone=True))
    origin = Origin("agent", "script", job.run_id, job.run.session_id)
    return Buffer(origin, log=log, careful=careful)


async def close(buffer: Buffer, db: Db | None, final: RunEvent) -> None:
    buffer.end(final)
    if db is not None:
        await db.append_events({buffer.run_id: buffer.rest()}, owner=ANYONE)
    buffer.show_all()


async def lines(buffer: Buffer, after: int = 0) -> list[LoggedEvent]:
    return [line async for batch in buffer.follow_batches(after) for line in batch]


async def test_the_log_holds_exactly_what_followers_saw(db: Db, log: LogWriter) -> None:
    buffer = await buffer_of(db, log)
    follower = asyncio.create_task(lines(buffer))
    buffer.record(RunStarted())
    for word in ("a", "b", "c"):
        buffer.record(RunContent(content=word))
        await asyncio.sleep(0)
    await close(buffer, db, RunCompleted(content="abc"))
    seen = await follower
    assert [line.seq for line in seen] == [1, 2, 3, 4, 5]
    assert await db.read_events(buffer.origin.run_id, after=0, owner=ANYONE) == seen


async def test_whatever_the_reconnect_point_the_rest_is_the_same(db: Db, log: LogWriter) -> None:
    buffer = await buffer_of(db, log)
    for number in range(20):
        buffer.record(RunContent(content=str(number)) if number % 5 else RunStarted())
    await close(buffer, db, RunCompleted())
    whole = await lines(buffer)
    for after in range(len(whole) + 1):
        assert await lines(buffer, after) == whole[after:]
        assert await db.read_events(buffer.origin.run_id, after=after, owner=ANYONE) == whole[after:]


async def test_an_event_of_consequence_is_logged_before_it_is_shown(db: Db, log: LogWriter) -> None:
    buffer = await buffer_of(db, log)
    buffer.record(RunStarted())
    source = buffer.follow_batches()
    first = await anext(source)
    assert await db.read_events(buffer.origin.run_id, after=0, owner=ANYONE) == first
    buffer.record(RunContent(content="at once"))
    assert "at once" in (await anext(source))[0].text
    await source.aclose()
    await close(buffer, db, RunCompleted())


async def test_without_a_log_everything_shows_at_once() -> None:
    buffer = Buffer(Origin("agent", "a", "r", "s"), log=None)
    seen: list[RunEvent] = []

    async def follow() -> None:
        seen.extend([event async for event in buffer.follow(after=1)])

    follower = asyncio.create_task(follow())
    buffer.record(RunStarted())
    buffer.record(RunContent(content="x"))
    await close(buffer, None, RunCompleted())
    await follower
    assert [event.event for event in seen] == ["RunContent", "RunCompleted"]


async def test_nothing_of_a_durable_run_is_shown_before_it_is_logged(db: Db, log: LogWriter) -> None:
    buffer = await buffer_of(db, log, careful=True)
    source, seen = buffer.follow_batches(), []
    for word in ("a", "b", "c"):
        buffer.record(RunContent(content=word))
    while len(seen) < 3:
        seen += await anext(source)
        assert await db.read_events(buffer.run_id, after=0, owner=ANYONE) == seen
    await source.aclose()


async def test_runs_share_their_way_to_the_log(db: Db, log: LogWriter) -> None:
    buffers = [await buffer_of(db, log) for _ in range(5)]
    for number in range(20):
        for buffer in buffers:
            buffer.record(RunContent(content=str(number)))
    await log.close()
    for buffer in buffers:
        texts = [line.text for line in await db.read_events(buffer.run_id, after=0, owner=ANYONE)]
        assert len(texts) == 20
        assert [f'"content":"{number}"' in text for number, text in enumerate(texts)] == [True] * 20


async def test_a_run_that_another_process_took_hears_of_it_and_logs_nothing(db: Db, log: LogWriter) -> None:
    buffer = await buffer_of(db, log)
    stranger = Buffer(buffer.origin, log=(taken := LogWriter(db, worker_id="another")))
    stranger.record(RunStarted())
    await taken.close()
    with pytest.raises(RunLostError):
        stranger.record(RunContent(content="more"))
    assert await db.read_events(buffer.run_id, after=0, owner=ANYONE) == []
    buffer.record(RunStarted())
    await close(buffer, db, RunCompleted())
    assert len(await db.read_events(buffer.run_id, after=0, owner=ANYONE)) == 2
