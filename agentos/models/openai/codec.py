"""Shared encoding of chat completions and responses."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from mimetypes import guess_type
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WrapValidator
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import PydanticSerializationError, from_json, to_json

from agentos.models.base import ResponseFormat
from agentos.models.openai.strict_schema import strict_schema
from agentos.run.media import Media
from agentos.run.messages import FunctionCall, Metrics, ToolCall

Json = dict[str, Any]

DONE = "[DONE]"
"""The event with which a stream of chat completions ends."""

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_json(value: object) -> object:
    return to_json(value).decode() if isinstance(value, dict | list) else value


def _or_nothing(value: object, validate: ModelWrapValidatorHandler[Any]) -> object:
    try:
        return validate(value)
    except ValidationError:
        return None


IfReadable = WrapValidator(_or_nothing)
"""Turns what an answer doesn't depend on into None, if it isn't readable. A failure would lose the answer."""
Identifier = Annotated[str, BeforeValidator(_as_text)]
"""An id, which some servers number."""
JsonText = Annotated[str, BeforeValidator(_as_json)]
"""JSON as text, which some servers send as it is."""
Count = Annotated[int | None, IfReadable]
"""A number of tokens; None if it isn't reported."""


class Received(BaseModel):
    """Part of a response: validated leniently, with errors that don't quote its content."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


def dump(body: Mapping[str, Any]) -> bytes:
    """Encodes the request as JSON. A lone surrogate, which UTF-8 can't represent, becomes `?`."""
    try:
        return to_json(body)
    except PydanticSerializationError:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def given(**options: object) -> Json:
    """The options that are set."""
    return {name: value for name, value in options.items() if value is not None}


def data_url(media: Media, fallback: str) -> str:
    """`media` as a `data:` URL, with its own type or the one suggested by its file name."""
    assert media.content is not None, "only bytes make a data URL"
    kind = media.mime_type or guess_type(media.filename or "")[0] or fallback
    return f"data:{kind};base64,{b64encode(media.content).decode()}"


def schema_format(wanted: ResponseFormat) -> Json:
    """Name, schema and strictness of a structured answer."""
    strict = strict_schema(wanted.schema)
    return {
        "name": _NOT_IN_NAMES.sub("_", wanted.name)[:64] or "answer",
        "schema": dict(wanted.schema) if strict is None else strict,
        "strict": strict is not None,
    }


def sendable(arguments: str) -> str:
    """A call's arguments in a form that can be sent back. Some servers refuse a history with invalid JSON.

    Nothing is lost: the tool's answer, next in the history, says what was invalid.
    """
    try:
        return arguments if isinstance(from_json(arguments), dict) else "{}"
    except ValueError:
        return "{}"


def tool_call(id: str, name: str, arguments: str) -> ToolCall:  # noqa: A002 - the wire's word
    """Converts a call to ours. A tool without parameters may be called without arguments, or with `null`."""
    nothing = arguments.strip() in {"", "null"}
    return ToolCall(id=id, function=FunctionCall(name=name, arguments="{}" if nothing else arguments))


def sendable_name(name: str) -> str:
    """A called tool's name in a form that can be sent back, which providers refuse to read otherwise."""
    return _NOT_IN_NAMES.sub("_", name)[:64] or "unknown"


class TokenDetails(Received):
    """Detailed token counts, under the names of either API."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None
    reasoning_tokens: Count = None


def metrics(
    read: int | None, written: int | None, total: int | None, *details: TokenDetails | None
) -> Metrics:
    """The provider's token counts; unreported ones are 0."""
    known = [detail for detail in details if detail is not None]
    return Metrics(
        input_tokens=read or 0,
        output_tokens=written or 0,
        total_tokens=total or (read or 0) + (written or 0),
        reasoning_tokens=sum(detail.reasoning_tokens or 0 for detail in known),
        cache_read_tokens=sum(detail.cached_tokens or 0 for detail in known),
        cache_write_tokens=sum(detail.cache_write_tokens or 0 for detail in known),
    )


class ServerEvents:
    """Decodes a provider's server-sent events: bytes in, the data of each event out.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation.
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._after_return = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events completed by `chunk`, without comments and other fields."""
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]  # the other half of a line's end
        self._after_return = chunk.endswith(b"\r")
        complete: list[bytes] = []
        for piece in chunk.splitlines(keepends=True):
            self._line.append(piece)
            if not piece.endswith((b"\n", b"\r")):
                break
            line = b"".join(self._line).rstrip(b"\r\n")
            self._line.clear()
            if line:
                self._take(line)
            elif self._data:
                complete.append(b"\n".join(self._data))
                self._data.clear()
        return complete

    def end(self) -> list[bytes]:
        """The data of a last event that lacks its blank line. It may be cut off."""
        return self.feed(b"\n\n")

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
