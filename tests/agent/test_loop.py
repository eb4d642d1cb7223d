"""The model-tool loop: order, limits, nonsense, retries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from threading import Barrier
from typing import Any

import pytest

from agentos.agent import Agent
from agentos.agent import loop as loop_module
from agentos.errors import ConfigurationError, ModelError
from agentos.models.base import ModelDelta, ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.run.records import RunStatus
from agentos.run.runnable import RunContext
from agentos.tools import ToolError, Toolkit, tool
from tests.agent.models import call, scripted


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


async def test_a_tool_call_is_run_and_its_answer_goes_back() -> None:
    model, requests = scripted([call("add", {"a": 2, "b": 3})], "five")
    run = await Agent(model=model, tools=[add]).arun("2+3?")
    assert run.content == "five"
    assert [message.role for message in requests[1].messages] == ["user", "assistant", "tool"]
    assert requests[1].messages[-1].content == "5"
    assert [(t.tool_name, t.tool_args, t.result) for t in run.tools] == [("add", {"a": 2, "b": 3}, "5")]


@pytest.mark.parametrize("alone", [add, tool(add), Toolkit("sums", tools=[add])])
async def test_one_tool_needs_no_list(alone: Any) -> None:
    model, _ = scripted([call("add", {"a": 2, "b": 3})], "five")
    run = await Agent(model=model, tools=alone).arun("2+3?")
    assert [each.result for each in run.tools] == ["5"]


async def test_the_events_come_in_the_contracts_order() -> None:
    model, _ = scripted([call("add", {"a": 2, "b": 3})], "five")
    agent = Agent(model=model, tools=[add])
    names = [event.event async for event in agent.arun("2+3?", stream=True, stream_events=True)]
    assert [name for name in names if name != "RunContent"] == [
        "RunStarted", "ModelRequestStarted", "ModelRequestCompleted", "ToolCallStarted", "ToolCallCompleted",
        "ModelRequestStarted", "ModelRequestCompleted", "RunContentCompleted", "RunCompleted",
    ]  # fmt: skip


async def test_calls_of_one_turn_run_at_once_and_answer_in_order() -> None:
    together = Barrier(3, timeout=10)

    def meet(name: str) -> str:
        """Returns when three are here."""
        together.wait()
        return name

    calls = [call("meet", {"name": name}, f"call-{name}") for name in "abc"]
    model, requests = scripted(calls, "met")
    run = await Agent(model=model, tools=[meet]).arun("meet")
    assert run.status is RunStatus.COMPLETED
    answers = [message for message in requests[1].messages if message.role == "tool"]
    assert [(message.tool_call_id, message.content) for message in answers] == [
        ("call-a", "a"), ("call-b", "b"), ("call-c", "c"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("nonsense", "told"),
    [
        (call("add", '{"a": 2, "b"'), "a"),
        (call("add", "[1, 2]"), "object"),
        (call("add", {"a": "two", "b": 3}), "a"),
        (call("add", {"a": 2}), "b"),
        (call("subtract", {"a": 2, "b": 3}), "no tool 'subtract'"),
    ],
    ids=["broken-json", "not-an-object", "wrong-type", "missing", "unknown-tool"],
)
async def test_a_bad_call_is_an_answer_to_the_model(nonsense: object, told: str) -> None:
    model, requests = scripted([nonsense], "sorry")  # type: ignore[list-item]
    agent = Agent(model=model, tools=[add])
    names = [event.event async for event in agent.arun("2+3?", stream=True, stream_events=True)]
    assert "ToolCallError" in names
    assert names[-1] == "RunCompleted"
    assert told in (requests[1].messages[-1].content or "")


async def test_the_limit_counts_over_the_whole_run() -> None:
    twice = [call("add", {"a": 1, "b": 1}, "x"), call("add", {"a": 2, "b": 2}, "y")]
    model, requests = scripted([call("add", {"a": 0, "b": 0})], twice, "done")
    run = await Agent(model=model, tools=[add], tool_call_limit=2).arun("go")
    assert [t.tool_call_error for t in run.tools] == [False, False, True]
    assert requests[1].tools
    assert not requests[2].tools


async def test_a_model_that_never_answers_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "MAX_TURNS", 3)
    model = FunctionModel(lambda request: ModelResponse(tool_calls=[call("add", {"a": 1, "b": 1})]))
    run = await Agent(model=model, tools=[add]).arun("go")
    assert (run.status, run.error_type, len(run.tools)) == (RunStatus.ERROR, "too_many_turns", 3)


async def test_a_stopping_tool_ends_the_run_with_its_answer() -> None:
    @tool(stop_after_tool_call=True)
    def finish() -> str:
        """Ends it."""
        return "the end"

    model, requests = scripted([call("finish")])
    run = await Agent(model=model, tools=[finish]).arun("go")
    assert (run.content, len(requests)) == ("the end", 1)


async def test_a_stopping_tool_that_fails_is_no_answer() -> None:
    @tool(stop_after_tool_call=True)
    def finish() -> str:
        """Ends it."""
        raise ToolError("not yet")

    model, requests = scripted([call("finish")], "sorry")
    run = await Agent(model=model, tools=[finish]).arun("go")
    assert (run.content, len(requests), run.tools[0].result) == ("sorry", 2, "not yet")


@pytest.mark.parametrize(("retries", "status"), [(2, RunStatus.COMPLETED), (1, RunStatus.ERROR)])
async def test_a_turn_that_failed_before_it_spoke_is_tried_again(retries: int, status: RunStatus) -> None:
    failures = [ModelError("busy", code="model_unavailable")] * 2

    def moody(request: ModelRequest) -> str:
        if failures:
            raise failures.pop()
        return "fine"

    agent = Agent(model=FunctionModel(moody), retries=retries, delay_between_retries=0)
    assert (await agent.arun("hi")).status is status


async def test_a_turn_that_spoke_is_not_repeated() -> None:
    turns: list[int] = []

    async def breaks_off(request: ModelRequest) -> AsyncGenerator[ModelDelta | ModelResponse]:
        turns.append(1)
        yield ModelDelta("I was about")
        raise ModelError("The connection broke.", code="model_unavailable")

    agent = Agent(model=FunctionModel(breaks_off), retries=3, delay_between_retries=0)
    events = [event async for event in agent.arun("hi", stream=True, stream_events=True)]
    assert events[-1].event == "RunError"
    assert len(turns) == 1


async def test_tools_read_and_change_the_session_state() -> None:
    def buy(context: RunContext, item: str) -> str:
        """Puts an item on the list."""
        context.session_state.setdefault("items", []).append(item)
        return "ok"

    model, _ = scripted([call("buy", {"item": "milk"})], "bought")
    agent = Agent(model=model, tools=[buy], session_state={"items": ["eggs"]})
    run = await agent.arun("buy milk")
    assert run.session_state == {"items": ["eggs", "milk"]}
    assert agent.session_state == {"items": ["eggs"]}, (
        "a run must not change what the next session starts with"
    )


async def test_cancelling_stops_running_tools() -> None:
    stopped = asyncio.Event()

    async def hang() -> str:
        """Never ends."""
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return ""

    model, _ = scripted([call("hang")])
    source = Agent(model=model, tools=[hang]).arun("go", stream=True, stream_events=True)
    async for event in source:
        if event.event == "ToolCallStarted":
            break
    await asyncio.sleep(0)
    await source.aclose()
    assert stopped.is_set()


@pytest.mark.parametrize(
    "bad",
    [
        {"num_history_runs": 0},
        {"num_history_runs": "3"},
        {"num_history_runs": None},
        {"retries": -1},
        {"retries": 1.5},
        {"tool_call_limit": -1},
        {"tool_call_limit": "10"},
        {"multitask": "queue"},
        {"multitask": ["enqueue"]},
    ],
)
def test_settings_that_cant_work_fail_at_once(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(bad))):
        Agent(model=scripted()[0], **bad)  # type: ignore[arg-type]


def test_how_runs_survive_is_for_the_runner_to_know() -> None:
    plain, lasting = Agent(model=scripted()[0]), Agent(model=scripted()[0], durable=True, multitask="enqueue")
    assert (plain.settings.durable, plain.settings.multitask) == (False, None)
    assert (lasting.settings.durable, lasting.settings.multitask) == (True, "enqueue")


@pytest.mark.parametrize(
    ("given", "made"),
    [({"name": "Research Agent"}, "research-agent"), ({"id": "x", "name": "Y"}, "x"), ({}, "agent")],
)
def test_a_missing_id_comes_from_the_name(given: dict[str, str], made: str) -> None:
    assert Agent(model=scripted()[0], **given).id == made  # type: ignore[arg-type]
