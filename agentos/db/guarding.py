"""What storage keeps for the server's guard: service accounts, and what was decided.

Both belong to the deployment, not to a user: these methods take no `owner`.
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


AuditDecision = Literal["allowed", "denied", "gap"]
"""A gap stands for records that couldn't be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One denial, or one allowed write."""

    time: datetime
    decision: AuditDecision
    reason: str
    """Why: the code of the answer, or what granted it; of a gap, how many records are lost."""
    status: int | None = None
    """Of the answer; None: there was none."""
    method: str | None = None
    route: str | None = None
    """The path of the route, in the language of scope maps; None: no route has the path."""
    resource_id: str | None = None
    """What the request's path has in place of the route's parameters, between slashes."""
    principal: str | None = None
    """The user."""
    token_ref: str | None = None
    """Names the token: its `jti`, or 12 hex digits of its hash."""
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A row's place in the chain of all of them, and its hash."""

    seq: int
    """From 1."""
    hash: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A record in the chain."""

    seq: int
    record: AuditRecord
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which rows of the audit to list, the latest first."""

    decision: AuditDecision | None = None
    principal: str | None = None
    method: str | None = None
    route: str | None = None
    resource_id: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 20
    page: int = 1


class AuditTrail(Protocol):
    """Rows that are added and never changed, each chained to the one before (`db.chain`)."""

    async def audit_head(self) -> Link:
        """The last row, or the chain's beginning."""
        ...

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Adds them all, or none: ConflictError if another process was first."""
        ...

    async def read_audit(self, *, after: int, limit: int) -> list[AuditEntry]:
        """The rows with a greater `seq`, in order."""
        ...

    async def list_audit(self, query: AuditQuery) -> Page[AuditEntry]:
        """A page, the latest first."""
        ...
