"""What storage keeps for the server's guard: service accounts, and what was decided.

Both belong to the deployment, not to a user: these methods take no `owner`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # agents are imported without what only servers use
    from agentos.db.base import Page
    from agentos.db.contracts.audit import AuditEntry, AuditQuery, Link
    from agentos.db.contracts.service_accounts import AccountQuery, ServiceAccount


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
