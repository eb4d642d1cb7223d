"""Followers see what the log holds: in order, without gaps, the same bytes live and later."""

from __future__ import annotations

import asyncio

from agentos.db.base import Db, LoggedEvent
from agentos.run.events import Origin, RunCompleted, RunContent, RunEvent, RunStarted
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput
from agentos.runner.accept import RunArguments, accept
from agentos.runner.journal import Journal
from agentos.runner.settings import RunSettings
from tests.runner.script import Script
from tests.runner.test_runs import hello


async def journal_of(db: Db) -> Journal:
    script = Script(hello, RunSettings(db=db))
    context = await accept(script, RunArguments(input=RunInput(input_content="hi")), owner=ANYONE)
    origin = Origin("agent", "script", context.run_id, context.session_id)
    return Journal(origin, log=db, owner=ANYONE)


async def lines(journal: Journal, after: int = 0) -> list[LoggedEvent]:
    return [line async for batch in journal.follow_batches(after) for line in batch]


async def test_the_log_holds_exactly_what_followers_saw(db: Db) -> None:
    journal = await journal_of(db)
    follower = asyncio.create_task(lines(journal))
    journal.record(RunStarted())
    for word in ("a", "b", "c"):
        journal.record(RunContent(content=word))
        await asyncio.sleep(0)
    await journal.close(RunCompleted(content="abc"))
    seen = await follower
    assert [line.seq for line in seen] == [1, 2, 3, 4, 5]
    assert await db.read_events(journal.origin.run_id, after=0, owner=ANYONE) == seen


async def test_whatever_the_reconnect_point_the_rest_is_the_same(db: Db) -> None:
    journal = await journal_of(db)
    for number in range(20):
        journal.record(RunContent(content=str(number)) if number % 5 else RunStarted())
    await journal.close(RunCompleted())
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
    await journal.close(RunCompleted())


async def test_without_a_log_everything_shows_at_once() -> None:
    journal = Journal(Origin("agent", "a", "r", "s"), log=None, owner=ANYONE)
    seen: list[RunEvent] = []

    async def follow() -> None:
        seen.extend([event async for event in journal.follow(after=1)])

    follower = asyncio.create_task(follow())
    journal.record(RunStarted())
    journal.record(RunContent(content="x"))
    await journal.close(RunCompleted())
    await follower
    assert [event.event for event in seen] == ["RunContent", "RunCompleted"]
