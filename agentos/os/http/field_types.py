"""Strings and JSON objects from callers, restricted to what a database and a log can store."""

from __future__ import annotations

import re
import sys
from math import isfinite
from typing import Annotated, Any

from pydantic import AfterValidator, GetJsonSchemaHandler, StringConstraints, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, to_json

from agentos.errors import InvalidInputError
from agentos.kinds import KINDS
from agentos.run.bounds import JsonLimits
from agentos.run.text import is_holdable

MAX_ID = 255
"""Characters."""
MAX_DEPTH = 64
"""Maximum nesting depth of a caller's JSON."""

_QUICK_DEPTH = JsonLimits(bytes=sys.maxsize, values=sys.maxsize // 8, depth=MAX_DEPTH - 2)
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def _plain(value: str) -> str:
    if not is_holdable(value):
        raise PydanticCustomError("text_unstorable", "Text can't hold NUL or half of a surrogate pair")
    return value


def _printable(value: str) -> str:
    if _CONTROL.search(value):
        raise PydanticCustomError("id_unprintable", "An id can't hold control characters")
    return value


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    if not _is_surely_storable(value):
        _check(value, 1)
    return value


def _is_surely_storable(value: dict[str, Any]) -> bool:
    """The quick answer, a tenth of the time. False: `_check` says what is wrong, if anything is."""
    try:
        text = to_json(value, inf_nan_mode="constants")
        _QUICK_DEPTH.check(text)
    except (ValueError, InvalidInputError):
        return False
    return not any(mark in text for mark in (rb"\u0000", b"NaN", b"Infinity"))


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise PydanticCustomError("json_depth", "JSON may nest {limit} levels", {"limit": MAX_DEPTH})
    match value:
        case str():
            _plain(value)
        case float():
            if not isfinite(value):
                raise PydanticCustomError("json_number", "JSON numbers must be finite")
        case dict():
            for name, item in value.items():  # pyright: ignore[reportUnknownVariableType] - any JSON
                _check(name, depth)
                _check(item, depth + 1)
        case list():
            for item in value:  # pyright: ignore[reportUnknownVariableType] - any JSON
                _check(item, depth + 1)
        case _:
            pass


def _registered(value: str) -> str:
    if value not in KINDS:
        raise PydanticCustomError("kind", "Input should be one of {kinds}", {"kinds": ", ".join(KINDS)})
    return value


class _KindSchema:
    """Lists the kinds when a schema is requested, since not all are registered at import time."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(core), "enum": list(KINDS)}


RegisteredKind = Annotated[str, AfterValidator(_registered), _KindSchema()]
"""The name of a registered kind."""
Text = Annotated[str, AfterValidator(_plain)]
"""Any string without NUL and lone surrogates."""
Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID),
    AfterValidator(_printable),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": MAX_ID, "pattern": r"^[^\x00-\x1f\x7f]+$"}
    ),
]
"""1 to 255 printable characters."""


def _addressable(value: str) -> str:
    if value in {".", ".."} or "/" in value or "\\" in value:
        raise PydanticCustomError("id_unaddressable", "This id can't hold slashes, or be '.' or '..'")
    return value


PathId = Annotated[Id, AfterValidator(_addressable)]
"""An id that occurs in paths."""
JsonObject = Annotated[dict[str, Any], AfterValidator(_storable)]
"""A JSON object whose strings and numbers can all be stored and returned."""
