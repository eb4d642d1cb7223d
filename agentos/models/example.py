"""Generates a small value that matches a JSON schema, from a text and by fixed rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import ceil
from typing import Any

from pydantic import JsonValue

_DEEPEST = 8
"""Depth beyond which optional parts are left out, for recursive schemas."""
_TOO_DEEP = 64
"""Depth beyond which the schema is considered to have no finite instance."""
_FORMATS = {
    "date-time": "2000-01-01T00:00:00Z",
    "date": "2000-01-01",
    "time": "00:00:00Z",
    "duration": "PT1S",
    "email": "somebody@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\w)")

JsonSchema = Mapping[str, Any]


def example(schema: JsonSchema, text: str) -> JsonValue:
    """A minimal instance: strings are `text`, numbers are taken from it, optional properties are left out.

    Respects types, enums, bounds and lengths, but not patterns.
    """
    return _value(schema, text, schema, 0)


def _value(schema: JsonSchema | bool, text: str, root: JsonSchema, depth: int) -> JsonValue:
    if depth > _TOO_DEEP or isinstance(schema, bool):
        return None
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        choices: list[JsonValue] = schema["enum"]
        named = [choice for choice in choices if str(choice).lower() in text.lower()]
        return next(iter(named or choices), None)
    if "default" in schema:
        return schema["default"]
    if "$ref" in schema or "allOf" in schema:
        parts = [{"$ref": schema["$ref"]}] if "$ref" in schema else schema["allOf"]
        merged: dict[str, Any] = {}
        for part in parts:
            merged |= _resolve(part["$ref"], root) if "$ref" in part else part
        return _value(merged, text, root, depth + 1)
    for union in ("anyOf", "oneOf"):
        if schema.get(union):
            # Deep inside a schema that contains itself, the last choice is the way out: it is mostly null.
            return _value(schema[union][-1 if depth > _DEEPEST else 0], text, root, depth + 1)
    return _typed(schema, text, root, depth)


def _typed(schema: JsonSchema, text: str, root: JsonSchema, depth: int) -> JsonValue:
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    match kinds if isinstance(kinds, str) else kinds[0]:
        case "object":
            properties = schema.get("properties", {})
            required = schema.get("required", ())
            return {name: _value(properties.get(name, {}), text, root, depth + 1) for name in required}
        case "array":
            return _array(schema, text, root, depth)
        case "integer" | "number" as kind:
            return _number(schema, text, whole=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _string(schema, text)


def _array(schema: JsonSchema, text: str, root: JsonSchema, depth: int) -> JsonValue:
    if "prefixItems" in schema:
        return [_value(item, text, root, depth + 1) for item in schema["prefixItems"]]
    wanted = 0 if depth > _DEEPEST else 1
    count = max(schema.get("minItems", 0), min(wanted, schema.get("maxItems", wanted)))
    return [_value(schema.get("items", {}), text, root, depth + 1) for _ in range(count)]


def _number(schema: JsonSchema, text: str, *, whole: bool) -> int | float:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf", 1)

    def fits(number: float) -> bool:
        above = low is None or (number > low if "minimum" not in schema else number >= low)
        below = high is None or (number < high if "maximum" not in schema else number <= high)
        return above and below and ("multipleOf" not in schema or number % step == 0)

    said = [float(number) for number in _NUMBER.findall(text)]
    near = [1, low, high] + [step * (ceil((low or 0) / step) + extra) for extra in (0, 1)]
    near += [(low + high) / 2] if low is not None and high is not None and not whole else []
    candidates = [number for number in [*said, *near] if number is not None and fits(number)]
    candidates = [number for number in candidates if not whole or float(number).is_integer()]
    chosen = candidates[0] if candidates else 1
    return int(chosen) if float(chosen).is_integer() else chosen


def _string(schema: JsonSchema, text: str) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]


def _resolve(reference: str, root: JsonSchema) -> JsonSchema:
    node = root
    for name in reference.removeprefix("#").strip("/").split("/"):
        node = node.get(name.replace("~1", "/").replace("~0", "~"), {}) if name else node
    return node
