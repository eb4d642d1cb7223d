"""Runs and events as the peer's clients read them, and back.

The only place that knows the peer's spellings: `agent_id`/`team_id`/`workflow_id` by kind, the `Team…` and
`Workflow…` event names, and the SSE frame. Nulls are left out, except inside `tool`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from agentos.run.events import AnyRunEvent, Kind, Origin, RunEvent
from agentos.run.records import RunOutput

_PREFIX: dict[Kind, str] = {"agent": "", "team": "Team", "workflow": "Workflow"}
_EVENTS: TypeAdapter[RunEvent] = TypeAdapter(AnyRunEvent)
_KEEP_NULLS = "tool"
_DEFAULT_KIND: Kind = "agent"


def event_name(event: RunEvent, kind: Kind) -> str:
    """`RunContent` of an agent, `TeamRunContent` of a team, `WorkflowStarted` of a workflow."""
    if kind == "workflow":
        return "Workflow" + event.event.removeprefix("Run")
    return _PREFIX[kind] + event.event


@lru_cache(maxsize=1024)
def _origin_json(origin: Origin) -> str:
    fields: dict[str, Any] = {f"{origin.kind}_id": origin.id}
    if origin.name is not None:
        fields[f"{origin.kind}_name"] = origin.name
    fields |= {"run_id": origin.run_id, "session_id": origin.session_id}
    if origin.parent_run_id is not None:
        fields["parent_run_id"] = origin.parent_run_id
    fields["nested_depth"] = origin.nested_depth
    return to_json(fields).decode()[1:-1]


def encode_event(event: RunEvent) -> tuple[str, str]:
    """The event's wire name and its one-line JSON. The event must be stamped."""
    assert event.origin is not None, "the journal stamps an event before it is shown"
    name = event_name(event, event.origin.kind)
    payload = event.model_dump(mode="json", exclude_none=True, exclude={"event", "created_at", _KEEP_NULLS})
    tool = getattr(event, _KEEP_NULLS, None)
    if tool is not None:
        payload[_KEEP_NULLS] = tool.model_dump(mode="json")
    rest = to_json(payload).decode()[1:-1]
    head = f'{{"created_at":{event.created_at},"event":"{name}",{_origin_json(event.origin)}'
    return name, f"{head},{rest}}}" if rest else f"{head}}}"


def decode_event(text: str | bytes, *, seq: int = 0) -> RunEvent:
    """The event that `encode_event` wrote; raises pydantic's ValidationError on anything else."""
    fields: dict[str, Any] = from_json(text)
    kind = next((known for known in _PREFIX if f"{known}_id" in fields), _DEFAULT_KIND)
    fields["event"] = _plain_name(fields.get("event", ""), kind)
    event = _EVENTS.validate_python(fields)
    event.seq = seq
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


def _plain_name(name: str, kind: Kind) -> str:
    if kind == "workflow" and name.removeprefix("Workflow") in {"Started", "Completed", "Error", "Cancelled"}:
        return "Run" + name.removeprefix("Workflow")
    return name.removeprefix(_PREFIX[kind])


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
    for empty in ("messages", "tools"):
        if not fields.get(empty):
            fields.pop(empty, None)
    return fields
