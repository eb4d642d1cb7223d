"""Segments of runs to execute durably: what the engine is given, and what became of it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import psycopg

from agentos.run.records import RunInput, RunOutput
from agentos.run.request import RunRequest
from agentos.run.runnable import RunContext
from agentos.runner.durable.runtime import DurableRuntime
from agentos.runner.durable.steps import RecordedSteps
from agentos.runner.execution.steps import inline

Body = Callable[[RecordedSteps, RunContext], Awaitable[object]]


class Segments:
    """`execute` of an engine. Each run has a body; `outcome` waits for what it returned or raised."""

    def __init__(self) -> None:
        self.bodies: dict[str, Body] = {}
        self.contexts: dict[str, RunContext] = {}
        self._outcomes: dict[str, asyncio.Queue[object]] = {}

    def run(self, body: Body) -> str:
        run_id = uuid4().hex
        self.bodies[run_id] = body
        return run_id

    async def execute(self, run_id: str, segment: int) -> None:
        context = self.contexts[run_id] = context_of(run_id)
        outcome = self._outcomes.setdefault(run_id, asyncio.Queue())
        try:
            outcome.put_nowait(await self.bodies[run_id](RecordedSteps(context, max_state=1024), context))
        except BaseException as error:
            outcome.put_nowait(error)
            raise

    async def outcome(self, run_id: str) -> object:
        queue = self._outcomes.setdefault(run_id, asyncio.Queue())
        async with asyncio.timeout(30):
            return await queue.get()


def context_of(run_id: str) -> RunContext:
    run = RunOutput(run_id=run_id, kind="agent", runnable_id="a", session_id="s")
    request = RunRequest(input=RunInput(input_content=""), anyone=True)
    context = RunContext(run=run, request=request, steps=inline)
    context.session_state = {"kept": True}
    return context


@asynccontextmanager
async def engine(url: str, execute: Callable[[str, int], Awaitable[None]]) -> AsyncIterator[DurableRuntime]:
    launched = await DurableRuntime.launch(url, worker_id=uuid4().hex, execute=execute)
    try:
        yield launched
    finally:
        await launched.close()


def workflows(url: str, run_id: str) -> list[tuple]:
    """The statuses that DBOS has of a run's segments."""
    return rows(url, "SELECT status FROM dbos.workflow_status WHERE workflow_uuid LIKE %s", f"{run_id}:%")


def outputs(url: str, run_id: str) -> list[tuple]:
    query = """
        SELECT function_name, output, error FROM dbos.operation_outputs
        WHERE workflow_uuid LIKE %s ORDER BY function_id
    """
    return rows(url, query, f"{run_id}:%")


def rows(url: str, query: str, *values: object) -> list[tuple]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return connection.execute(query, values).fetchall()


class Source:
    """A step that counts how often it was begun."""

    def __init__(self, *items: object) -> None:
        self.items = items
        self.calls = 0
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.is_closed = False

    async def __call__(self) -> AsyncGenerator[object]:
        self.calls += 1
        try:
            for place, item in enumerate(self.items):
                if place == len(self.items) - 1:
                    self.reached.set()
                    await self.go_on.wait()
                yield item
        finally:
            self.is_closed = True


def held(*items: object) -> Source:
    """A source that waits before its last item."""
    source = Source(*items)
    source.go_on.clear()
    return source


async def all_of(source: AsyncGenerator) -> list[object]:
    return [item async for item in source]


async def until(claim) -> None:
    """For what DBOS does by itself, and says nobody."""
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(claim):
            await asyncio.sleep(0.01)
