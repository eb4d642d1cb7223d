"""Followers see what the log holds: in order, without gaps, the same bytes live and later."""

from __future__ import annotations

import asyncio

import pytest

from agentos.db.base import Db, LoggedEvent
from agentos.errors import RunLostError
from agentos.run.events import Origin, RunCompleted, RunContent, RunEvent, RunStarted
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput
from agentos.runner.accept import RunArguments, accept
from agentos.runner.events.buffer import Journal
from agentos.runner.events.writer import EventLog
from agentos.runner.settings import RunSettings
from tests.runner.script import Script
from tests.runner.test_runs import hello


async def journal_of(db: Db, *, careful: bool = False) -> Journal:
    script = Script(hello, RunSettings(db=db))
    job = await accept(script, RunArguments(input=RunInput(input_content="hi")), owner=ANYONE)
    origin = Origin("agent", "script", job.run_id, job.run.session_id)
    return Journal(origin, log=EventLog(db, executor_id=None), careful=careful)


async def close(journal: Journal, db: Db | None, final: RunEvent) -> None:
    journal.end(final)
    if db is not None:
        await db.append_events({journal.run_id: journal.rest()}, owner=ANYONE)
    journal.show_all()


async def lines(journal: Journal, after: int = 0) -> list[LoggedEvent]:
    return [line async for batch in journal.follow_batches(after) for line in batch]


async def test_the_log_holds_exactly_what_followers_saw(db: Db) -> None:
    journal = await journal_of(db)
    follower = asyncio.create_task(lines(journal))
    journal.record(RunStarted())
    for word in ("a", "b", "c"):
        journal.record(RunContent(content=word))
        await asyncio.sleep(0)
    await close(journal, db, RunCompleted(content="abc"))
    seen = await follower
    assert [line.seq for line in seen] == [1, 2, 3, 4, 5]
    assert await db.read_events(journal.origin.run_id, after=0, owner=ANYONE) == seen


async def test_whatever_the_reconnect_point_the_rest_is_the_same(db: Db) -> None:
    journal = await journal_of(db)
    for number in range(20):
        journal.record(RunContent(content=str(number)) if number % 5 else RunStarted())
    await close(journal, db, RunCompleted())
    whole = await lines(journal)
    for after in range(len(whole) + 1):
        assert await lines(journal, after) == whole[after:]
        assert await db.read_events(journal.origin.run_id, after=after, owner=ANYONE) == whole[after:]


async def test_an_event_of_consequence_is_logged_before_it_is_shown(db: Db) -> None:
    journal = await journal_of(db)
    journal.record(RunStarted())
    source = journal.follow_batches()
    first = await anext(source)
    assert await db.read_events(journal.origin.run_id, after=0, owner=ANYONE) == first
    journal.record(RunContent(content="at once"))
    assert "at once" in (await anext(source))[0].text
    await source.aclose()
    await close(journal, db, RunCompleted())


async def test_without_a_log_everything_shows_at_once() -> None:
    journal = Journal(Origin("agent", "a", "r", "s"), log=None)
    seen: list[RunEvent] = []

    async def follow() -> None:
        seen.extend([event async for event in journal.follow(after=1)])

    follower = asyncio.create_task(follow())
    journal.record(RunStarted())
    journal.record(RunContent(content="x"))
    await close(journal, None, RunCompleted())
    await follower
    assert [event.event for event in seen] == ["RunContent", "RunCompleted"]


async def test_nothing_of_a_durable_run_is_shown_before_it_is_logged(db: Db) -> None:
    journal = await journal_of(db, careful=True)
    source, seen = journal.follow_batches(), []
    for word in ("a", "b", "c"):
        journal.record(RunContent(content=word))
    while len(seen) < 3:
        seen += await anext(source)
        assert await db.read_events(journal.run_id, after=0, owner=ANYONE) == seen
    await source.aclose()


async def test_runs_share_their_way_to_the_log(db: Db) -> None:
    log = EventLog(db, executor_id=None)
    journals = [await journal_of(db) for _ in range(5)]
    shared = [Journal(journal.origin, log=log) for journal in journals]
    for number in range(20):
        for journal in shared:
            journal.record(RunContent(content=str(number)))
    await log.close()
    for journal in shared:
        texts = [line.text for line in await db.read_events(journal.run_id, after=0, owner=ANYONE)]
        assert len(texts) == 20
        assert [f'"content":"{number}"' in text for number, text in enumerate(texts)] == [True] * 20


async def test_a_run_that_another_process_took_hears_of_it_and_logs_nothing(db: Db) -> None:
    journal = await journal_of(db)
    stranger = Journal(journal.origin, log=(log := EventLog(db, executor_id="another")))
    stranger.record(RunStarted())
    await log.close()
    with pytest.raises(RunLostError):
        stranger.record(RunContent(content="more"))
    assert await db.read_events(journal.run_id, after=0, owner=ANYONE) == []
    journal.record(RunStarted())
    await close(journal, db, RunCompleted())
    assert len(await db.read_events(journal.run_id, after=0, owner=ANYONE)) == 2
