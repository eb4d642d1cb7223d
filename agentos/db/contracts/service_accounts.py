"""A machine's account, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

AccountSort = Literal["created_at", "name", "expires_at", "last_used_at"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """A machine that may call the server. Its token isn't kept, only a hash of it, and not here."""

    id: str
    name: str
    """No two accounts that aren't revoked share one."""
    token_prefix: str
    """How its token begins, to recognise it by."""
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    created_by: str | None = None
    """The user who made it; None: somebody with the database's password, or the security key."""
    last_used_at: datetime | None = None
    """To the minute."""
    revoked_at: datetime | None = None

    @property
    def principal(self) -> str:
        """The user that it acts as; an account of the same name later on is the same user."""
        return f"sa:{self.name}"


@dataclass(frozen=True, slots=True)
class AccountQuery:
    """Which service accounts to list."""

    include_revoked: bool = True
    limit: int = 20
    page: int = 1
    sort_by: AccountSort = "created_at"
    descending: bool = True
