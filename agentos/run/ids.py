"""Ids of runs: `r` and a UUID that begins with the time, so that they sort by it, and after all older ids."""

from __future__ import annotations

from secrets import randbits
from time import time_ns
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

_VERSION: Final = 7 << 76
_VARIANT: Final = 2 << 62
_TIME: Final = 80
"""Bits below the milliseconds (RFC 9562 §5.7)."""


def new_run_id() -> str:
    """The id of a new run: a UUIDv7."""
    milliseconds = time_ns() // 1_000_000
    return _spelled(milliseconds << _TIME | randbits(_TIME))


def nested_run_id(parent_run_id: str, name: str) -> str:
    """The id of the run nested under this name. It has the time of its parent, if its id has one."""
    hashed = uuid5(NAMESPACE_OID, f"{parent_run_id}/{name}").int
    try:
        milliseconds = UUID(parent_run_id.removeprefix("r")).int >> _TIME
    except ValueError:  # chosen by a caller
        milliseconds = hashed >> _TIME
    return _spelled(milliseconds << _TIME | hashed % (1 << _TIME))


def _spelled(number: int) -> str:
    free = number & ~(0xF << 76) & ~(0x3 << 62)
    return f"r{UUID(int=free | _VERSION | _VARIANT)}"
