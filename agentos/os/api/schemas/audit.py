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
"""ISO-8601 with its zone; a bare number could be seconds or milliseconds."""


class AuditFilter(PageQuery):
    """Which rows to list; each condition given must hold."""

    decision: AuditDecision | None = None
    """Only rows of this kind."""
    principal: str | None = None
    """Only this user's."""
    method: str | None = None
    """Only requests with this method."""
    route: str | None = None
    """Only requests to this route, as the map spells it."""
    resource_id: str | None = None
    """Only requests about this resource."""
    request_id: str | None = None
    """Only the request with this `X-Request-ID`."""
    since: Moment | None = None
    """From then on."""
    until: Moment | None = None
    """Before then."""


class AuditRow(ApiModel):
    """One denial, or one allowed write."""

    seq: int
    """The row's place in the chain, from 1."""
    time: Utc
    """When the request was judged."""
    decision: AuditDecision
    """`gap`: records were lost here."""
    reason: str
    """The code of the denial, or what granted the write; of a gap, how many records are lost."""
    status: int | None = None
    """The status of the answer; null: there was none."""
    method: str | None = None
    """The request's method."""
    route: str | None = None
    """The route, in the language of scope maps; null: no route has the path."""
    resource_id: str | None = None
    """What the path has in place of the route's parameters."""
    principal: str | None = None
    """The user."""
    token_ref: str | None = None
    """Names the token: its `jti`, or 12 hex digits of its hash."""
    request_id: str | None = None
    """The answer's `X-Request-ID`."""
    hash: str
    """Of the row and the hash before it."""

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditRow:
        """The row as shown."""
        return cls(seq=entry.seq, hash=entry.hash, **asdict(entry.record))
