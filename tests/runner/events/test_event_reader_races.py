"""Followers of runs that execute elsewhere: at a pause, and beyond the end of the log."""

import asyncio

import pytest

from agentos.db.contracts.events import LoggedEvent
from agentos.run.events import ModelRequestStarted, RunCompleted, RunPaused, RunStarted
from agentos.run.last_event import origin_of
from agentos.run.messages import Message, ToolExecution
from agentos.run.records import RunStatus
from agentos.run.wire import encode_event
from agentos.runner.events import reader
from agentos.runner.events.reader import LogReader
from tests.db.made import a_run, accepted, finished


def line(run, event, seq):
    event.origin, event.seq = origin_of(run), seq
    return LoggedEvent(seq, *encode_event(event))


async def append(db, run, *events):
    await db.append_events({run.run_id: list(events)}, owner="alice", worker_id="x")


async def paused(db):
    run = a_run()
    await accepted(db, run, worker_id="x")
    run.messages = [Message(role="user", content="Delete it")]
    run.tools = [ToolExecution(tool_call_id="1", tool_name="delete", requires_confirmation=True)]
    lines = [line(run, RunStarted(), 1), line(run, RunPaused(), 2)]
    return await finished(db, run, status=RunStatus.PAUSED, worker_id="x", events=lines)


async def seqs(batches):
    return [each.seq async for batch in batches for each in batch]


@pytest.mark.parametrize("after", [0, 2])
async def test_who_found_a_run_paused_sees_how_it_goes_on(db, after):
    run, tails = await paused(db), LogReader(db)
    assert await seqs(tails.follow(run, after)) == [1, 2][after:]
    await db.reopen_run(run, {}, worker_id="x", owner="alice")
    await append(db, run, line(run, ModelRequestStarted(), 3))
    batches = tails.follow(run, after)
    assert [each.seq for each in await anext(batches)] == [1, 2, 3][after:]
    rest = asyncio.create_task(seqs(batches))
    assert not (await asyncio.wait([rest], timeout=0.3))[0]
    ended = run.model_copy()
    await finished(db, ended, worker_id="x", events=[line(run, RunCompleted(), 4)])
    tails.news(run.run_id)
    assert await rest == [4]


async def test_who_asks_for_more_than_there_is_slows_nobody_down(db, monkeypatch):
    monkeypatch.setattr(reader, "LOOK_SECONDS", 1000)
    run, tails = a_run(), LogReader(db)
    await accepted(db, run, worker_id="x")
    await append(db, run, line(run, RunStarted(), 1))
    beyond = asyncio.create_task(seqs(tails.follow(run, 50)))
    await asyncio.sleep(0)  # it comes first
    batches = tails.follow(run, 0)
    assert [each.seq for each in await anext(batches)] == [1]
    following = asyncio.create_task(anext(batches))
    await tails.close()
    await append(db, run, line(run, ModelRequestStarted(), 2))
    async with asyncio.timeout(10):
        while not following.done():
            tails.news(run.run_id)
            await tails.close()
    assert [each.seq for each in await following] == [2]
    beyond.cancel()
    await asyncio.wait([beyond])
    await batches.aclose()
