"""What the audit is made of, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

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


BEGINNING: Final = Link(0, "0" * 64)
"""What the first row follows."""


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
