"""Whose rows a call may touch: one user's, or, spelled out, anyone's."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Anyone(Enum):
    """The type of `ANYONE`."""

    ANYONE = "anyone"


ANYONE: Final = Anyone.ANYONE
"""Every user's rows: for administrators, and for code that runs without a caller."""

Owner = str | Anyone
"""A user's id (sees exactly the rows whose `user_id` equals it), or `ANYONE`."""


def may_see(owner: Owner, user_id: str | None) -> bool:
    """Whether `owner` may see a row that belongs to `user_id`; a row of nobody's is only for `ANYONE`."""
    return owner is ANYONE or owner == user_id
