"""The audit as JSON."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator

from agentos.db.contracts.audit import AuditDecision, AuditEntry
from agentos.os.api.schemas.pages import PageQuery, Utc


def _dated(value: object) -> object:
    if isinstance(value, str) and not re.match(r"\d{4}-", value):
        raise ValueError("give a time like 2026-01-31T12:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_dated)]
"""ISO-8601 with its zone; a bare number could be seconds or milliseconds."""


class AuditFilter(PageQuery):
    """Which rows to list; each condition given must hold."""

    decision: AuditDecision | None = None
    principal: str | None = None
    method: str | None = None
    route: str | None = None
    resource_id: str | None = None
    request_id: str | None = None
    since: Moment | None = None
    until: Moment | None = None
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
