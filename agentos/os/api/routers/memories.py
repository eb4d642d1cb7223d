"""Memories: list, search, create, change, delete and count them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Request

from agentos.db.contracts.memories import MemoryQuery
from agentos.errors import BadRequestError, NotFoundError
from agentos.os.api.schemas.memories import (
    DeleteMemories,
    MemoryFilter,
    UserMemory,
    UserStats,
    UserStatsFilter,
    WriteMemory,
)
from agentos.os.api.schemas.pages import Paginated, Stopwatch, paginated
from agentos.os.deps import MemoriesDb, Reader, Writer, acting_for, owner_of
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.http.problems import responses
from agentos.os.principal import access_of
from agentos.run.records import Memory

MemoryId = Annotated[str, Path(description="The memory's id.")]

router = APIRouter(tags=["memories"], route_class=ProblemRoute, responses=responses(400, 404, 422, 503))


@router.post("/memories", operation_id="create_memory", summary="Remember something about a user")
async def create_memory(request: Request, body: WriteMemory, db: MemoriesDb) -> UserMemory:
    """Stores a memory about the caller, or about the user that an admin names."""
    owner, user_id = acting_for(access_of(request.scope), body.user_id)
    if user_id is None:
        raise BadRequestError("User ID is required")
    now = datetime.now(UTC)
    memory = Memory(
        memory_id=str(uuid4()),
        memory=body.memory,
        topics=body.topics or [],
        user_id=user_id,
        created_at=now,
        updated_at=now,
    )
    return UserMemory.of(await db.create_memory(memory, owner=owner))


@router.get("/memories", operation_id="get_memories", summary="List and search memories")
async def list_memories(
    request: Request, db: MemoriesDb, query: Annotated[MemoryFilter, Query()]
) -> Paginated[UserMemory]:
    """A page of the memories that the caller may see."""
    watch = Stopwatch()
    page = await db.list_memories(
        MemoryQuery(
            agent_id=query.agent_id,
            team_id=query.team_id,
            topics=query.topics or (),
            search=query.search_content,
            limit=query.limit,
            page=query.page,
            cursor=query.cursor,
            sort_by=query.sort_by,
            descending=query.sort_order == "desc",
        ),
        owner=owner_of(access_of(request.scope), query.user_id, write=False),
    )
    return paginated(page, query, UserMemory.of, since=watch)


@router.delete(
    "/memories", operation_id="delete_memories", summary="Forget several memories", status_code=204
)
async def delete_memories(request: Request, body: DeleteMemories, db: MemoriesDb) -> None:
    """Deletes the caller's memories among these; others are left alone without an error."""
    owner = owner_of(access_of(request.scope), body.user_id, write=True)
    await db.delete_memories(body.memory_ids, owner=owner)


@router.get("/memories/{memory_id}", operation_id="get_memory", summary="Get a memory")
async def get_memory(memory_id: MemoryId, db: MemoriesDb, owner: Reader) -> UserMemory:
    """One memory."""
    memory = await db.get_memory(memory_id, owner=owner)
    if memory is None:
        raise NotFoundError("Memory", memory_id)
    return UserMemory.of(memory)


@router.patch("/memories/{memory_id}", operation_id="update_memory", summary="Reword a memory")
async def update_memory(
    request: Request, memory_id: MemoryId, body: WriteMemory, db: MemoriesDb
) -> UserMemory:
    """Changes a memory. Its topics are kept if omitted."""
    owner = owner_of(access_of(request.scope), body.user_id, write=True)
    memory = await db.update_memory(memory_id, memory=body.memory, topics=body.topics, owner=owner)
    if memory is None:
        raise NotFoundError("Memory", memory_id)
    return UserMemory.of(memory)


@router.delete(
    "/memories/{memory_id}", operation_id="delete_memory", summary="Forget a memory", status_code=204
)
async def delete_memory(memory_id: MemoryId, db: MemoriesDb, owner: Writer) -> None:
    """Deletes a memory. 204 even if it didn't exist."""
    await db.delete_memories([memory_id], owner=owner)


@router.get("/memory_topics", operation_id="get_memory_topics", summary="List the topics of memories")
async def list_topics(db: MemoriesDb, owner: Reader) -> list[str]:
    """Every topic in use, sorted."""
    return await db.memory_topics(owner=owner)


@router.get("/user_memory_stats", operation_id="get_user_memory_stats", summary="Count memories user by user")
async def list_user_stats(
    request: Request, db: MemoriesDb, query: Annotated[UserStatsFilter, Query()]
) -> Paginated[UserStats]:
    """Statistics about the users that the caller may see."""
    watch = Stopwatch()
    owner = owner_of(access_of(request.scope), query.user_id, write=False)
    page = await db.memory_stats(owner=owner, limit=query.limit, page=query.page, cursor=query.cursor)
    return paginated(page, query, UserStats.of, since=watch)
