"""Sync functions that take the run or its state run one at a time in a tree of runs."""

from __future__ import annotations

import asyncio
import os
from threading import Event, Lock
from typing import Any

import pytest

from agentos.agent import Agent
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.run.events import RunContent
from agentos.run.runnable import RunContext
from agentos.team import Team
from agentos.tools import Tool, ToolResult, tool
from tests.agent.models import call
from tests.runner.script import probe

CALLS = 50


def slowly_increased(state: dict[str, Any]) -> None:
    """An increment that loses others, if they run meanwhile."""
    n = state.get("n", 0)
    for _ in range(20):
        os.sched_yield()
    state["n"] = n + 1


def increase(context: RunContext) -> str:
    """Increases."""
    slowly_increased(context.session_state)
    return "done"


def increase_state(session_state: dict[str, Any]) -> str:
    """Increases."""
    slowly_increased(session_state)
    return "done"


def calling(*tools: Any, times: int) -> Agent:
    """An agent whose model calls its tools in turn, so many times at once."""

    def answer(request: ModelRequest) -> ModelResponse:
        if request.messages[-1].role == "tool":
            return ModelResponse(content="done")
        names = [tools[number % len(tools)].__name__ for number in range(times)]
        return ModelResponse(
            tool_calls=[call(name, call_id=f"c{number}") for number, name in enumerate(names)]
        )

    return Agent(model=FunctionModel(answer), tools=[*tools])


async def test_parallel_calls_of_one_run_lose_no_increment():
    run = await calling(increase, increase_state, times=CALLS).arun("go")
    assert run.session_state == {"n": CALLS}


async def test_parallel_calls_of_nested_runs_lose_no_increment():
    member = calling(increase, increase_state, times=10)

    async def lead(context: RunContext):
        yield RunContent(content="I ask.")
        await asyncio.gather(*(context.child(member, "go", name=f"m{number}") for number in range(5)))
        context.run.content = "done"

    run = await probe("lead", lead).arun("go")
    assert run.session_state == {"n": CALLS}


async def test_async_functions_and_those_without_the_run_overlap(context: RunContext):
    both, entered = asyncio.Barrier(2), []

    async def meet(context: RunContext) -> str:
        await both.wait()
        return "met"

    lock, met = Lock(), Event()

    def meet_in_threads() -> str:
        with lock:
            entered.append(1)
            if len(entered) == 2:
                met.set()
        return str(met.wait(20))

    async with asyncio.timeout(20):
        assert (
            await asyncio.gather(*(Tool.of(meet).call("", context) for _ in range(2)))
            == [ToolResult("met")] * 2
        )
        assert (
            await asyncio.gather(*(Tool.of(meet_in_threads).call("", context) for _ in range(2)))
            == [ToolResult("True")] * 2
        )


async def test_a_call_that_hangs_gives_up_its_turn(context: RunContext):
    go_on, went_on = Event(), Event()

    @tool(timeout=0.2)
    def hang(context: RunContext) -> str:
        go_on.wait(30)
        context.state.add("n", 10)
        went_on.set()
        return "late"

    hanging = [asyncio.create_task(hang.call("", context)) for _ in range(2)]
    await asyncio.sleep(0)  # they are first in line
    async with asyncio.timeout(20):
        assert await Tool.of(increase).call("", context) == ToolResult("done")
    assert [task.done() for task in hanging] == [True, True]
    assert [(await task).content for task in hanging] == ["hang gave no answer within 0.2 seconds."] * 2
    go_on.set()
    assert await asyncio.to_thread(went_on.wait, 20)
    assert context.session_state["n"] in (11, 21)


async def test_waiting_for_the_turn_takes_nothing_from_a_calls_time(context: RunContext):
    @tool(timeout=0.2)
    def quick(context: RunContext) -> str:
        return "quick"

    async with context.state.turn:
        waiting = asyncio.create_task(quick.call("", context))
        await asyncio.wait([waiting], timeout=0.4)
        assert not waiting.done()
    assert await waiting == ToolResult("quick")


async def test_what_a_function_returns_is_awaited_without_the_turn(context: RunContext):
    async def inner() -> str:
        return (await Tool.of(increase).call("", context)).content

    def outer(context: RunContext) -> object:
        return inner()

    async with asyncio.timeout(20):
        assert await Tool.of(outer).call("", context) == ToolResult("done")
    assert not context.state.turn.locked()


async def test_a_cancelled_call_gives_up_its_turn(context: RunContext):
    entered, go_on = Event(), Event()

    def hang(context: RunContext) -> str:
        entered.set()
        return str(go_on.wait(30))

    hanging = asyncio.create_task(Tool.of(hang).call("", context))
    await asyncio.to_thread(entered.wait, 20)
    hanging.cancel()
    assert await Tool.of(increase).call("", context) == ToolResult("done")
    go_on.set()


READER = FunctionModel(lambda _: ModelResponse(content="ok"))


def told(context: RunContext) -> str:
    context.session_state["n"] = context.session_state.get("n", 0) + 1
    return "Be brief."


def staffed(context: RunContext) -> list[Agent]:
    told(context)
    return [Agent(id="reader", model=READER)]


@pytest.mark.parametrize(
    "reader", [Agent(model=READER, instructions=told), Team(name="Readers", model=READER, members=staffed)]
)
async def test_sync_instructions_and_members_that_take_the_run_wait_for_their_turn(reader: Agent | Team):
    entered, go_on = Event(), Event()

    def hold(context: RunContext) -> str:
        """Holds."""
        n = context.session_state.get("n", 0)
        entered.set()
        go_on.wait(30)
        context.session_state["n"] = n + 1
        return "done"

    async def lead(context: RunContext):
        yield RunContent(content="I ask.")
        holding = asyncio.create_task(context.child(calling(hold, times=1), "go", name="holder"))
        await asyncio.to_thread(entered.wait, 20)
        reading = asyncio.create_task(context.child(reader, "go", name="reader"))
        await asyncio.wait([reading], timeout=0.1)
        go_on.set()
        await asyncio.gather(holding, reading)

    assert (await probe("lead", lead).arun("go")).session_state == {"n": 2}
