"""Events and runs as JSON: what is written is read back, and is spelled as the peer spells it."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.run import events as module
from agentos.run import wire
from agentos.run.events import (
    Kind,
    Origin,
    RunCompleted,
    RunContent,
    RunEvent,
    RunStarted,
    ToolCallCompleted,
    ToolCallStarted,
)
from agentos.run.messages import Message, Metrics, ToolExecution
from agentos.run.records import RunInput, RunOutput, RunStatus

KINDS: list[Kind] = ["agent", "team", "workflow"]
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
payloads: dict[str, dict[str, Any]] = {
    "RunError": {"content": "no", "error_type": "model_error"},
    "ToolCallStarted": {"tool": ToolExecution(tool_call_id="c", tool_name="t")},
    "ToolCallCompleted": {"tool": ToolExecution(tool_call_id="c", tool_name="t", result="4")},
    "ToolCallError": {"tool": ToolExecution(tool_call_id="c", tool_name="t", tool_call_error=True)},
    "TaskIterationStarted": {"iteration": 1, "max_iterations": 10},
    "TaskIterationCompleted": {"iteration": 1, "max_iterations": 10, "task_summary": "No tasks."},
    "TaskCreated": {"task_id": "task-1", "title": "T", "description": "", "status": "pending"},
    "TaskUpdated": {"task_id": "task-1", "title": "T", "status": "failed", "previous_status": "pending"},
    "TaskStateUpdated": {"task_summary": "No tasks.", "goal_complete": False},
}


def origin(kind: Kind = "agent", name: str | None = "Web") -> Origin:
    return Origin(kind=kind, id="web", run_id="r1", session_id="s1", name=name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cls", get_args(RunEvent), ids=lambda cls: cls.__name__)
def test_every_event_comes_back_as_it_went(cls: type[RunStarted], kind: Kind) -> None:
    event = cls(**payloads.get(cls.__name__, {}))
    event.origin, event.seq = origin(kind), 7
    name, text = wire.encode_event(event)
    assert json.loads(text)["event"] == name
    assert wire.decode_event(text) == event


@given(content=texts, name=st.none() | texts, kind=st.sampled_from(KINDS))
def test_any_text_survives_in_one_line(content: str, name: str | None, kind: Kind) -> None:
    event = RunContent(content=content, origin=origin(kind, name))
    _, text = wire.encode_event(event)
    assert "\n" not in text
    assert "\r" not in text
    assert wire.decode_event(text) == event


@pytest.mark.parametrize(
    ("kind", "event", "name"),
    [
        ("agent", RunStarted(), "RunStarted"),
        ("team", RunStarted(), "TeamRunStarted"),
        ("workflow", RunStarted(), "WorkflowStarted"),
        ("team", ToolCallStarted(tool=payloads["ToolCallStarted"]["tool"]), "TeamToolCallStarted"),
        ("workflow", RunCompleted(), "WorkflowCompleted"),
    ],
)
def test_names_follow_the_kind(kind: Kind, event: RunEvent, name: str) -> None:
    event.origin = origin(kind)
    assert wire.encode_event(event)[0] == name


def test_the_common_fields_come_first_in_the_peers_order() -> None:
    event = RunContent(content="hi", origin=origin())
    assert list(json.loads(wire.encode_event(event)[1])) == [
        "created_at", "event", "agent_id", "agent_name", "run_id", "session_id", "nested_depth",
        "content", "workflow_agent", "content_type", "reasoning_content", "event_index",
    ]  # fmt: skip


def test_nulls_are_left_out_except_inside_tool() -> None:
    tool = ToolExecution(tool_call_id="c", tool_name="t")
    shown = json.loads(wire.encode_event(ToolCallCompleted(tool=tool, origin=origin()))[1])
    assert "content" not in shown
    assert shown["tool"] == tool.model_dump()
    assert shown["tool"]["confirmed"] is None


def test_a_frame_is_what_an_event_source_reads() -> None:
    assert wire.sse_frame("RunContent", "{}", 3) == "id: 3\nevent: RunContent\ndata: {}\n\n"


def test_a_run_is_shown_without_nulls_and_with_its_kinds_id() -> None:
    run = RunOutput(
        run_id="r1",
        kind="team",
        runnable_id="news",
        runnable_name="News",
        session_id="s1",
        content="four",
        status=RunStatus.COMPLETED,
        metrics=Metrics(input_tokens=2),
        messages=[Message(role="user", content="2+2?")],
        tools=[ToolExecution(tool_call_id="c", tool_name="add", result="4")],
        input=RunInput(input_content="2+2?"),
    )
    shown = wire.run_output(run)
    assert list(shown)[:4] == ["run_id", "team_id", "team_name", "session_id"]
    assert shown["status"] == "COMPLETED"
    assert "user_id" not in shown
    assert shown["tools"][0]["confirmed"] is None
    assert json.loads(json.dumps(shown)) == shown


def test_all_events_are_in_the_union() -> None:
    classes = {
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, module._Event) and value is not module._Event
    }  # fmt: skip
    assert classes == set(get_args(RunEvent))
