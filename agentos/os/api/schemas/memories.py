"""Memories as JSON."""

from __future__ import annotations

from pydantic import BaseModel, Field, field_validator

from agentos.db.contracts.memories import MemorySort, MemoryStats
from agentos.os.api.schemas.pages import PageQuery, SortOrder, Utc
from agentos.os.http.field_types import Id, Text
from agentos.run.records import Memory

MAX_MEMORY = 5000
"""Characters, as the contract says."""
MAX_TOPICS = 100
MAX_DELETED = 1000


class MemoriesQuery(PageQuery):
    """Which memories to list."""

    user_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    topics: list[str] | None = None
    """All of them must be there; repeated, or separated by commas."""
    search_content: str | None = None
    """A part of the text."""
    sort_by: MemorySort = "updated_at"
    sort_order: SortOrder = "desc"

    @field_validator("topics")
    @classmethod
    def _split(cls, topics: list[str] | None) -> list[str] | None:
        return topics and [topic for given in topics for part in given.split(",") if (topic := part.strip())]


class UserStatsQuery(PageQuery):
    """Which users to count for."""

    user_id: str | None = None


class UserMemory(BaseModel):
    """One thing worth knowing about a user."""

    memory_id: str
    memory: str
    topics: list[str] | None = None
    agent_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    updated_at: Utc | None = None

    @classmethod
    def of(cls, memory: Memory) -> UserMemory:
        """The memory as shown."""
        return cls.model_validate(memory.model_dump())


class UserStats(BaseModel):
    """How much is remembered about one user."""

    user_id: str
    total_memories: int
    last_memory_updated_at: Utc | None = None

    @classmethod
    def of(cls, stats: MemoryStats) -> UserStats:
        """The figures as shown."""
        return cls(
            user_id=stats.user_id,
            total_memories=stats.total_memories,
            last_memory_updated_at=stats.last_memory_updated_at,
        )


class WriteMemory(BaseModel):
    """A memory to store, or the new text of one."""

    memory: Text = Field(min_length=1, max_length=MAX_MEMORY)
    user_id: Id | None = None
    topics: list[Id] | None = Field(default=None, max_length=MAX_TOPICS)


class DeleteMemories(BaseModel):
    """Which memories to delete."""

    memory_ids: list[str] = Field(min_length=1, max_length=MAX_DELETED)
    user_id: str | None = None
