"""Runs and events as the peer's clients read them, and back.

The only place that knows the peer's spellings: `agent_id`/`team_id`/`workflow_id` by kind, the `Team…` and
`Workflow…` event names, and the SSE frame. Nulls are left out, except inside tools.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic_core import PydanticSerializationError, from_json, to_json

from agentos.run.events import (
    AnyRunEvent,
    Kind,
    Origin,
    RunEvent,
    RunPaused,
    ToolCallCompleted,
    ToolCallError,
    ToolCallStarted,
)
from agentos.run.records import RunOutput
from agentos.run.text import json_of

_PREFIX: dict[Kind, str] = {"agent": "", "team": "Team", "workflow": "Workflow"}
_EVENTS: TypeAdapter[RunEvent] = TypeAdapter(AnyRunEvent, config=ConfigDict(defer_build=True))
_OF_TOOLS = (ToolCallStarted, ToolCallCompleted, ToolCallError)
_APART = {"event", "created_at", "tool", "tools", "requirements"}


def event_name(event: RunEvent, kind: Kind) -> str:
    """`RunContent` of an agent, `TeamRunContent` of a team, `WorkflowStarted` of a workflow."""
    plain = event.event.removeprefix("Run") if kind == "workflow" else event.event
    return _PREFIX[kind] + plain


@lru_cache(maxsize=1024)
def _origin_json(origin: Origin) -> str:
    fields: dict[str, Any] = {
        f"{origin.kind}_id": origin.id,
        f"{origin.kind}_name": origin.name,
        "run_id": origin.run_id,
        "session_id": origin.session_id,
        "parent_run_id": origin.parent_run_id,
        "nested_depth": origin.nested_depth,
    }
    return to_json({name: value for name, value in fields.items() if value is not None}).decode()[1:-1]


def encode_event(event: RunEvent) -> tuple[str, str]:
    """The event's wire name and its one-line JSON. The event must be stamped."""
    assert event.origin is not None, "the journal stamps an event before it is shown"
    name = event_name(event, event.origin.kind)
    parts = [f'"created_at":{event.created_at},"event":"{name}"', _origin_json(event.origin)]
    payload = _payload(event)
    if payload != "{}":
        parts.append(payload[1:-1])
    if isinstance(event, _OF_TOOLS):
        parts.append(f'"tool":{json_of(event.tool.model_dump())}')
    elif isinstance(event, RunPaused):
        parts.append(f'"tools":{json_of([tool.model_dump() for tool in event.tools])}')
        parts.append(f'"requirements":{json_of([each.model_dump() for each in event.requirements])}')
    parts.append(f'"event_index":{event.seq - 1}')
    return name, "{" + ",".join(parts) + "}"


def _payload(event: RunEvent) -> str:
    try:
        return event.model_dump_json(exclude_none=True, exclude=_APART)
    except PydanticSerializationError:
        return json_of(event.model_dump(exclude_none=True, exclude=_APART))


def decode_event(text: str | bytes) -> RunEvent:
    """The event that `encode_event` wrote; raises pydantic's ValidationError on anything else."""
    fields: dict[str, Any] = from_json(text)
    kind = _kind(fields)
    fields["event"] = _plain_name(str(fields.get("event")), kind)
    event = _EVENTS.validate_python(fields)
    event.seq = fields.get("event_index", -1) + 1
    event.origin = Origin(
        kind=kind,
        id=fields[f"{kind}_id"],
        name=fields.get(f"{kind}_name"),
        run_id=fields["run_id"],
        session_id=fields["session_id"],
        parent_run_id=fields.get("parent_run_id"),
        nested_depth=fields.get("nested_depth", 0),
    )
    return event


def _kind(fields: dict[str, Any]) -> Kind:
    for kind in _PREFIX:
        if f"{kind}_id" in fields:
            return kind
    return "agent"


def _plain_name(name: str, kind: Kind) -> str:
    plain = name.removeprefix(_PREFIX[kind])
    return f"Run{plain}" if kind == "workflow" and plain in _WORKFLOW_SHORT else plain


_WORKFLOW_SHORT = {
    "Started",
    "Content",
    "ContentCompleted",
    "Completed",
    "Paused",
    "Continued",
    "Error",
    "Cancelled",
}
"""What is left of the `Run…` names in a workflow's spelling."""


def sse_frame(name: str, text: str, seq: int) -> str:
    """One server-sent event: `id` is the event's `seq`, so `Last-Event-ID` says where to go on."""
    return f"id: {seq}\nevent: {name}\ndata: {text}\n\n"


def run_output(run: RunOutput) -> dict[str, Any]:
    """A run as JSON-ready data, keys in the peer's order, nulls dropped."""
    dumped = run.model_dump(mode="json", exclude_none=True)
    kind, runnable_id, name = dumped.pop("kind"), dumped.pop("runnable_id"), dumped.pop("runnable_name", None)
    fields: dict[str, Any] = {"run_id": dumped.pop("run_id"), f"{kind}_id": runnable_id}
    if name is not None:
        fields[f"{kind}_name"] = name
    fields |= dumped
    for tool, shown in zip(run.tools, fields.get("tools", ()), strict=True):
        shown.update(tool.model_dump(mode="json"))
    if run.is_paused:
        fields["requirements"] = [each.model_dump(mode="json") for each in run.requirements]
    for empty in ("messages", "tools"):
        if not fields.get(empty):
            fields.pop(empty, None)
    return fields
