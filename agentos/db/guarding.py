"""What storage keeps for the server's guard: service accounts.

They belong to the deployment, not to a user: these methods take no `owner`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from agentos.db.base import Page

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


class ServiceAccounts(Protocol):
    """Machines and the hashes (SHA-256, in hex) of their tokens."""

    async def create_service_account(self, account: ServiceAccount, *, token_hash: str) -> None:
        """Stores a new one; ConflictError if one that isn't revoked has the name."""
        ...

    async def find_service_account(self, token_hash: str) -> ServiceAccount | None:
        """Whose token has the hash, whether or not it is still valid."""
        ...

    async def list_service_accounts(self, query: AccountQuery) -> Page[ServiceAccount]:
        """A page."""
        ...

    async def revoke_service_account(self, account_id: str) -> bool:
        """Ends it now, for good; whether there is one. The first time counts."""
        ...

    async def touch_service_accounts(self, account_ids: Sequence[str]) -> None:
        """Notes that they were used, for each at most once a minute."""
        ...
