"""Service accounts, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agentos.db.contracts.pages import Paging

AccountSort = Literal["created_at", "name", "expires_at", "last_used_at"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """A service account. Its token isn't stored, only a hash, which isn't part of this value."""

    id: str
    name: str
    """No new account can take it, even after this one is revoked."""
    token_prefix: str
    """First characters of the token, to recognise it."""
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    created_by: str | None = None
    """The user who created it; None if it was created with database access or the security key."""
    last_used_at: datetime | None = None
    """Rounded to the minute."""
    revoked_at: datetime | None = None

    @property
    def principal(self) -> str:
        """The user that it acts as."""
        return f"sa:{self.name}"


@dataclass(frozen=True, slots=True)
class AccountQuery(Paging):
    """Which service accounts to list."""

    include_revoked: bool = True
    sort_by: AccountSort = "created_at"
    descending: bool = True
