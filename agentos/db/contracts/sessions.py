"""Queries for sessions, and changes to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agentos.db.contracts.pages import Paging
from agentos.kinds import Kind
from agentos.run.records import Json

SessionSort = Literal["created_at", "updated_at", "session_name"]


@dataclass(frozen=True, slots=True)
class SessionQuery(Paging):
    """Which sessions to list. `user_id` narrows further; it never widens what `owner` may see."""

    kind: Kind | None = None
    runnable_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    session_name: str | None = None
    """Case-insensitive substring of an explicitly set name."""
    sort_by: SessionSort = "created_at"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class SessionChange:
    """What to set on a session. None keeps a field; any other value replaces the old one."""

    session_name: str | None = None
    session_state: Json | None = None
    metadata: Json | None = None
    summary: Json | None = None
