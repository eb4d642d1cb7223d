"""What durable steps add and append is part of their records, and done again exactly once."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from agentos.errors import ModelError, StateTooLargeError
from agentos.run.events import RunContent
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunStatus
from agentos.run.request import RunRequest
from agentos.run.text import json_of
from agentos.runner.durable.steps import RecordedSteps, StepRecord, recording
from agentos.runner.service import RunService
from agentos.runner.settings import RunSettings
from tests.runner.durable.segments import all_of, context_of
from tests.runner.script import Script, probe


class Records:
    """A `Recorder` that keeps the JSON of its records, and takes no more than `most`."""

    def __init__(self, recorded=None, most=1000):
        self.recorded = recorded or {}
        self.kept = dict(self.recorded)
        self.most = most

    async def record(self, name, record):
        if len(self.kept) >= self.most:
            await asyncio.Event().wait()
        self.kept[name] = StepRecord(**from_json(json_of(record.plain())))


def begun(records, state=None, *, max_state=1024):
    """The run in a process that begins it, for the first time or again."""
    recording.set(records)
    context = context_of("r")
    context.session_state = state or {}
    context.steps = RecordedSteps(context, max_state=max_state)
    return context


def doing(change, *, answer="done"):
    async def source():
        change()
        yield answer

    return source


def adding(context, n):
    return doing(lambda: context.state.add("n", n))


async def test_a_record_has_merges_apart_from_assignments_and_nothing_without_them():
    records = Records()
    context = begun(records, {"n": 1, "kept": 1})
    state = context.state
    await all_of(context.steps("none", doing(lambda: None)))
    await all_of(context.steps("add", adding(context, 2)))
    await all_of(context.steps("append", doing(lambda: state.append("items", {"a": 1}))))
    await all_of(context.steps("put", doing(lambda: state.values.update(n=7))))
    assert "merged" not in records.kept["none"].plain()
    assert {name: (each.put, each.merged) for name, each in records.kept.items()} == {
        "none": ({}, {}),
        "add": ({}, {"n": 2}),
        "append": ({}, {"items": [{"a": 1}]}),
        "put": ({"n": 7}, {}),
    }
    again = begun(Records(records.kept), {"n": 1, "kept": 1})
    for name in ("none", "add", "append", "put"):
        await all_of(again.steps(name, doing(lambda: pytest.fail("it was recorded"))))
    assert again.session_state == {"n": 7, "kept": 1, "items": [{"a": 1}]}
    assert again.state.merged_since({"n": 1, "kept": 1})[1] == {"items": [{"a": 1}]}


async def test_a_step_that_failed_is_merged_and_one_whose_state_was_too_large_is_not():
    async def failing():
        context.state.add("n", 1)
        yield "half"
        raise ModelError("The model is away.")

    records = Records()
    context = begun(records, max_state=100)
    with pytest.raises(ModelError):
        await all_of(context.steps("failing", failing))
    with pytest.raises(StateTooLargeError):
        await all_of(context.steps("big", doing(lambda: context.state.append("items", "x" * 200))))
    await all_of(context.steps("add", adding(context, 1)))
    assert [each.merged for each in records.kept.values()] == [{"n": 1}, {}, {"n": 1}]
    assert context.state.merged_since({}) == ({"n": 2}, {"n": 2})


async def test_the_merges_of_inner_steps_are_those_of_the_outer_one_too():
    async def outer():
        await all_of(context.steps("outer/inner", adding(context, 1)))
        context.state.add("n", 10)
        if died.is_set():
            await asyncio.Event().wait()
        yield "done"

    died = asyncio.Event()
    died.set()
    records = Records()
    context = begun(records)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await all_of(context.steps("outer", outer))
    assert [*records.kept] == ["outer/inner"]
    died.clear()
    records = Records(records.kept)
    context = begun(records)
    await all_of(context.steps("outer", outer))
    assert context.state.merged_since({}) == ({"n": 11}, {"n": 11})
    context = begun(Records(records.kept))
    await all_of(context.steps("outer", outer))
    assert context.state.merged_since({}) == ({"n": 11}, {"n": 11})


async def test_steps_that_are_asked_for_in_another_order_end_in_the_same_state():
    records = Records()
    context = begun(records)
    await all_of(context.steps("put", doing(lambda: context.state.values.update(n=5))))
    await all_of(context.steps("add", adding(context, 1)))
    for order in (["put", "add"], ["add", "put"]):
        again = begun(Records(records.kept))
        for name in order:
            await all_of(again.steps(name, doing(lambda: None)))
        assert again.session_state == {"n": 6}


@settings(max_examples=60, deadline=None)
@given(
    amounts=st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 3)), min_size=1, max_size=6),
    most=st.integers(0, 6),
    order=st.randoms(use_true_random=False),
)
async def test_parallel_steps_are_merged_once_wherever_the_process_dies(amounts, most, order):
    """Each step adds twice, so that others come between."""

    async def play(context):
        def source_of(number, amount, turns):
            async def source():
                context.state.add("n", amount)
                context.state.append("items", number)
                for _ in range(turns):
                    await asyncio.sleep(0)
                context.state.add("n", 1)
                yield number

            return source

        names = [*range(len(amounts))]
        order.shuffle(names)
        await asyncio.gather(
            *(all_of(context.steps(str(name), source_of(name, *amounts[name]))) for name in names)
        )

    records = Records(most=most)
    task = asyncio.create_task(play(begun(records)))
    for _ in range(100):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    context = begun(Records(records.kept))
    await play(context)
    after, merged = context.state.merged_since({})
    assert merged == after
    assert after["n"] == sum(amount + 1 for amount, _ in amounts)
    assert sorted(after["items"]) == [*range(len(amounts))]


async def test_a_nested_run_that_had_ended_has_changed_the_state_of_a_run_that_is_taken_over(db):
    reached, release = asyncio.Event(), asyncio.Event()
    takes = []

    async def leaf(context):
        takes.append(context.run.input.input_content)

        def change():
            context.state.add("n", 1)
            context.state.append("items", "x")
            context.session_state["put"] = context.run.input.input_content

        await all_of(context.steps("tool-1", doing(change)))
        yield RunContent(content="done")

    async def middle(context):
        yield RunContent(content="I ask.")
        await context.child(probe("leaf", leaf), "deep", name="leaf")

    async def root(context):
        yield RunContent(content="I ask.")
        await context.child(probe("leaf", leaf), "one", name="one")
        await context.child(probe("middle", middle), "two", name="two")
        reached.set()
        await release.wait()
        context.run.content = "done"

    script = Script(root, RunSettings(db=db, durable=True))
    request = RunRequest(input=RunInput(input_content="hi"), session_id="s", anyone=True)
    runs = RunService([script], [db])
    async with runs.running(grace=0):
        started = await runs.start(script, request)
        async with asyncio.timeout(20):
            await reached.wait()
    assert (await db.get_session("s", owner=ANYONE)).session_state == {}
    reached.clear()
    release.set()
    async with asyncio.timeout(60), RunService([script], [db]).running(grace=5):
        while await db.run_status(started.run.run_id, owner=ANYONE) is not RunStatus.COMPLETED:
            await asyncio.sleep(0.02)
    assert takes == ["one", "deep"]
    expected = {"n": 2, "items": ["x", "x"], "put": "deep"}
    assert (await db.get_session("s", owner=ANYONE)).session_state == expected
