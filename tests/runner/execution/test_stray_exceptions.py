"""What isn't an Exception, raised by functions that aren't ours, ends no process and hangs no run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from agentos.agent import Agent
from agentos.models.base import ModelRequest
from agentos.models.function import FunctionModel
from agentos.run.events import RunContent, RunEvent
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunStatus
from agentos.run.request import RunRequest
from agentos.run.runnable import RunContext
from agentos.runner.service import RunService
from agentos.runner.settings import RunSettings
from tests.agent.models import call, scripted
from tests.runner.script import Script, probe


class Panic(BaseException):
    """As extensions written in Rust raise it."""


STRAY = [Panic, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError]


async def status_of(runnable, db) -> tuple[RunStatus, str]:
    """How the run ends at a server, and for whom it is stored."""
    runs = RunService([runnable], [db])
    async with asyncio.timeout(20), runs.running(grace=0):
        started = await runs.start(runnable, RunRequest(input=RunInput(input_content="go"), anyone=True))
        run = await runs.finished(runnable, started)
    stored = await db.get_run(run.run_id, owner=ANYONE)
    assert stored.status is run.status
    return run.status, run.error_type or str(run.content)


@pytest.mark.parametrize("error", STRAY)
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("streamed", [False, True], ids=["at once", "later"])
async def test_a_run_whose_runnable_raises_it_fails(db, error, durable, streamed):
    async def play(context: RunContext) -> AsyncGenerator[RunEvent]:
        if streamed:
            yield RunContent(content="so far")
            await asyncio.sleep(0)
        raise error

    script = Script(play, RunSettings(db=db, durable=durable))
    assert await status_of(script, db) == (RunStatus.ERROR, "internal_error")


@pytest.mark.parametrize("error", STRAY)
async def test_so_does_one_whose_nested_run_raises_it(db, error):
    async def fail(context: RunContext) -> AsyncGenerator[RunEvent]:
        raise error
        yield

    async def play(context: RunContext) -> AsyncGenerator[RunEvent]:
        run = await context.child(probe("inner", fail), RunInput(input_content="go"), name="inner")
        context.run.content = run.status.value
        yield RunContent(content=run.status.value)

    assert await status_of(Script(play, RunSettings(db=db)), db) == (RunStatus.COMPLETED, "ERROR")


@pytest.mark.parametrize("error", STRAY)
@pytest.mark.parametrize("durable", [False, True])
async def test_so_does_one_whose_model_or_instructions_raise_it(db, error, durable):
    def respond(request: ModelRequest) -> str:
        raise error

    def instructions() -> str:
        raise error

    failing = Agent(id="a", model=FunctionModel(respond), db=db, durable=durable)
    assert await status_of(failing, db) == (RunStatus.ERROR, "internal_error")
    misled = Agent(id="b", model=scripted("hi")[0], instructions=instructions, db=db, durable=durable)
    assert await status_of(misled, db) == (RunStatus.ERROR, "internal_error")


@pytest.mark.parametrize("error", STRAY)
@pytest.mark.parametrize("durable", [False, True])
async def test_a_call_whose_tool_raises_it_fails_and_the_run_goes_on(db, error, durable):
    def panic() -> str:
        raise error

    async def panic_later() -> str:
        await asyncio.sleep(0)
        raise error

    model, requests = scripted([call("panic", {}), call("panic_later", {})], "Done.")
    agent = Agent(id="a", model=model, tools=[panic, panic_later], db=db, durable=durable)
    assert await status_of(agent, db) == (RunStatus.COMPLETED, "Done.")
    answers = [message.content for message in requests[-1].messages if message.role == "tool"]
    assert answers == [f"panic failed with {error.__name__}.", f"panic_later failed with {error.__name__}."]


async def test_a_tool_may_wait_for_what_it_cancelled_itself(db):
    async def impatient() -> str:
        task = asyncio.ensure_future(asyncio.Event().wait())
        task.cancel()
        await task
        return "never"

    model, requests = scripted([call("impatient", {})], "Done.")
    assert await status_of(Agent(id="a", model=model, tools=[impatient], db=db), db) == (
        RunStatus.COMPLETED, "Done.",
    )  # fmt: skip
    assert "CancelledError" in requests[-1].messages[-1].content


async def test_a_real_cancellation_is_one_in_a_tool_too(db):
    reached = asyncio.Event()

    async def slow() -> str:
        reached.set()
        await asyncio.Event().wait()
        return "never"

    agent = Agent(id="a", model=scripted([call("slow", {})], "Done.")[0], tools=[slow], db=db)
    waiting = asyncio.create_task(agent.arun("go", session_id="s"))
    await reached.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    [run] = await db.list_runs("s", owner=ANYONE)
    assert run.status is RunStatus.CANCELLED
