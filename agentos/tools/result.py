"""A tool's answer, as text that a model can read and a database can store."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass

from pydantic_core import PydanticSerializationError, to_json

from agentos.errors import AgentOSError
from agentos.run.text import json_of, mended

MAX_RESULT = 100_000
"""Characters of an answer that reach the model. The rest is cut off, with a note."""


class ToolError(Exception):
    """Raise it in a tool to tell the model what went wrong.

    Its text is sent to the model and stored with the run, so it must not contain secrets. Of any other
    exception the model sees only the class name.
    """


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool's answer to the model, which may be an error."""

    content: str
    error: bool = False


@dataclass(frozen=True, slots=True)
class NestedResult(ToolResult):
    """The answer of a call that began nested runs."""

    child_run_id: str | None = None
    """The nested run, if it was one."""
    is_waiting: bool = False
    """Whether a nested run waits for a person: then there is no answer yet."""
    failure: AgentOSError | None = None
    """Fails the run, since its nested run failed."""


def to_text(value: object) -> str:
    """Converts an answer to text: strings and UTF-8 bytes unchanged, other values as JSON (None is `null`).

    At most MAX_RESULT characters and a note. NUL and lone surrogates, which Postgres can't store, are
    replaced.
    """
    match value:
        case str():
            text = value
        case bytes():
            text = value.decode(errors="replace")
        case _:
            try:
                text = to_json(value, fallback=str, bytes_mode="base64").decode()
            except PydanticSerializationError:  # lone surrogates, cycles
                text = json_of(value)
    return mended(text if len(text) <= MAX_RESULT else _cut(text))


def join(pieces: Iterable[object]) -> str:
    """Joins pieces of text. Stops reading once there is more than the model will see."""
    text = ""
    for piece in pieces:
        text += to_text(piece)
        if len(text) > MAX_RESULT:
            break
    return text


async def join_async(pieces: AsyncIterable[object]) -> str:
    """`join` for asynchronous pieces."""
    text = ""
    async for piece in pieces:
        text += to_text(piece)
        if len(text) > MAX_RESULT:
            break
    return text


def _cut(text: str) -> str:
    return f"{text[:MAX_RESULT]}\n[Cut: only the first {MAX_RESULT} characters are shown.]"
