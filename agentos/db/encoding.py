"""Text and JSON that Postgres can't store, and how they are stored instead.

In Postgres, text and JSON can't contain NUL or lone surrogates, but models and tools may produce both, and a
run must be stored whatever it produced. So content is repaired, never refused. Ids are chosen by the caller
and compared, so an id that can't be stored is refused on writing and not found on reading.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic_core import from_json

from agentos.errors import InvalidInputError, PayloadTooLargeError
from agentos.run.text import is_holdable, json_of

MAX_ID = 255
"""Maximum characters in an id or a topic. An index entry holds about 2,700 bytes."""

MAX_JSON = 200_000_000
"""Maximum characters of one JSON value. Postgres holds 256 MB in a `jsonb` and less than 1 GB in a row."""

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def dump(value: object) -> str:
    """Encodes any value as JSON that Postgres accepts. PayloadTooLargeError if there is too much of it."""
    text = json_of(value)
    if len(text) > MAX_JSON:
        raise PayloadTooLargeError(f"A value of {len(text)} characters of JSON is too large to be stored.")
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def load(text: str | bytes) -> Any:
    """Decodes JSON that came from Postgres."""
    try:
        return from_json(text)
    except ValueError:  # nested deeper than the quick parser goes
        return json.loads(text)


def is_id(value: str) -> bool:
    """Whether `value` can be a stored id."""
    return len(value) <= MAX_ID and is_holdable(value)


def id_or_none(value: str) -> str | None:
    """`value`, or None, which equals no stored id, if it can't be an id."""
    return value if is_id(value) else None


def check_ids(**ids: str | None) -> None:
    """InvalidInputError naming the first id that can't be stored."""
    for name, value in ids.items():
        if value is not None and not (value and is_id(value)):
            raise InvalidInputError(
                f"{name} must have 1 to {MAX_ID} characters, no NUL and no lone surrogate.", field=name
            )
