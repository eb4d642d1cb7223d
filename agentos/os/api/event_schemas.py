"""OpenAPI for the events of runs: a named schema for each event as it is on the wire, and their union."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from agentos.kinds import Kind
from agentos.os.api.requests.documentation import PREFIX, REF, without_null
from agentos.os.api_model import descriptions
from agentos.run.events import RunEvent
from agentos.run.messages import Metrics, ToolExecution
from agentos.run.requirement import RunRequirement
from agentos.run.wire import event_name

Json = dict[str, Any]

_UNION: Final = "RunEvent"
_PARTS: Final[tuple[type[BaseModel], ...]] = (Metrics, ToolExecution, RunRequirement)
_STREAM: Final = (
    "Server-sent events. `data` is a RunEvent as JSON, `event` its name and `id` its number, from which "
    "`Last-Event-ID` continues."
)

EVENTS: Final[Json] = {
    "text/event-stream": {
        "schema": {
            "type": "string",
            "description": _STREAM,
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": REF + _UNION},
        }
    }
}
"""The content of a response that is a stream of events."""


def schemas(kinds: Iterable[Kind]) -> dict[str, Json]:
    """The schemas of all events of these kinds, of their parts and of the union, by internal name."""
    events: tuple[type[BaseModel], ...] = get_args(RunEvent)
    wanted = [(each, "serialization") for each in (*events, *_PARTS)]
    _, found = models_json_schema(wanted, ref_template=REF + "{model}")  # pyright: ignore[reportArgumentType]
    named = {PREFIX + each.__name__: _described(found["$defs"][each.__name__], each) for each in _PARTS}
    union: list[str] = []
    for kind in kinds:
        for each in events:
            name = event_name(each.model_construct(), kind)  # pyright: ignore[reportArgumentType]
            named[PREFIX + name] = _on_the_wire(_described(found["$defs"][each.__name__], each), name, kind)
            union.append(name)
    return {**named, PREFIX + _UNION: _union(union)}


def _described(schema: Json, model: type[BaseModel]) -> Json:
    texts = descriptions(model)
    properties: Json = {
        name: {"description": texts[name], **field} if name in texts else field
        for name, field in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def _on_the_wire(schema: Json, name: str, kind: Kind) -> Json:
    """The event as `run.wire` encodes it: with its origin, without nulls."""
    payload: Json = schema["properties"]
    own = {field: _without_default(its) for field, its in payload.items() if field not in _STAMPS}
    event = {"type": "string", "const": name, "description": "The event's name."}
    properties: Json = {"created_at": payload["created_at"], "event": event, **_origin(kind), **own, **_INDEX}
    optional = {f"{kind}_name", "parent_run_id", *(each for each in own if _may_be_absent(payload[each]))}
    required = [each for each in properties if each not in optional]
    about = {"title": name, "description": schema["description"], "type": "object"}
    return {**about, "properties": properties, "required": required}


_STAMPS: Final = {"created_at", "event"}
_INDEX: Final[Json] = {
    "event_index": {"type": "integer", "description": "Number of the event, from 0; its SSE `id` minus one."}
}


def _origin(kind: Kind) -> Json:
    return {
        f"{kind}_id": {"type": "string", "description": f"The {kind}'s id."},
        f"{kind}_name": {"type": "string", "description": f"The {kind}'s name."},
        "run_id": {"type": "string", "description": "The run's id."},
        "session_id": {"type": "string", "description": "The run's session."},
        "parent_run_id": {"type": "string", "description": "The run that this one is nested in."},
        "nested_depth": {"type": "integer", "description": "Number of runs above it; 0 for a root run."},
    }


def _without_default(field: Json) -> Json:
    return {name: value for name, value in without_null(field).items() if name != "default"}


def _may_be_absent(field: Json) -> bool:
    """Whether the field may be null, which is left out."""
    return {"type": "null"} in field.get("anyOf", ()) or not field.keys() & {"type", "anyOf", "$ref", "allOf"}


def _union(names: list[str]) -> Json:
    return {
        "title": _UNION,
        "description": "Any event of a run's stream. `event` tells which.",
        "oneOf": [{"$ref": REF + name} for name in names],
        "discriminator": {"propertyName": "event", "mapping": {name: REF + name for name in names}},
    }
