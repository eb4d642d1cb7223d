"""Runs that wait for a person, and go on with what they say; no database is needed for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentos.agent import Agent
from agentos.errors import ConflictError, InvalidInputError
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.run.events import RunPaused
from agentos.run.messages import ToolCall
from agentos.run.records import RunOutput, RunStatus
from agentos.run.requirement import RunRequirement
from agentos.run.runnable import RunContext
from agentos.tools import approval, tool
from tests.agent.models import call, scripted

sent: list[tuple[str, str]] = []


@pytest.fixture(autouse=True)
def nothing_sent() -> None:
    sent.clear()


def _send(to: str, text: str = "hi") -> str:
    """Sends a message."""
    sent.append((to, text))
    return f"sent to {to}"


confirmed = tool(name="send", requires_confirmation=True)(_send)
filled = tool(name="send", requires_user_input=True, user_input_fields=["to"])(_send)
elsewhere = tool(name="send", external_execution=True)(_send)
approved = approval(tool(name="send")(_send))


def look() -> str:
    """Looks."""
    return "seen"


async def paused(
    *calls: ToolCall, then: str = "done", **options: Any
) -> tuple[Agent, RunOutput, list[ModelRequest]]:
    """An agent, its paused run, and all that its model is asked."""
    model, requests = scripted(list(calls), then)
    agent = Agent(model=model, **options)
    run = await agent.arun("go")
    assert run.is_paused
    assert not sent
    return agent, run, requests


@pytest.mark.parametrize(
    ("made", "arguments", "decide", "answer", "calls"),
    [
        (confirmed, {"to": "bo"}, lambda r: r.confirm(), "sent to bo", [("bo", "hi")]),
        (confirmed, {"to": "bo"}, lambda r: r.reject("No."), "They say: No.", []),
        (confirmed, {"to": "bo"}, lambda r: r.reject(), "and wasn't made.", []),
        (filled, {"text": "x"}, lambda r: r.provide_user_input({"to": "cy"}), "sent to cy", [("cy", "x")]),
        (elsewhere, {"to": "bo"}, lambda r: r.set_external_execution_result("ok"), "ok", []),
        (approved, {"to": "bo"}, lambda r: r.confirm(), "sent to bo", [("bo", "hi")]),
    ],
    ids=["confirmed", "rejected", "rejected-silently", "filled", "elsewhere", "approved"],
)
async def test_a_paused_run_goes_on_as_the_person_says(
    made: Any, arguments: dict[str, Any], decide: Callable[[RunRequirement], None], answer: str, calls: Any
) -> None:
    agent, run, requests = await paused(call("send", arguments), tools=[made])
    decide(run.requirements[0])
    rest = await agent.acontinue_run(run)
    assert (rest.status, rest.content, rest.run_id) == (RunStatus.COMPLETED, "done", run.run_id)
    assert sent == calls
    assert (requests[1].messages[-1].content or "").endswith(answer)
    assert [message.role for message in rest.messages] == ["user", "assistant", "tool", "assistant"]


async def test_the_events_come_in_the_contracts_order() -> None:
    model, _ = scripted([call("send", {"to": "bo"}, "x"), call("look", {}, "y")], "done")
    agent = Agent(model=model, tools=[confirmed, look])
    events = [event async for event in agent.arun("go", stream=True, stream_events=True)]
    assert [event.event for event in events] == [
        "RunStarted", "ModelRequestStarted", "ModelRequestCompleted", "ToolCallStarted", "ToolCallCompleted",
        "RunContentCompleted", "RunPaused",
    ]  # fmt: skip
    last = events[-1]
    assert isinstance(last, RunPaused)
    assert [tool.tool_call_id for tool in last.tools] == ["x"]
    assert [each.id for each in last.requirements] == ["x"]


async def test_a_stream_of_the_answer_alone_tells_of_the_pause() -> None:
    model, _ = scripted([call("send", {"to": "bo"})])
    events = [event async for event in Agent(model=model, tools=[confirmed]).arun("go", stream=True)]
    assert [event.event for event in events] == ["RunPaused"]


@pytest.mark.parametrize(
    ("decide", "outcome"), [(lambda r: r.confirm(), ["ToolCallStarted", "ToolCallCompleted"]),
                            (lambda r: r.reject(), ["ToolCallError"])],
)  # fmt: skip
async def test_a_continued_run_says_so_and_a_rejected_call_never_starts(
    decide: Callable[[RunRequirement], None], outcome: list[str]
) -> None:
    agent, run, _ = await paused(call("send", {"to": "bo"}), tools=[confirmed])
    decide(run.requirements[0])
    events = [event async for event in agent.acontinue_run(run, stream=True, stream_events=True)]
    assert [event.event for event in events] == [
        "RunContinued", *outcome, "ModelRequestStarted", "RunContent", "ModelRequestCompleted",
        "RunContentCompleted", "RunCompleted",
    ]  # fmt: skip


async def test_calls_that_need_nobody_are_made_at_once_and_once() -> None:
    looks: list[int] = []

    def peek() -> str:
        """Looks."""
        looks.append(1)
        return "seen"

    calls = [call("peek", {}, "x"), call("send", {"to": "bo"}, "y"), call("peek", {}, "z")]
    agent, run, requests = await paused(*calls, tools=[confirmed, peek])
    assert [t.result for t in run.tools] == ["seen", None, "seen"]
    run.requirements[0].confirm()
    rest = await agent.acontinue_run(run)
    assert len(looks) == 2
    assert [t.result for t in rest.tools] == ["seen", "sent to bo", "seen"]
    answers = {m.tool_call_id: m.content for m in requests[1].messages if m.role == "tool"}
    assert answers == {"x": "seen", "y": "sent to bo", "z": "seen"}


async def test_what_nobody_decided_pauses_the_run_again() -> None:
    calls = [call("send", {"to": "bo"}, "x"), call("send", {"to": "cy"}, "y")]
    agent, run, requests = await paused(*calls, tools=[confirmed])
    run.requirements[0].confirm()
    run = await agent.acontinue_run(run)
    assert run.is_paused
    assert [each.id for each in run.requirements] == ["y"]
    assert len(requests) == 1, "the model is asked when all is answered"
    run.requirements[0].reject()
    run = await agent.acontinue_run(run)
    assert (run.status, sent) == (RunStatus.COMPLETED, [("bo", "hi")])


async def test_the_arguments_are_those_of_the_run() -> None:
    agent, run, _ = await paused(call("send", {"to": "bo"}), tools=[confirmed])
    forged = run.requirements[0].model_copy(deep=True)
    forged.tool_execution.tool_args = {"to": "mallory"}
    forged.confirm()
    await agent.acontinue_run(run, requirements=[forged])
    assert sent == [("bo", "hi")]


async def test_the_model_cant_fill_what_a_person_is_asked_for() -> None:
    calls = call("send", {"to": "mallory", "text": "x"})
    agent, run, requests = await paused(calls, tools=[filled])
    assert "to" not in requests[0].tools[0].parameters["properties"]
    run.requirements[0].provide_user_input({"to": "bo"})
    rest = await agent.acontinue_run(run)
    assert sent == [("bo", "x")]
    assert rest.tools[0].tool_args == {"to": "bo", "text": "x"}


@pytest.mark.parametrize(
    ("made", "nonsense"),
    [
        (confirmed, {"too": "bo"}),
        (confirmed, '{"to": '),
        (elsewhere, {}),
        (filled, "[1]"),
    ],
)
async def test_nobody_is_asked_about_a_call_that_cant_be_made(made: Any, nonsense: Any) -> None:
    model, _ = scripted([call("send", nonsense)], "sorry")
    run = await Agent(model=model, tools=[made]).arun("go")
    assert (run.status, run.tools[0].tool_call_error) == (RunStatus.COMPLETED, True)


async def test_calls_over_the_limit_dont_wait_and_the_limit_counts_over_the_pause() -> None:
    calls = [call("send", {"to": "bo"}, "x"), call("send", {"to": "cy"}, "y")]
    agent, run, requests = await paused(*calls, tools=[confirmed, look], tool_call_limit=1)
    assert [t.is_waiting for t in run.tools] == [True, False]
    run.requirements[0].confirm()
    await agent.acontinue_run(run)
    assert sent == [("bo", "hi")]
    assert not requests[1].tools


@pytest.mark.parametrize(
    ("decide", "content"), [(lambda r: r.confirm(), "sent to bo"), (lambda r: r.reject(), "done")]
)
async def test_a_stopping_tool_stops_unless_it_is_rejected(
    decide: Callable[[RunRequirement], None], content: str
) -> None:
    stopping = tool(name="send", requires_confirmation=True, stop_after_tool_call=True)(_send)
    agent, run, _ = await paused(call("send", {"to": "bo"}), tools=[stopping])
    decide(run.requirements[0])
    assert (await agent.acontinue_run(run)).content == content


async def test_what_the_model_said_before_the_pause_is_kept() -> None:
    turns = [
        ModelResponse(content="Shall I?", tool_calls=[call("send", {"to": "bo"})]),
        ModelResponse(content="Done"),
    ]
    agent = Agent(model=FunctionModel(lambda request: turns.pop(0)), tools=[confirmed])
    run = await agent.arun("go")
    assert (run.content, run.status) == ("Shall I?", RunStatus.PAUSED)
    run.requirements[0].confirm()
    assert (await agent.acontinue_run(run)).content == "Done"


async def test_the_session_state_goes_on_with_the_run() -> None:
    @tool(requires_confirmation=True)
    def count(context: RunContext) -> int:
        """Counts."""
        context.session_state["n"] += 1
        return context.session_state["n"]

    agent, run, _ = await paused(call("count"), tools=[count], session_state={"n": 41})
    run.requirements[0].confirm()
    rest = await agent.acontinue_run(run)
    assert rest.session_state == {"n": 42}
    assert rest.tools[0].result == "42"


async def test_a_run_that_isnt_paused_or_decided_doesnt_go_on() -> None:
    agent, run, _ = await paused(call("send", {"to": "bo"}), tools=[confirmed])
    with pytest.raises(InvalidInputError, match="'confirmed' for the call"):
        await agent.acontinue_run(run)
    with pytest.raises(InvalidInputError, match="database"):
        await agent.acontinue_run(run_id=run.run_id)
    run.requirements[0].confirm()
    rest = await agent.acontinue_run(run)
    with pytest.raises(ConflictError, match="COMPLETED"):
        await agent.acontinue_run(rest)
    assert sent == [("bo", "hi")]


def test_a_caller_without_a_loop_can_continue_too() -> None:
    agent = Agent(model=scripted([call("send", {"to": "bo"})], "done")[0], tools=[confirmed])
    run = agent.run("go")
    run.requirements[0].confirm()
    assert (
        "".join(e.content for e in agent.continue_run(run, stream=True) if e.event == "RunContent") == "done"
    )
    assert sent == [("bo", "hi")]


@pytest.mark.parametrize("mode", ["required", "audit"])
async def test_a_call_to_be_approved_says_where_and_how_long(mode: Any) -> None:
    made = approval(type=mode, expires_in=60)(confirmed)
    calls = [call("look", {}, "x"), call("send", {"to": "bo"}, "y")]
    _, run, _ = await paused(*calls, tools=[look, made])
    execution = run.requirements[0].tool_execution
    assert (execution.approval_type, execution.approval_id) == (mode, f"{run.run_id}:1-1")
    assert execution.approval_expires_in == 60
    assert "approval_expires_in" not in execution.model_dump()
    assert run.tools[0].approval_id is None
