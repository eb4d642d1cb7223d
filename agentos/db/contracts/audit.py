"""The rows of the audit, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from agentos.db.contracts.pages import Paging

_LINK = re.compile(r"(\d{1,18}):([0-9a-f]{64})")

AuditDecision = Literal["allowed", "denied", "ended", "gap", "counted", "pruned"]
"""`ended`: the server ended a run by itself. `gap` marks records that were lost. `counted` is a number of
denials of unknown callers from one address. `pruned` names the last row that retention deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One denial, one allowed write, or one run that the server ended."""

    time: datetime
    decision: AuditDecision
    reason: str
    """The code of the response or of the run, what granted the request, or a number of records."""
    status: int | None = None
    """Status of the response; None if there was none."""
    method: str | None = None
    route: str | None = None
    """The route's path in the syntax of scope maps; None if no route has the path."""
    resource_id: str | None = None
    """Values of the route's parameters in the request's path, joined by slashes. Of `counted` denials it is
    the address, of a `pruned` row the last deleted one as `SEQ:HASH`."""
    principal: str | None = None
    """The user's id."""
    token_ref: str | None = None
    """Identifies the token: its `jti`, or 12 hex digits of its hash."""
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Position and hash of a row in the chain."""

    seq: int
    """Counted from 1."""
    hash: str

    @classmethod
    def parse(cls, text: str | None) -> Link | None:
        """The link written as `SEQ:HASH`; None if the text isn't one."""
        match = _LINK.fullmatch(text or "")
        return match and cls(int(match[1]), match[2])

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


BEGINNING: Final = Link(0, "0" * 64)
"""The link before the first row."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A record in the chain."""

    seq: int
    record: AuditRecord
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery(Paging):
    """Which rows of the audit to list, newest first."""

    decision: AuditDecision | None = None
    principal: str | None = None
    method: str | None = None
    route: str | None = None
    resource_id: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
