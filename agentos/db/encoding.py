"""What Postgres can't hold, and what is stored in its place.

Text and JSON in Postgres have no NUL and no lone surrogates, but a model or a tool may produce both, and a
run is stored whatever it produced: content is mended, never refused. An id is the caller's to choose and is
compared, so one that can't be stored is refused on writing and simply absent on reading.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic_core import from_json

from agentos.errors import InvalidInputError
from agentos.run.text import is_holdable, json_of

MAX_ID = 255
"""Characters in an id or a topic; an index entry holds at most some 2,700 bytes."""

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def dump(value: object) -> str:
    """JSON that Postgres takes, of anything."""
    text = json_of(value)
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def load(text: str | bytes) -> Any:
    """The value of JSON that came from Postgres."""
    try:
        return from_json(text)
    except ValueError:  # nested deeper than the quick parser goes
        return json.loads(text)


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
