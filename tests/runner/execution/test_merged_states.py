"""Runs of a session that overlap, and what each says of the state that they leave."""

from __future__ import annotations

import asyncio

import pytest

from agentos.db.postgres import PostgresDb
from agentos.run.events import RunCompleted, RunContent
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunStatus
from agentos.run.request import RunRequest
from agentos.run.wire import decode_event
from agentos.runner.service import RunService
from agentos.runner.settings import RunSettings
from tests.runner.script import Script, probe


def ask(text, **fields):
    return RunRequest(input=RunInput(input_content=text), session_id="s", anyone=True, **fields)


class Meeting:
    """Runs that change the state, and end when all of them have begun."""

    def __init__(self, change, parties):
        self.change, self.all = change, asyncio.Barrier(parties)

    async def __call__(self, context):
        async def step():
            self.change(context.state, context.run.input.input_content)
            yield "done"

        async for _ in context.steps("tool-1", step):
            yield RunContent(content="done")
        await self.all.wait()
        context.run.content = "done"


async def played(db, change, *texts, durable=False):
    """The runs of one session, and the final events that their followers saw."""
    script = Script(Meeting(change, len(texts)), RunSettings(db=db, durable=durable))
    runs = RunService([script], [db])
    async with asyncio.timeout(30), runs.running(grace=5):
        started = [await runs.start(script, ask(text)) for text in texts]
        ended = [await runs.finished(script, each) for each in started]
        shown = [[batch async for batch in each.live.buffer.follow_batches()] for each in started]
    return ended, [decode_event(batches[-1][-1].text) for batches in shown]


def counting(state, text):
    state.add("n", 1)
    state.append("items", text)


@pytest.mark.parametrize("durable", [False, True])
async def test_overlapping_runs_each_say_the_state_that_they_left(db, durable):
    runs, finals = await played(db, counting, "a", "b", "c", durable=durable)
    stored = (await db.get_session("s", owner=ANYONE)).session_state
    assert (stored["n"], sorted(stored["items"])) == (3, ["a", "b", "c"])
    assert sorted(run.session_state["n"] for run in runs) == [1, 2, 3]
    for run, final in zip(runs, finals, strict=True):
        assert isinstance(final, RunCompleted)
        after = await db.state_after(run.run_id, owner=ANYONE)
        assert run.session_state == final.session_state == after
        (*_, logged) = await db.read_events(run.run_id, after=0, owner=ANYONE)
        assert decode_event(logged.text) == final


async def test_a_plain_assignment_replaces_what_others_added(db):
    def change(state, text):
        state.add("n", 5)
        if text == "sets":
            state.values["n"] = 1

    runs, _ = await played(db, change, "adds", "sets")
    last = max(runs, key=lambda run: run.session_state["n"])
    stored = (await db.get_session("s", owner=ANYONE)).session_state["n"]
    assert stored in (1, 6)
    assert last.session_state["n"] in (5, 6)


@pytest.mark.parametrize("durable", [False, True])
async def test_a_merged_state_that_is_too_large_fails_the_run_that_comes_last(database, durable):
    db = PostgresDb(database, max_state_bytes=200)
    await db.start()
    runs, _ = await played(db, lambda state, _: state.append("big", "x" * 120), "a", "b", durable=durable)
    assert sorted(run.status for run in runs) == [RunStatus.COMPLETED, RunStatus.ERROR]
    assert {run.error_type for run in runs} == {None, "state_too_large"}
    assert (await db.get_session("s", owner=ANYONE)).session_state == {"big": ["x" * 120]}
    await db.close()


async def test_nested_runs_merge_with_their_root(db):
    async def leaf(context):
        context.state.add("n", 1)
        yield RunContent(content="done")

    async def root(context):
        yield RunContent(content="I ask.")
        leaves = (context.child(probe("leaf", leaf), "go", name=f"leaf-{each}") for each in range(5))
        await asyncio.gather(*leaves)
        await together.wait()
        context.run.content = "done"

    together = asyncio.Barrier(2)
    script = Script(root, RunSettings(db=db))
    runs = RunService([script], [db])
    async with asyncio.timeout(20), runs.running(grace=5):
        started = [await runs.start(script, ask(text)) for text in "ab"]
        ended = [await runs.finished(script, each) for each in started]
    assert sorted(run.session_state["n"] for run in ended) == [5, 10]
    assert (await db.get_session("s", owner=ANYONE)).session_state == {"n": 10}


async def test_without_a_database_the_live_state_is_all_there_is():
    async def play(context):
        counting(context.state, "a")
        context.state.add("n", 1)
        yield RunContent(content="done")

    assert (await Script(play).arun("hi")).session_state == {"n": 2, "items": ["a"]}
