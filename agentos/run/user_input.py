"""Checks what a person says against the JSON schema of the parameter that was asked for.

The schema is stored with the question, so any process can check an answer, also one without the tool.
The tool itself checks what a schema can't say, such as a validator written in Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal, Union, cast
from uuid import UUID

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from agentos.run.text import plain

Shape = Mapping[str, Any]

_MAX_LEVELS: Final = 10
"""Levels of a schema that are read; it may refer to itself."""
_TYPES: Final[Mapping[str, Any]] = {
    "integer": int,
    "number": float,
    "boolean": bool,
    "object": dict[str, Any],
    "null": None,
}
_FORMATS: Final[Mapping[str, Any]] = {
    "date-time": datetime,
    "date": date,
    "time": time,
    "duration": timedelta,
    "uuid": UUID,
}
_LIMITS: Final = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "pattern": "pattern",
}


def taken(value: object, schema: Shape) -> Any:
    """The value as JSON data of the schema's type: `"3"` is 3 for an integer.

    ValueError says what is wrong with it.
    """
    try:
        adapter = TypeAdapter[Any](_type(schema, schema.get("$defs", {}), _MAX_LEVELS))
    except SchemaError:  # a pattern in a dialect that pydantic doesn't read
        return plain(value)
    try:
        return plain(adapter.validate_python(value))
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False, include_context=False, include_input=False)
        raise ValueError(first["msg"]) from None


def _type(shape: Shape, definitions: Mapping[str, Shape], levels: int) -> Any:
    """A type for pydantic, without the fields of objects."""
    if not levels:
        return Any
    if (name := str(shape.get("$ref", "")).removeprefix("#/$defs/")) in definitions:
        return _type(definitions[name], definitions, levels - 1)
    choices: list[Any] = shape.get("enum") or ([shape["const"]] if "const" in shape else [])
    if choices:
        return Any if any(isinstance(each, float | list | dict) for each in choices) else Literal[*choices]
    if options := cast("list[Shape] | None", shape.get("anyOf") or shape.get("oneOf")):
        return Union[tuple(_type(each, definitions, levels - 1) for each in options)]  # noqa: UP007
    match shape.get("type"):
        case "array":
            kind = list[_type(shape.get("items", {}), definitions, levels - 1)]
        case "string":
            kind = _FORMATS.get(str(shape.get("format")), str)
        case other:
            kind = _TYPES.get(str(other), Any)
    limits = {_LIMITS[name]: value for name, value in shape.items() if name in _LIMITS}
    return Annotated[kind, Field(**limits)] if limits else kind
