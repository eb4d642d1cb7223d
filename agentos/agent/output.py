"""Structured answers: the schema that the model is told, and the answer read back."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from agentos.errors import AgentOSError
from agentos.models.base import ResponseFormat
from agentos.run.request import OutputSchema


class OutputError(AgentOSError):
    """The model's answer doesn't fit the schema that was asked for, also after being told so."""

    code = "output_invalid"


def response_format(schema: OutputSchema) -> ResponseFormat:
    """The schema as a model is told it."""
    if isinstance(schema, type):
        return ResponseFormat(schema.__name__, schema.model_json_schema())
    return ResponseFormat(str(schema.get("title") or "output"), schema)


def parse(text: str, schema: OutputSchema) -> BaseModel | Any:
    """The answer as an instance of the class, or as JSON data for a plain schema.

    Raises OutputError with what is wrong, in words that a model can act on. A plain schema is enforced
    by the model's provider; here it is only read as JSON.
    """
    try:
        if isinstance(schema, type):
            return schema.model_validate_json(_without_fence(text))
        return from_json(_without_fence(text))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, part['loc'])) or 'the answer'}: {part['msg']}" for part in error.errors()
        )
        raise OutputError(f"The answer doesn't fit the schema: {problems}") from error
    except ValueError as error:
        raise OutputError("The answer isn't JSON.") from error


def _without_fence(text: str) -> str:
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```"):
        return stripped.removeprefix("```json").removeprefix("```").removesuffix("```")
    return stripped
