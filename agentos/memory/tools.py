"""Tools with which a model stores memories about its user."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from uuid import uuid4

from agentos.db.base import Db
from agentos.db.contracts.memories import MemoryQuery
from agentos.run.records import Memory
from agentos.run.runnable import RunContext
from agentos.tools.result import ToolError
from agentos.tools.toolkit import Toolkit
from agentos.tools.toolset import Toolbox

INSTRUCTIONS = (
    "When the user tells you something about themselves that will matter in later conversations, keep it "
    "with add_memory. When it replaces or withdraws what you remember, use update_memory or delete_memory "
    "with the id that get_memories shows."
)
MAX_MEMORIES = 200
"""How many of a user's memories `get_memories` returns, newest first."""


@lru_cache(maxsize=16)
def memory_tools(db: Db) -> Toolbox:
    """The tools of `MemoryTools(db)`, created once per database because creation is slow."""
    return Toolbox(MemoryTools(db).tools, [INSTRUCTIONS])


class MemoryTools(Toolkit):
    """Reads and writes only the memories of the run's user."""

    def __init__(self, db: Db) -> None:
        self._db = db
        super().__init__(
            name="memory",
            tools=[self.get_memories, self.add_memory, self.update_memory, self.delete_memory],
            instructions=INSTRUCTIONS,
        )

    async def get_memories(self, context: RunContext) -> list[dict[str, object]]:
        """Lists what is remembered about the user, with ids."""
        page = await self._db.list_memories(MemoryQuery(limit=MAX_MEMORIES), owner=_user(context))
        return [memory.model_dump(include={"memory_id", "memory", "topics"}) for memory in page.rows]

    async def add_memory(
        self, context: RunContext, memory: str, topics: list[str] | None = None
    ) -> dict[str, object]:
        """Remembers one fact about the user.

        Args:
            memory: One self-contained sentence in the third person.
            topics: One to three words each, lower case.
        """
        user_id, now = _user(context), datetime.now(UTC)
        stored = await self._db.create_memory(
            Memory(
                memory_id=str(uuid4()),
                memory=memory,
                topics=topics or [],
                user_id=user_id,
                agent_id=context.run.runnable_id if context.run.kind == "agent" else None,
                team_id=context.run.runnable_id if context.run.kind == "team" else None,
                created_at=now,
                updated_at=now,
            ),
            owner=user_id,
        )
        return stored.model_dump(mode="json", include={"memory_id", "memory", "topics"})

    async def update_memory(
        self, context: RunContext, memory_id: str, memory: str, topics: list[str] | None = None
    ) -> dict[str, object]:
        """Replaces what a memory says.

        Args:
            memory_id: Its id, as get_memories shows it.
            memory: The new sentence.
            topics: The new topics; left out, they stay.
        """
        stored = await self._db.update_memory(memory_id, memory=memory, topics=topics, owner=_user(context))
        if stored is None:
            raise ToolError(f"There is no memory {memory_id!r}.")
        return stored.model_dump(mode="json", include={"memory_id", "memory", "topics"})

    async def delete_memory(self, context: RunContext, memory_id: str) -> dict[str, object]:
        """Forgets one memory.

        Args:
            memory_id: Its id, as get_memories shows it.
        """
        if not await self._db.delete_memories([memory_id], owner=_user(context)):
            raise ToolError(f"There is no memory {memory_id!r}.")
        return {"memory_id": memory_id, "deleted": True}


def _user(context: RunContext) -> str:
    if context.user_id is None:
        raise ToolError("This run has no user, so there is no one to store memories about.")
    return context.user_id
