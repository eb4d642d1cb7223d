"""Queries and statistics about memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agentos.db.contracts.pages import Paging

MemorySort = Literal["created_at", "updated_at", "memory"]


@dataclass(frozen=True, slots=True)
class MemoryQuery(Paging):
    """Which memories to list. A memory must have all of `topics`; `search` is a substring of its text."""

    user_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    topics: Sequence[str] = ()
    search: str | None = None
    sort_by: MemorySort = "updated_at"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class MemoryStats:
    """How many memories one user has."""

    user_id: str
    total_memories: int
    last_memory_updated_at: datetime | None
