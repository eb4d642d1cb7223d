"""Results of deletions: how many rows were pruned, and receipts for deleted users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from agentos.db.contracts.audit import AuditRecord


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows were deleted, or would be. `workflows` are the DBOS records of durable runs."""

    sessions: int = 0
    runs: int = 0
    events: int = 0
    approvals: int = 0
    workflows: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(
            self.sessions + other.sessions,
            self.runs + other.runs,
            self.events + other.events,
            self.approvals + other.approvals,
            self.workflows + other.workflows,
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that all data of a user is deleted, without naming the user."""

    receipt_id: str
    time: datetime
    user_hash: str
    """`user_hash` of the user's id."""
    counts: Mapping[str, int]
    """How many rows were deleted from each table."""


def user_hash(user_id: str) -> str:
    """SHA-256 of the UTF-8 encoded id, in hex."""
    return sha256(user_id.encode(errors="surrogatepass")).hexdigest()


def record_of(receipt: Receipt, *, principal: str | None = None) -> AuditRecord:
    """The deletion as a record of the audit; `principal` is the user who requested it."""
    return AuditRecord(
        time=receipt.time,
        decision="allowed",
        reason="user_deleted",
        resource_id=f"{receipt.user_hash}/{receipt.receipt_id}",
        principal=principal,
    )
