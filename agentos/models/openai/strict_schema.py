"""Converts JSON schemas to the subset that OpenAI enforces (`strict`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

_DROPPED = {"default", "discriminator", "minLength", "maxLength"}
"""Not allowed in strict mode. Without them a schema permits more, but answers are validated anyway."""
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
_KNOWN = _DROPPED | {
    *("$defs", "$ref", "additionalProperties", "allOf", "anyOf", "const", "description", "enum"),
    *("examples", "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maximum"),
    *("minItems", "minimum", "multipleOf", "oneOf", "pattern", "properties", "required", "title", "type"),
}

_KINDS = {"type", "anyOf", "$ref", "enum", "const"}
"""One of these describes the type of a value."""


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """A copy for strict mode; None if it can't be expressed (free-form objects, tuples, `not` …).

    Strict mode requires every object to be closed and every property to be required, so optional properties
    are always present: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    """
    try:
        return _strict(schema)
    except _NotStrictError:
        return None


class _NotStrictError(Exception):
    pass


def _strict(schema: object) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        raise _NotStrictError
    node = dict(cast("Mapping[str, Any]", schema))
    if not node.keys() <= _KNOWN:
        raise _NotStrictError
    all_of = node.pop("allOf", None)
    if all_of is not None:
        if len(all_of) != 1:
            raise _NotStrictError
        node = {**all_of[0], **node}
    out = {key: value for key, value in node.items() if key not in _DROPPED}
    if out.get("format") not in _FORMATS:
        out.pop("format", None)
    _nested(out)
    return _reference(out) if "$ref" in out else out


def _nested(node: dict[str, Any]) -> None:
    if "oneOf" in node:
        node["anyOf"] = node.pop("oneOf")
    if "anyOf" in node:
        node["anyOf"] = [_strict(choice) for choice in node["anyOf"]]
    if "items" in node:
        node["items"] = _strict(node["items"])
    if "$defs" in node:
        node["$defs"] = {name: _strict(definition) for name, definition in node["$defs"].items()}
    kinds = node.get("type", ())
    if "object" in ((kinds,) if isinstance(kinds, str) else kinds):
        _close(node)
    # An array of anything, or anything at all.
    elif not node.keys() & ({"items"} if kinds == "array" else _KINDS):
        raise _NotStrictError


def _close(node: dict[str, Any]) -> None:
    if "properties" not in node or node.get("additionalProperties", False) is not False:
        raise _NotStrictError
    node["properties"] = {name: _strict(value) for name, value in node["properties"].items()}
    node["required"] = list(node["properties"])
    node["additionalProperties"] = False


def _reference(node: dict[str, Any]) -> dict[str, Any]:
    # Strict mode wants a $ref to stand alone; its description moves one level up.
    reference = {"$ref": node.pop("$ref")}
    notes = {key: node[key] for key in ("title", "description") if key in node}
    definitions = {"$defs": node["$defs"]} if "$defs" in node else {}
    return {"anyOf": [reference], **notes, **definitions} if notes else reference | definitions
