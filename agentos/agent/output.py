"""Structured answers: what the model is asked for, and the value that its text holds."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from agentos.errors import AgentOSError, InvalidInputError, PayloadTooLargeError
from agentos.models.base import ResponseFormat
from agentos.run.bounds import JSON_LIMITS
from agentos.run.output_schema import Answer, OutputSchema, described, object_schema

_THOUGHTS = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```(?:json)?\s*\n(.*)```", re.DOTALL | re.IGNORECASE)
_START = re.compile(r"[{\[]")
_DECODER = json.JSONDecoder()


class OutputError(AgentOSError):
    """The model's answer doesn't match the requested schema, even after a correction."""

    code = "output_invalid"


def response_format(schema: OutputSchema) -> ResponseFormat:
    """The schema in the form that models receive."""
    if isinstance(schema, type):
        return ResponseFormat(schema.__name__, described(schema)[0])
    return ResponseFormat(str(schema.get("title") or "output"), object_schema(schema)[0])


def type_name(schema: OutputSchema) -> str:
    """The `content_type` of an answer."""
    if not isinstance(schema, type):
        return "dict"
    return schema.type_name() if issubclass(schema, Answer) else schema.__name__


def parse(text: str, schema: OutputSchema) -> Any:
    """Parses the answer into the class or type, or into JSON data for a plain schema.

    Raises OutputError with a description of the problem that the model can act on. A plain schema is enforced
    by the model's provider; here it is only parsed as JSON.
    """
    try:
        JSON_LIMITS.check(text.encode(errors="replace"))
        return _value(json_in(text), schema)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, part['loc'])) or 'the answer'}: {part['msg']}" for part in error.errors()
        )
        raise OutputError(f"The answer doesn't match the schema: {problems}") from error
    except ValueError as error:
        raise OutputError("The answer isn't JSON.") from error
    except (InvalidInputError, PayloadTooLargeError) as error:
        raise OutputError(f"The answer is too much. {error}.") from error


def _value(text: str, schema: OutputSchema) -> Any:
    if not isinstance(schema, type):
        value = from_json(text)
        return _unwrapped(value) if object_schema(schema)[1] else value
    if described(schema)[1]:
        text = to_json(_unwrapped(from_json(text))).decode()
    parsed: Any = schema.model_validate_json(text)
    return parsed.root if isinstance(parsed, Answer) else parsed  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - the type is the user's


def _unwrapped(value: Any) -> Any:
    """The answer in the object that was asked for. Some models leave the object out."""
    match value:
        case {"value": inner, **others} if not others:
            return inner
        case _:
            return value


def json_in(text: str) -> str:
    """The JSON in an answer that may think first, talk around it, or fence it; the text if it isn't clear.

    It is clear if one fenced block is at its beginning or end, or one object or array at its end. Elsewhere
    it may be an example of what the answer isn't.
    """
    said = _THOUGHTS.sub("", text).strip()
    if said[:1] in {"{", "[", '"'}:
        return said
    if whole := _FENCE.fullmatch(said):
        return whole[1].strip()
    if len(fenced := _FENCED.findall(said)) == 1 and _is_at_edge(said):
        return fenced[0].strip()
    if start := _START.search(said):
        try:
            _, end = _DECODER.raw_decode(said, start.start())
        except (ValueError, RecursionError):
            return said
        if not said[end:].strip(" .!\n"):
            return said[start.start() : end]
    return said


def _is_at_edge(said: str) -> bool:
    """Whether the answer begins or ends with its fenced block. In the middle it may be an example."""
    return said.startswith("```") or said.endswith("```")
