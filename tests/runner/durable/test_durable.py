import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

from agentos.errors import ModelError, RunLostError
from agentos.models.base import ModelDelta, ModelResponse
from agentos.tools.result import ToolResult
from tests.conftest import a_database
from tests.runner.durable.segments import (
    Segments,
    Source,
    all_of,
    engine,
    held,
    outputs,
    rows,
    until,
    workflows,
)

FOREVER = 3600


@pytest.fixture(scope="module")
def url(server_url) -> Iterator[str]:
    with a_database(server_url, "template1") as made:
        yield made


@pytest.fixture
def segments() -> Segments:
    return Segments()


async def test_a_run_executes_in_the_loop_that_launched_the_engine_and_is_forgotten(url, segments):
    async def body(steps, context):
        await all_of(steps("one", Source(1)))
        return asyncio.get_running_loop()

    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        await durable.start(run_id, 0)
        assert await segments.outcome(run_id) is asyncio.get_running_loop()
    assert workflows(url, run_id) == []
    assert outputs(url, run_id) == []


async def test_completed_steps_are_not_repeated_after_a_hand_over(url, segments):
    answer = ModelResponse(content="Hello", tool_calls=[])
    model, tool = Source(ModelDelta("Hel"), ModelDelta("lo"), answer), Source(ToolResult("4"))
    late = held(ToolResult("late"))

    async def body(steps, context):
        return [await all_of(steps(name, source)) for name, source in named.items()]

    named = {"model-1": model, "tool-1-0": tool, "tool-1-1": late}
    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        await durable.start(run_id, 0)
        await late.reached.wait()
    assert isinstance(await segments.outcome(run_id), asyncio.CancelledError)
    assert late.is_closed
    assert workflows(url, run_id) == [("PENDING",)]

    late.go_on.set()
    async with engine(url, segments.execute) as durable:
        assert await durable.resume(run_id, 0)
        assert await segments.outcome(run_id) == [[answer], [ToolResult("4")], [ToolResult("late")]]
    assert (model.calls, tool.calls, late.calls) == (1, 1, 2)
    assert workflows(url, run_id) == []


async def test_the_pieces_of_a_step_are_shown_as_they_come(url, segments):
    source = held(ModelDelta("a"), ModelResponse(content="a"))
    shown: asyncio.Queue[object] = asyncio.Queue()

    async def body(steps, context):
        async for item in steps("model-1", source):
            shown.put_nowait(item)

    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        await durable.start(run_id, 0)
        assert await shown.get() == ModelDelta("a")
        assert outputs(url, run_id) == []
        source.go_on.set()
        assert await shown.get() == ModelResponse(content="a")


async def test_parallel_steps_may_be_asked_for_in_any_order(url, segments):
    first, second, third = Source("1"), held("2"), Source("3")
    order = ["first", "second", "third"]

    async def body(steps, context):
        named = {"first": first, "second": second, "third": third}
        tasks = {name: asyncio.create_task(all_of(steps(name, named[name]))) for name in order}
        await asyncio.wait({tasks["first"], tasks["third"]})
        second.reached.set()
        return {name: await task for name, task in tasks.items()}

    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        await durable.start(run_id, 0)
        await until(lambda: len(outputs(url, run_id)) == 2)
    order.reverse()
    second.go_on.set()
    await segments.outcome(run_id)
    async with engine(url, segments.execute) as durable:
        assert await durable.resume(run_id, 0)
        assert await segments.outcome(run_id) == {"third": ["3"], "second": ["2"], "first": ["1"]}
    assert [first.calls, second.calls, third.calls] == [1, 2, 1]


async def test_what_steps_did_to_the_state_is_done_again_in_the_order_they_ended(url, segments):
    last = held("end")

    async def body(steps, context):
        def adding(amount: int, after: asyncio.Event | None, done: asyncio.Event):
            async def source():
                if after:
                    await after.wait()
                context.session_state["sum"] = context.session_state.get("sum", 0) + amount
                context.session_state.pop("kept", None)
                yield amount
                done.set()

            return source

        early, late = asyncio.Event(), asyncio.Event()
        waiting = asyncio.create_task(all_of(steps("b", adding(10, early, late))))
        await all_of(steps("a", adding(1, None, early)))
        await waiting
        state = dict(context.session_state)
        await all_of(steps("last", last))
        return state

    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        await durable.start(run_id, 0)
        await last.reached.wait()
    last.go_on.set()
    await segments.outcome(run_id)
    async with engine(url, segments.execute) as durable:
        assert await durable.resume(run_id, 0)
        assert await segments.outcome(run_id) == {"sum": 11}


async def test_a_failed_step_fails_again_without_being_repeated(url, segments):
    calls = 0

    async def failing():
        nonlocal calls
        calls += 1
        yield ModelDelta("I")
        raise ModelError("The model's provider is away.", code="model_unavailable")

    stay = asyncio.Event()

    async def body(steps, context):
        try:
            return await all_of(steps("model-1", failing))
        except Exception:
            if calls == 1 and not stay.is_set():
                stay.set()
                await asyncio.sleep(FOREVER)
            raise

    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        await durable.start(run_id, 0)
        await stay.wait()
    await segments.outcome(run_id)
    async with engine(url, segments.execute) as durable:
        assert await durable.resume(run_id, 0)
        error = await segments.outcome(run_id)
    assert (str(error), error.code, calls) == ("The model's provider is away.", "model_unavailable", 1)


async def test_a_foreign_exception_leaves_no_text_behind(url, segments, caplog):
    async def failing():
        yield ModelDelta("I")
        raise OSError("password=hunter2")

    async def body(steps, context):
        await all_of(steps("model-1", failing))

    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        await durable.start(run_id, 0)
        await segments.outcome(run_id)
    assert outputs(url, run_id) == []
    assert workflows(url, run_id) == [("PENDING",)]
    assert f"Run {run_id} stopped here" in caplog.text
    assert "hunter2" not in str(rows(url, "SELECT * FROM dbos.workflow_status"))


@pytest.mark.parametrize("theirs", ["one", "other"])
@pytest.mark.parametrize("finished", [False, True])
async def test_whoever_lost_a_run_records_nothing_more(url, segments, caplog, theirs, finished):
    slow, last = held("slow"), held("last")
    bodies = 0

    async def body(steps, context):
        nonlocal bodies
        bodies += 1
        if bodies == 1:
            return await all_of(steps(theirs, slow))
        return [
            await all_of(steps(name, source)) for name, source in {"one": Source("one"), "last": last}.items()
        ]

    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        await durable.start(run_id, 0)
        await slow.reached.wait()
        assert await durable.resume(run_id, 0)
        await last.reached.wait()
        if finished:
            last.go_on.set()
            assert await segments.outcome(run_id) == [["one"], ["last"]]
            await until(lambda: workflows(url, run_id) == [])
        slow.go_on.set()
        assert isinstance(await segments.outcome(run_id), RunLostError)
        last.go_on.set()
        await until(lambda: workflows(url, run_id) == [])
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_result_that_is_there_is_recorded_before_a_cancellation_gets_through(url, segments):
    writing, go_on = threading.Event(), threading.Event()

    class Slow:
        """Takes a moment to write, and says so."""

        def __deepcopy__(self, memo):
            return self

        def __str__(self) -> str:
            writing.set()
            assert go_on.wait(20)
            return "slow"

    async def body(steps, context):
        async def source():
            context.session_state["slow"] = Slow()
            yield 1

        return await all_of(steps("one", source))

    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        await durable.start(run_id, 0)
        await asyncio.to_thread(writing.wait, 20)
        closing = asyncio.create_task(durable.close())
        await asyncio.sleep(0)
        go_on.set()
        await closing
    assert [name for name, *_ in outputs(url, run_id)] == ["one"]


async def test_what_cannot_be_recorded_is_refused_and_its_twin_is_not(url, segments):
    async def body(steps, context):
        for place, good in enumerate([None, {"a": [1, 2.5, "x", None]}, ToolResult("x", error=True)]):
            assert await all_of(steps(f"good-{place}", Source(good))) == [good]
        await all_of(steps("bad", Source(object())))

    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        await durable.start(run_id, 0)
        error = await segments.outcome(run_id)
    assert isinstance(error, TypeError)
    assert "object" in str(error)


async def test_two_steps_of_one_name_are_refused(url, segments):
    async def body(steps, context):
        await all_of(steps("one", Source(1)))
        await all_of(steps("one", Source(1)))

    run_id = segments.run(body)
    async with engine(url, segments.execute) as durable:
        await durable.start(run_id, 0)
        assert isinstance(await segments.outcome(run_id), ValueError)
