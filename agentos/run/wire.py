"""Encodes runs and events in the peer's wire format, and decodes them.

Only this module puts the names of kinds into JSON: `agent_id`, `TeamRunStarted` and so on, and the SSE frame.
Nulls are omitted, except inside tools.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from typing import Any, cast, get_args

from pydantic import ConfigDict, TypeAdapter
from pydantic_core import PydanticSerializationError, from_json, to_json

from agentos.errors import AgentOSError
from agentos.kinds import KINDS, Kind, spelling
from agentos.run.bounds import MAX_DEPTH
from agentos.run.events import (
    AnyRunEvent,
    Origin,
    RunCompleted,
    RunContent,
    RunEvent,
    RunPaused,
    ToolCallCompleted,
    ToolCallError,
    ToolCallStarted,
)
from agentos.run.records import Json, RunOutput
from agentos.run.text import json_of, plain

_EVENTS: TypeAdapter[RunEvent] = TypeAdapter(AnyRunEvent, config=ConfigDict(defer_build=True))
_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_OF_TOOLS = (ToolCallStarted, ToolCallCompleted, ToolCallError)
_APART = {"event", "created_at", "tool", "tools", "requirements", "origin", "seq", "session_state"}
_NO_STATE = re.compile(r',"session_state":null(?=,"event_index":\d+}$)')
"""Stands for the state in the log: it is stored once, with the session. Elsewhere a null is left out."""


def event_name(event: RunEvent, kind: Kind) -> str:
    """`RunContent` of an agent, `TeamRunContent` of a team, `WorkflowStarted` of a workflow."""
    how = spelling(kind)
    return how.event_prefix + (event.event.removeprefix("Run") if how.without_run else event.event)


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


def encode_event(event: RunEvent, *, for_log: bool = False) -> tuple[str, str]:
    """The event's wire name and its one-line JSON. The event must be stamped.

    `for_log` leaves out the session's state, which `with_state` puts back.
    """
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
        parts.append(f'"requirements":{json_of([each.shown() for each in event.requirements])}')
    elif isinstance(event, RunCompleted) and event.session_state is not None:
        parts.append(f'"session_state":{"null" if for_log else _state(event.session_state)}')
    parts.append(f'"event_index":{event.seq - 1}')
    return name, "{" + ",".join(parts) + "}"


def _payload(event: RunEvent) -> str:
    if isinstance(event, RunContent) and isinstance(event.content, str):
        with suppress(PydanticSerializationError):  # a few microseconds, for the most frequent event
            return event.model_dump_json(exclude_none=True, exclude=_APART)
    return json_of({name: value for name, value in event if name not in _APART and value is not None})


def _state(state: Json) -> str:
    """The state with sorted keys: the same text in every process, while Postgres has an order of its own."""
    return json_of(_sorted(plain(state, MAX_DEPTH)))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {key: _sorted(fields[key]) for key in sorted(fields)}
    return [_sorted(each) for each in cast("list[Any]", value)] if isinstance(value, list) else value


def lacks_state(text: str) -> bool:
    """Whether the event was encoded without the state."""
    return _NO_STATE.search(text, max(len(text) - 60, 0)) is not None


def with_state(text: str, state: Json | None) -> str:
    """The event that `lacks_state` with it, or without any, if it isn't known."""
    part = "" if state is None else f',"session_state":{_state(state)}'
    return _NO_STATE.sub(lambda _: part, text)


def decode_event(text: str | bytes) -> RunEvent:
    """The event that `encode_event` wrote; raises ValueError on anything else."""
    fields: dict[str, Any] = _OBJECT.validate_python(from_json(text, allow_inf_nan=False))
    kind = _kind(fields)
    fields["event"] = _plain_name(str(fields.get("event")), kind)
    fields["seq"] = fields.get("event_index", -1)
    fields["origin"] = {
        "kind": kind,
        "id": fields.get(f"{kind}_id"),
        "name": fields.get(f"{kind}_name"),
        "run_id": fields.get("run_id"),
        "session_id": fields.get("session_id"),
        "parent_run_id": fields.get("parent_run_id"),
        "nested_depth": fields.get("nested_depth", 0),
    }
    event = _EVENTS.validate_python(fields)
    event.seq += 1
    return event


def _kind(fields: dict[str, Any]) -> Kind:
    return next((kind for kind in KINDS if f"{kind}_id" in fields), "agent")


def _plain_name(name: str, kind: Kind) -> str:
    how = spelling(kind)
    plain = name.removeprefix(how.event_prefix)
    return f"Run{plain}" if how.without_run and f"Run{plain}" in _NAMES else plain


_NAMES = frozenset(model.model_fields["event"].default for model in get_args(RunEvent))
"""All wire names of events."""


def sse_frame(name: str, text: str, seq: int) -> str:
    """One server-sent event. `id` is the event's `seq`, so a client can continue with `Last-Event-ID`."""
    return f"id: {seq}\nevent: {name}\ndata: {text}\n\n"


def closing_frame(why: AgentOSError) -> str:
    """The server-sent event that ends a stream before its run does."""
    told = json_of({"event": "StreamClosed", "code": why.code, "detail": str(why)})
    return f"event: StreamClosed\ndata: {told}\n\n"


_NOT_SHOWN = {
    "root_run_id", "depth", *(name for name, field in RunOutput.model_fields.items() if field.exclude),
}  # fmt: skip


def run_output(run: RunOutput, *, members: bool = False) -> dict[str, Any]:
    """A run as JSON-ready data, keys in the peer's order, nulls dropped.

    `members` includes its `children`, and theirs, as `member_responses`.
    """
    shown: dict[str, Any] = plain(
        {name: value for name, value in run if value is not None and name not in _NOT_SHOWN}
    )
    if run.session_state is not None:  # the same as in events, at whatever level it stands
        shown["session_state"] = plain(run.session_state, MAX_DEPTH)
    kind, runnable_id, name = shown.pop("kind"), shown.pop("runnable_id"), shown.pop("runnable_name", None)
    fields: dict[str, Any] = {"run_id": shown.pop("run_id"), f"{kind}_id": runnable_id}
    if name is not None:
        fields[f"{kind}_name"] = name
    fields |= shown
    for tool, call in zip(run.tools, fields.get("tools", ()), strict=True):
        call.update(plain(tool.model_dump()))
    if run.is_paused:
        fields["requirements"] = plain([each.shown() for each in run.active_requirements])
    for empty in ("messages", "tools"):
        if not fields.get(empty):
            fields.pop(empty, None)
    if members:
        fields["member_responses"] = [run_output(child, members=True) for child in run.children]
    return fields
