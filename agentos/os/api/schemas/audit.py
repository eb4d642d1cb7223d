"""The audit as JSON."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

from agentos.db.contracts.audit import AuditDecision, AuditEntry
from agentos.os.api.schemas.pages import PageQuery, Utc
from agentos.os.api_model import ApiModel


def _dated(value: object) -> object:
    if isinstance(value, str) and not re.match(r"\d{4}-", value):
        raise ValueError("give a time like 2026-01-31T12:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_dated)]
"""ISO 8601 with a time zone. A bare number would be ambiguous: seconds or milliseconds."""


class AuditFilter(PageQuery):
    """Which rows to list; all conditions must match."""

    decision: AuditDecision | None = None
    """Only rows of this kind."""
    principal: str | None = None
    """Only this user's."""
    method: str | None = None
    """Only requests with this method."""
    route: str | None = None
    """Only requests to this route, in the syntax of the scope map."""
    resource_id: str | None = None
    """Only requests about this resource."""
    request_id: str | None = None
    """Only the request with this `X-Request-ID`."""
    since: Moment | None = None
    """Only rows from this time on."""
    until: Moment | None = None
    """Only rows before this time."""


class AuditRow(ApiModel):
    """One denial, one allowed write, or one run that the server ended."""

    seq: int
    """The row's position in the chain, from 1."""
    time: Utc
    """When the request was authorized or denied."""
    decision: AuditDecision
    """`ended`: the server ended a run by itself. `gap` marks records that were lost, `counted` is a number of
    denials of unknown callers, and before a `pruned` row's `resource_id` rows were deleted."""
    reason: str
    """The code of the denial or of the run's error, what granted the write, or a number of records."""
    status: int | None = None
    """Status of the response; null if there was none."""
    method: str | None = None
    """The request's method."""
    route: str | None = None
    """The route in the syntax of scope maps; null if no route has the path."""
    resource_id: str | None = None
    """Values of the route's parameters in the path; the address of counted denials; the last deleted row."""
    principal: str | None = None
    """The user's id."""
    token_ref: str | None = None
    """Identifies the token: its `jti`, or 12 hex digits of its hash."""
    request_id: str | None = None
    """The response's `X-Request-ID`."""
    hash: str
    """Hash of the row and the previous hash."""

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditRow:
        """The row as shown."""
        return cls(seq=entry.seq, hash=entry.hash, **asdict(entry.record))
