"""Makes text storable: UTF-8, JSON and Postgres don't allow lone surrogates.

Models and tools may produce them, and a run must be shown and stored whatever it produced.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

_MAX_DEPTH = 100


def is_holdable(text: str) -> bool:
    """Whether Postgres can store `text` unchanged: it has no NUL and no lone surrogate."""
    if text.isascii():
        return "\0" not in text
    return re.search("[\0\ud800-\udfff]", text) is None


def mended(text: str) -> str:
    """`text` with U+FFFD in place of each character that Postgres can't store."""
    return text if is_holdable(text) else re.sub("[\0\ud800-\udfff]", "\ufffd", text)


def json_of(value: object) -> str:
    """JSON of any value, models without nulls. Values without a JSON form become `str`, NaN null."""
    try:
        return to_json(value, exclude_none=True, inf_nan_mode="null", fallback=str).decode()
    except PydanticSerializationError:
        return to_json(_plain(value, ()), inf_nan_mode="null").decode()


def _plain(value: object, above: tuple[int, ...]) -> Any:
    """The slow path to JSON, which also handles lone surrogates, cycles and bytes."""
    if id(value) in above or len(above) > _MAX_DEPTH:
        return "\ufffd"
    path = (*above, id(value))
    match value:
        case str():
            return mended(value)
        case None | bool() | int() | float():
            return value
        case bytes():
            return b64encode(value).decode()
        case BaseModel():
            return {name: _plain(item, path) for name, item in value if item is not None}
        case Mapping():
            entries = cast("Mapping[object, object]", value)
            return {mended(str(key)): _plain(item, path) for key, item in entries.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item, path) for item in cast("Iterable[object]", value)]
        case _:
            return mended(str(to_jsonable_python(value, fallback=str)))
