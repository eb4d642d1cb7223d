"""What Postgres can't hold, and what is stored in its place.

Text and JSON in Postgres have no NUL and no lone surrogates, but a model or a tool may produce both, and a
run is stored whatever it produced: content is mended, never refused. An id is the caller's to choose and is
compared, so one that can't be stored is refused on writing and simply absent on reading.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, from_json, to_json, to_jsonable_python

from agentos.errors import InvalidInputError

MAX_ID = 255
"""Characters in an id or a topic; an index entry holds at most some 2,700 bytes."""

_MAX_DEPTH = 100
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def dump(value: object) -> str:
    """JSON that Postgres takes, of anything. What has no JSON form becomes its `str`, NaN null."""
    try:
        text = to_json(value, exclude_none=True, inf_nan_mode="null", fallback=str).decode()
    except PydanticSerializationError:
        text = to_json(_plain(value, ()), inf_nan_mode="null").decode()
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def load(text: str | bytes) -> Any:
    """The value of JSON that came from Postgres."""
    try:
        return from_json(text)
    except ValueError:  # nested deeper than the quick parser goes
        return json.loads(text)


def mended(text: str) -> str:
    """`text` with U+FFFD in place of each character that Postgres can't hold."""
    return text if is_holdable(text) else re.sub("[\0\ud800-\udfff]", "\ufffd", text)


def is_id(value: str) -> bool:
    """Whether a stored id can look like this."""
    return len(value) <= MAX_ID and is_holdable(value)


def id_or_none(value: str) -> str | None:
    """`value`, or None, which equals no stored id, if it can't be one."""
    return value if is_id(value) else None


def check_ids(**ids: str | None) -> None:
    """InvalidInputError naming the first of them that can't be stored."""
    for name, value in ids.items():
        if value is not None and not (value and is_id(value)):
            raise InvalidInputError(
                f"{name} must have 1 to {MAX_ID} characters, no NUL and no lone surrogate.", field=name
            )


def is_holdable(text: str) -> bool:
    """Whether Postgres can hold `text` as it is."""
    if text.isascii():
        return "\0" not in text
    return re.search("[\0\ud800-\udfff]", text) is None


def _plain(value: object, above: tuple[int, ...]) -> Any:
    """The slow way to JSON, which gets to the end with lone surrogates, cycles and bytes too."""
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
