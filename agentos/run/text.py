"""Makes text and any other value storable: UTF-8, JSON and Postgres don't allow lone surrogates.

Models and tools may produce them, and a run must be shown and stored whatever it produced.
"""

from __future__ import annotations

import re
import sys
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite
from types import GeneratorType
from typing import Any, Final, cast

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, from_json, to_json, to_jsonable_python

from agentos.errors import InvalidInputError
from agentos.run.bounds import MAX_DEPTH, JsonLimits

MAX_LEVELS: Final = MAX_DEPTH + 28
"""Levels of what holds values of `MAX_DEPTH` levels. Pydantic reads 200."""
_LEFT_OUT: Final = "\ufffd"
_MAX_BITS: Final = 10_000
"""Bits of an integer that JSON readers take."""


def is_holdable(text: str) -> bool:
    """Whether Postgres can store `text` unchanged: it has no NUL and no lone surrogate."""
    try:
        return "\0" not in text and (text.isascii() or bool(text.encode()))
    except UnicodeEncodeError:
        return False


def mended(text: str) -> str:
    """`text` with U+FFFD in place of each character that Postgres can't store."""
    return text if is_holdable(text) else re.sub("[\0\ud800-\udfff]", "\ufffd", text)


def json_of(value: object) -> str:
    """The JSON of any value, as it is stored and sent. Nulls of models are left out, NaN is null.

    What has no JSON form becomes its `str`, bytes that aren't UTF-8 Base64. What contains itself, or is
    nested too deep for JSON readers, becomes U+FFFD there.
    """
    try:
        text = to_json(
            value, by_alias=False, exclude_none=True, inf_nan_mode="null", fallback=_described
        ).decode()
    except PydanticSerializationError:
        return _slow_json_of(value)
    return text if _is_shallow(text, MAX_LEVELS) else _slow_json_of(value)


def tagged_json(tag: str, value: object) -> str:
    """The value as JSON in a tag, for a model. No text in it can close the tag and speak from outside."""
    text = json_of(value).replace("</", r"<\/")
    return f"<{tag}>\n{text}\n</{tag}>"


def plain(value: object, levels: int = MAX_LEVELS) -> Any:
    """The value as JSON data, as `json_of` writes it, with at most `levels` levels."""
    text = json_of(value)
    try:
        return from_json(text) if _is_shallow(text, levels) else _plain(value, levels)
    except ValueError:  # an integer of thousands of digits
        return _plain(value, levels)


def _slow_json_of(value: object) -> str:
    return to_json(_plain(value, MAX_LEVELS), inf_nan_mode="null").decode()


def _is_shallow(text: str, levels: int) -> bool:
    if text.count("[") + text.count("{") <= levels:
        return True
    try:
        JsonLimits(bytes=sys.maxsize, values=sys.maxsize // 8, depth=levels).check(text.encode())
    except InvalidInputError:
        return False
    return True


def _plain(value: object, levels: int, above: tuple[int, ...] = ()) -> Any:
    """The slow path to JSON data, for what pydantic refuses."""
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        return _LEFT_OUT
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, bytes | bytearray):
        return _text(bytes(value))
    if id(value) in above:
        return _LEFT_OUT
    path = (*above, id(value))
    inner = _LEFT_OUT if len(path) > levels else None
    match value:
        case BaseModel() | Mapping():
            entries = _fields(value) if isinstance(value, BaseModel) else cast("Mapping[Any, Any]", value)
            return inner or {_key(key): _plain(item, levels, path) for key, item in entries.items()}
        case list() | tuple() | set() | frozenset() | deque() | GeneratorType():
            return inner or [_plain(item, levels, path) for item in cast("Iterable[object]", value)]
        case Enum():
            return _plain(value.value, levels, path)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return inner or {
                each.name: _plain(getattr(value, each.name), levels, path) for each in fields(value)
            }
        case _:
            return _scalar(value)


def _fields(model: BaseModel) -> dict[str, object]:
    """What pydantic would write of a model."""
    kind = type(model)
    shown = {name for name, field in kind.model_fields.items() if not field.exclude}
    entries: dict[str, object] = {name: value for name, value in model if name in shown}
    entries |= model.model_extra or {}
    entries |= {name: getattr(model, name) for name in kind.model_computed_fields}
    return {name: value for name, value in entries.items() if value is not None}


def _scalar(value: object) -> str:
    """Text of what is neither text, number nor collection, such as a date."""
    try:
        return str(to_jsonable_python(value, fallback=_described))
    except ValueError:
        return _described(value)


def _key(key: object) -> str:
    """The name of an entry, as pydantic writes it."""
    if isinstance(key, str):
        return mended(key)
    try:
        return mended(next(iter(to_jsonable_python({key: None}, fallback=_described))))
    except ValueError:
        return _described(key)


def _text(content: bytes) -> str:
    try:
        return mended(content.decode())
    except UnicodeDecodeError:
        return b64encode(content).decode()


def _described(value: object) -> str:
    """`str` of an object, or the name of its class if that fails."""
    try:
        return mended(str(value))
    except Exception:  # noqa: BLE001 - another's `__str__` must not lose the run
        return f"<{type(value).__name__}>"
