"""Memories as JSON."""

from __future__ import annotations

from pydantic import Field, field_validator

from agentos.db.contracts.memories import MemorySort, MemoryStats
from agentos.os.api.schemas.pages import PageQuery, SortOrder, Utc
from agentos.os.api_model import ApiModel
from agentos.os.http.field_types import Id, Text
from agentos.run.records import Memory

MAX_MEMORY = 5000
"""Maximum characters, as in the wire contract."""
MAX_TOPICS = 100
MAX_DELETED = 1000


class MemoryFilter(PageQuery):
    """Which memories to list."""

    user_id: str | None = None
    """Only this user's; only callers who may see everyone's memories can name a user."""
    agent_id: str | None = None
    """Only those stored by this agent."""
    team_id: str | None = None
    """Only those stored by this team."""
    topics: list[str] | None = None
    """Only memories with all of these topics; repeated, or separated by commas."""
    search_content: str | None = None
    """A substring of the text."""
    sort_by: MemorySort = "updated_at"
    """What to sort by."""
    sort_order: SortOrder = "desc"
    """The direction."""

    @field_validator("topics")
    @classmethod
    def _split(cls, topics: list[str] | None) -> list[str] | None:
        return topics and [topic for given in topics for part in given.split(",") if (topic := part.strip())]


class UserStatsFilter(PageQuery):
    """Which users to count for."""

    user_id: str | None = None
    """Only this user; only callers who may see everyone's memories can name one."""


class UserMemory(ApiModel):
    """One memory about a user."""

    memory_id: str
    """The memory's id."""
    memory: str
    """The text of the memory."""
    topics: list[str] | None = None
    """The memory's topics."""
    agent_id: str | None = None
    """The agent that stored it."""
    team_id: str | None = None
    """The team that stored it."""
    user_id: str | None = None
    """The user that the memory is about."""
    updated_at: Utc | None = None
    """When it last changed."""

    @classmethod
    def of(cls, memory: Memory) -> UserMemory:
        """The memory as shown."""
        return cls.model_validate(memory.model_dump())


class UserStats(ApiModel):
    """How many memories one user has."""

    user_id: str
    """The user."""
    total_memories: int
    """Number of memories."""
    last_memory_updated_at: Utc | None = None
    """When the last of them changed."""

    @classmethod
    def of(cls, stats: MemoryStats) -> UserStats:
        """The figures as shown."""
        return cls(
            user_id=stats.user_id,
            total_memories=stats.total_memories,
            last_memory_updated_at=stats.last_memory_updated_at,
        )


class WriteMemory(ApiModel):
    """A memory to store, or the new text of one."""

    memory: Text = Field(min_length=1, max_length=MAX_MEMORY)
    """The text of the memory."""
    user_id: Id | None = None
    """The user that the memory is about, if the request has no token."""
    topics: list[Id] | None = Field(default=None, max_length=MAX_TOPICS)
    """The memory's topics."""


class DeleteMemories(ApiModel):
    """Which memories to delete."""

    memory_ids: list[str] = Field(min_length=1, max_length=MAX_DELETED)
    """The memories' ids."""
    user_id: str | None = None
    """The memories' user; only callers who may change everyone's memories can name one."""
