"""The owner of rows that a call may access: one user, or explicitly anyone."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Anyone(Enum):
    """The type of `ANYONE`."""

    ANYONE = "anyone"


ANYONE: Final = Anyone.ANYONE
"""Access to all users' rows, for admins and for code without a caller."""

Owner = str | Anyone
"""A user's id, for exactly the rows with that `user_id`, or `ANYONE`."""


def may_see(owner: Owner, user_id: str | None) -> bool:
    """Whether `owner` may see a row of `user_id`. Rows without a user are only visible to `ANYONE`."""
    return owner is ANYONE or owner == user_id
