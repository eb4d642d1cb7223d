"""The audit as JSON."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import AwareDatetime, BaseModel

from agentos.db.guarding import AuditDecision, AuditEntry
from agentos.os.schemas.pages import PageQuery, Utc


class AuditFilter(PageQuery):
    """Which rows to list; each condition given must hold."""

    decision: AuditDecision | None = None
    principal: str | None = None
    method: str | None = None
    route: str | None = None
    resource_id: str | None = None
    request_id: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    """Exclusive."""


class AuditRow(BaseModel):
    """One denial, or one allowed write."""

    seq: int
    time: Utc
    decision: AuditDecision
    """`gap`: records were lost here."""
    reason: str
    status: int | None = None
    method: str | None = None
    route: str | None = None
    resource_id: str | None = None
    """What the path has in place of the route's parameters."""
    principal: str | None = None
    token_ref: str | None = None
    request_id: str | None = None
    hash: str
    """Of the row and the hash before it."""

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditRow:
        """The row as shown."""
        return cls(seq=entry.seq, hash=entry.hash, **asdict(entry.record))
