from __future__ import annotations

import asyncio
import functools
import logging
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from threading import Barrier, Event, current_thread, main_thread
from typing import Any

import pytest
from pydantic import BaseModel

from agentos.run.runnable import RunContext
from agentos.tools import Tool, ToolError, ToolResult, tool
from agentos.tools.result import MAX_RESULT

REQUEST: ContextVar[str] = ContextVar("REQUEST")


class Place(BaseModel):
    title: str
    opened: date | None = None


@dataclass
class Size:
    width: int


def circle() -> list[object]:
    endless: list[object] = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ("text", "text"),
        (circle(), '["\ufffd"]'),
        ("", ""),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        (["ü", 1], '["ü",1]'),
        ({"a": None}, '{"a":null}'),
        (Place(title="hall", opened=date(2026, 1, 2)), '{"title":"hall","opened":"2026-01-02"}'),
        ([Size(3)], '[{"width":3}]'),
        (b"bytes", "bytes"),
        (b"\xff", "\ufffd"),
        ({"a": b"\xff"}, '{"a":"_w=="}'),
        ("nul \x00 and \ud800", "nul \ufffd and \ufffd"),
        ({"t": "\ud83d", "n": None}, '{"t":"\ufffd","n":null}'),
        ("x" * MAX_RESULT, "x" * MAX_RESULT),
        (
            "x" * MAX_RESULT + "y",
            "x" * MAX_RESULT + "\n[Cut: only the first 100000 characters are shown.]",
        ),
    ],
    ids=lambda value: repr(value)[:20].encode("ascii", "replace").decode(),
)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_result_becomes_text(context: RunContext, result: object, content: str, asynchronous: bool):
    def answer():
        return result

    async def answer_async():
        return result

    function = answer_async if asynchronous else answer
    assert await Tool.of(function).call("", context) == ToolResult(content)


async def test_an_object_without_json_is_shown_as_its_text(context: RunContext):
    class Odd:
        def __str__(self) -> str:
            return "odd"

    def odd() -> list[Odd]:
        return [Odd()]

    assert await Tool.of(odd).call("", context) == ToolResult('["odd"]')


async def test_what_a_generator_yields_is_joined(context: RunContext):
    def pieces() -> Iterator[object]:
        yield "a"
        yield {"b": 1}

    async def pieces_async() -> AsyncGenerator[str]:
        yield "a"
        yield "b"

    assert await Tool.of(pieces).call("", context) == ToolResult('a{"b":1}')
    assert await Tool.of(pieces_async).call("", context) == ToolResult("ab")


async def test_an_endless_generator_is_closed_when_enough_was_read(context: RunContext):
    closed: list[str] = []

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "x" * 1000
        finally:
            closed.append("sync")

    async def endless_async() -> AsyncGenerator[str]:
        try:
            while True:
                yield "x" * 1000
        finally:
            closed.append("async")

    for function in (endless, endless_async):
        result = await Tool.of(function).call("", context)
        assert result.content.endswith("characters are shown.]")
    assert closed == ["sync", "async"]


async def test_a_sync_function_runs_in_a_thread_with_the_callers_context(context: RunContext):
    def where() -> str:
        return f"{REQUEST.get()} {current_thread() is main_thread()}"

    async def where_async() -> str:
        return f"{REQUEST.get()} {current_thread() is main_thread()}"

    REQUEST.set("r1")
    assert (await Tool.of(where).call("", context)).content == "r1 False"
    assert (await Tool.of(where_async).call("", context)).content == "r1 True"


async def test_a_plain_wrapper_of_an_async_function_is_awaited(context: RunContext):
    async def double(a: int) -> int:
        return a * 2

    @functools.wraps(double)
    def logged(*args: Any, **kwargs: Any) -> Any:
        return double(*args, **kwargs)

    assert await Tool.of(logged).call('{"a": 2}', context) == ToolResult("4")


async def test_many_sync_calls_run_at_once(context: RunContext):
    barrier = Barrier(40)

    def meet(number: int) -> int:
        barrier.wait(timeout=30)
        return number

    calls = [Tool.of(meet).call(f'{{"number": {n}}}', context) for n in range(40)]
    assert [result.content for result in await asyncio.gather(*calls)] == [str(n) for n in range(40)]


async def test_a_function_gets_the_run_and_the_agent(context: RunContext):
    def remember(value: str, run: RunContext, agent) -> str:
        run.session_state["value"] = value
        return f"{run.user_id} {agent}"

    result = await Tool.of(remember).call('{"value": "v"}', context, agent="the agent")
    assert (result.content, context.session_state) == ("ada the agent", {"value": "v"})


async def test_arguments_that_do_not_fit_are_an_answer_and_call_nothing(context: RunContext):
    calls: list[int] = []

    def note(a: int) -> None:
        calls.append(a)

    result = await Tool.of(note).call('{"a": "x"}', context)
    assert result.error
    assert "- a: Input should be a valid integer" in result.content
    assert calls == []
    assert not (await Tool.of(note).call('{"a": 1}', context)).error
    assert calls == [1]


async def test_a_tool_error_tells_the_model_its_text(context: RunContext):
    def refuse() -> None:
        raise ToolError("No such city: try Paris.\x00")

    assert await Tool.of(refuse).call("", context) == ToolResult("No such city: try Paris.\ufffd", error=True)


def fail() -> None:
    raise OSError("password=secret")


async def fail_async() -> None:
    raise OSError("password=secret")


def fail_late() -> Iterator[str]:
    yield "a"
    raise OSError("password=secret")


@pytest.mark.parametrize("function", [fail, fail_async, fail_late])
async def test_of_another_exception_the_model_learns_only_the_class(
    context: RunContext, caplog: pytest.LogCaptureFixture, function: Callable[[], object]
):
    result = await Tool.of(function).call("", context)
    assert result == ToolResult(f"{function.__name__} failed with OSError.", error=True)
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.ERROR,
        f"tool {function.__name__} failed in run run-1",
    )
    assert record.exc_info
    assert isinstance(record.exc_info[1], OSError)


def stop_iteration() -> str:
    return next(iter([]))


def leave() -> None:
    sys.exit(1)


async def leave_async() -> None:
    sys.exit(1)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (stop_iteration, "RuntimeError"),
        (leave, "SystemExit"),
        (leave_async, "SystemExit"),
    ],
)
async def test_no_function_ends_the_process_or_hangs_the_run(
    context: RunContext, function: Callable[[], object], name: str
):
    result = await Tool.of(function).call("", context)
    assert result == ToolResult(f"{function.__name__} failed with {name}.", error=True)


async def test_an_async_function_is_cancelled_when_its_time_is_up(context: RunContext):
    cancelled = asyncio.Event()

    @tool(timeout=0.02)
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    result = await hang.call("", context)
    assert result == ToolResult("hang gave no answer within 0.02 seconds.", error=True)
    assert cancelled.is_set()


async def test_a_sync_function_is_left_alone_when_its_time_is_up(context: RunContext):
    go_on, went_on = Event(), Event()

    @tool(timeout=0.5)
    def hang() -> None:
        go_on.wait()
        went_on.set()

    result = await hang.call("", context)
    assert result == ToolResult("hang gave no answer within 0.5 seconds.", error=True)
    go_on.set()
    assert await asyncio.to_thread(went_on.wait, 10)


async def test_a_functions_own_timeout_is_its_own_failure(context: RunContext):
    @tool(timeout=60)
    async def lookup() -> None:
        raise TimeoutError

    assert (await lookup.call("", context)).content == "lookup failed with TimeoutError."


async def test_a_tool_within_its_time_answers(context: RunContext):
    @tool(timeout=60)
    async def quick() -> str:
        return "done"

    assert await quick.call("", context) == ToolResult("done")


async def test_cancelling_the_run_cancels_the_tool(context: RunContext):
    started = asyncio.Event()

    async def hang() -> None:
        started.set()
        await asyncio.Event().wait()

    call = asyncio.create_task(Tool.of(hang).call("", context))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_slow_sync_tool_does_not_hold_up_the_loop(context: RunContext):
    go_on = Event()

    def wait() -> str:
        return str(go_on.wait(timeout=30))

    call = asyncio.create_task(Tool.of(wait).call("", context))

    async def quick() -> str:
        return "quick"

    assert (await Tool.of(quick).call("", context)).content == "quick"
    assert not call.done()
    go_on.set()
    assert await call == ToolResult("True")
