"""What a tool answers, as text that a model can read and a database can store."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass

from pydantic_core import to_json

from agentos.run.text import mended

MAX_RESULT = 100_000
"""Characters of an answer that reach the model; the rest is cut off, and the answer says so."""


class ToolError(Exception):
    """Raise it in a tool to tell the model what went wrong.

    Its text goes to the model and into the run's record, so it must hold no secret. Of any other exception
    the model learns only the class name.
    """


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool's answer to the model. An error is an answer too."""

    content: str
    error: bool = False


def to_text(value: object) -> str:
    """Strings and UTF-8 bytes as they are, everything else as JSON (None is `null`).

    At most MAX_RESULT characters and a note. NUL and lone surrogates, which Postgres can't store, are
    replaced.
    """
    match value:
        case str():
            text = value
        case bytes():
            text = value.decode(errors="replace")
        case _:
            text = to_json(value, fallback=str, bytes_mode="base64").decode()
    return mended(text if len(text) <= MAX_RESULT else _cut(text))


def join(pieces: Iterable[object]) -> str:
    """The texts of the pieces as one; takes no more pieces once there is more than a model will see."""
    text = ""
    for piece in pieces:
        text += to_text(piece)
        if len(text) > MAX_RESULT:
            break
    return text


async def join_async(pieces: AsyncIterable[object]) -> str:
    """`join`, for pieces that are awaited."""
    text = ""
    async for piece in pieces:
        text += to_text(piece)
        if len(text) > MAX_RESULT:
            break
    return text


def _cut(text: str) -> str:
    return f"{text[:MAX_RESULT]}\n[Cut: only the first {MAX_RESULT} characters are shown.]"
