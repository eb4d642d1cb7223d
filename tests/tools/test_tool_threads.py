"""Threads of sync tools: hung calls of one user don't hold up others, and there is an end to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event

import pytest

from agentos.run.runnable import RunContext
from agentos.tools import ToolResult, tool
from agentos.tools.threads import ThreadLimits, ToolThreads

LIMITS = ThreadLimits(awaited=4, awaited_per_user=2, total=6, total_per_user=3)


class Gate:
    """A call that waits until it is opened, and says when it has begun."""

    def __init__(self) -> None:
        self.open = Event()
        self.begun: list[str] = []

    def call(self, name: str = "call") -> Callable[[], str]:
        def wait() -> str:
            self.begun.append(name)
            self.open.wait()
            return name

        return wait


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


@pytest.fixture
def threads() -> ToolThreads:
    return ToolThreads(LIMITS)


def started(threads: ToolThreads, gate: Gate, user_id: str | None, *names: str) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(threads.run(gate.call(name), user_id=user_id)) for name in names]


async def begun(gate: Gate, count: int) -> None:
    async with asyncio.timeout(10):
        while len(gate.begun) < count:
            await asyncio.sleep(0.001)


async def quick(threads: ToolThreads, user_id: str | None) -> str:
    async with asyncio.timeout(10):
        return await threads.run(lambda: "done", user_id=user_id)


async def abandoned(calls: list[asyncio.Task[str]]) -> None:
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)


async def test_a_user_has_a_share_and_the_rest_is_for_others(threads: ToolThreads, gate: Gate) -> None:
    hung = started(threads, gate, "ann", "1", "2", "3", "4")
    await begun(gate, 2)
    assert await quick(threads, "bob") == "done"
    assert await quick(threads, None) == "done"
    assert gate.begun == ["1", "2"], "her other calls wait"
    gate.open.set()
    assert await asyncio.gather(*hung) == ["1", "2", "3", "4"]


async def test_a_call_that_nobody_waits_for_leaves_its_place(threads: ToolThreads, gate: Gate) -> None:
    hung = started(threads, gate, "ann", "1", "2")
    await begun(gate, 2)
    await abandoned(hung)
    assert await quick(threads, "ann") == "done"


async def test_abandoned_threads_have_an_end_too(threads: ToolThreads, gate: Gate) -> None:
    hung = started(threads, gate, "ann", "1", "2", "3", "4")
    await begun(gate, 2)
    await abandoned(hung[:2])
    await begun(gate, 3)
    await abandoned(hung[2:3])
    assert await quick(threads, "bob") == "done"
    assert gate.begun == ["1", "2", "3"], "three of her threads hang: the fourth call waits"
    gate.open.set()
    assert await hung[3] == "4"


async def test_the_total_is_bounded_for_all(threads: ToolThreads, gate: Gate) -> None:
    hung: list[asyncio.Task[str]] = []
    for count, user in enumerate(["ann", "bob", "cy"], 1):
        calls = started(threads, gate, user, "1", "2")
        await begun(gate, 2 * count)
        await abandoned(calls)
        hung += calls
    (late,) = started(threads, gate, "dan", "late")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await asyncio.shield(late)
    assert "late" not in gate.begun
    gate.open.set()
    assert await late == "late"


async def test_a_call_given_up_while_it_waits_never_begins(threads: ToolThreads, gate: Gate) -> None:
    hung = started(threads, gate, "ann", "1", "2", "3")
    await begun(gate, 2)
    await abandoned(hung[2:])
    gate.open.set()
    await asyncio.gather(*hung[:2])
    assert await quick(threads, "ann") == "done"
    assert gate.begun == ["1", "2"]


def test_a_place_serves_several_event_loops(threads: ToolThreads) -> None:
    async def calls() -> list[str]:
        return await asyncio.gather(*(quick(threads, "ann") for _ in range(10)))

    assert [asyncio.run(calls()) for _ in range(3)] == [["done"] * 10] * 3


async def test_66_hung_calls_of_one_user_hold_up_nobody_else(context: RunContext, gate: Gate) -> None:
    ann, bob = (
        replace(context, run=context.run.model_copy(update={"user_id": name})) for name in ("ann", "bob")
    )
    hang = tool(name="hang", timeout=60)(gate.call())
    hello = tool(name="hello", timeout=10)(lambda: "hello")
    hung = [asyncio.create_task(hang.call("", ann)) for _ in range(66)]
    await begun(gate, 48)
    assert await hello.call("", bob) == ToolResult("hello")
    gate.open.set()
    assert len(await asyncio.gather(*hung)) == 66
