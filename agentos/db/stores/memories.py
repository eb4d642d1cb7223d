"""Memories about users, in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Table, Text, collate, delete, false, func, select, update
from sqlalchemy.dialects.postgresql import insert

from agentos.db.contracts.memories import MemoryQuery, MemoryStats
from agentos.db.contracts.pages import Page, Paging
from agentos.db.encoding import check_ids, is_id
from agentos.db.filters import among, contains, same, texts
from agentos.db.stores.pages import Order, alphabetical, read_page
from agentos.db.stores.store import Store, check_owner
from agentos.errors import ConflictError
from agentos.run.owner import Owner
from agentos.run.records import Memory


class MemoryStore(Store):
    """Memories about users."""

    async def create_memory(self, memory: Memory, *, owner: Owner) -> Memory:
        """Stores a new memory; ConflictError if any user has one with the id."""
        check_owner(owner, memory.user_id)
        check_ids(
            memory_id=memory.memory_id,
            user_id=memory.user_id,
            agent_id=memory.agent_id,
            team_id=memory.team_id,
        )
        _check_topics(memory.topics)
        table = self._tables.memories
        statement = insert(table).values(dict(memory)).on_conflict_do_nothing().returning(table)
        rows = await self._reach(owner).execute(statement)
        if not rows:
            raise ConflictError("A memory with this memory_id already exists.")
        return _memory(rows[0])

    async def get_memory(self, memory_id: str, *, owner: Owner) -> Memory | None:
        """A memory, or None."""
        table = self._tables.memories
        reach = self._reach(owner)
        statement = select(table).where(same(table.c.memory_id, memory_id), reach.covers(table))
        return _first(await reach.execute(statement))

    async def list_memories(self, query: MemoryQuery, *, owner: Owner) -> Page[Memory]:
        """A page of memories."""
        table = self._tables.memories
        reach = self._reach(owner)
        matching = select(table).where(reach.covers(table), *_conditions(table, query))
        keys = {
            "created_at": table.c.created_at,
            "updated_at": table.c.updated_at,
            "memory": alphabetical(table.c.memory),
        }
        sort = [keys[query.sort_by], table.c.memory_id]
        order = Order("memories", query.sort_by, sort, query.descending)
        return (await read_page(reach, matching, order, query)).map(_memory)

    async def update_memory(
        self, memory_id: str, *, memory: str, topics: Sequence[str] | None, owner: Owner
    ) -> Memory | None:
        """Changes a memory; None if it doesn't exist. `topics=None` keeps them."""
        new: dict[str, Any] = {"memory": memory, "updated_at": func.now()}
        if topics is not None:
            _check_topics(topics)
            new["topics"] = list(topics)
        table = self._tables.memories
        reach = self._reach(owner)
        mine = (same(table.c.memory_id, memory_id), reach.covers(table))
        return _first(await reach.execute(update(table).where(*mine).values(new).returning(table)))

    async def delete_memories(self, memory_ids: Sequence[str], *, owner: Owner) -> int:
        """Deletes memories; returns how many existed."""
        table = self._tables.memories
        reach = self._reach(owner)
        statement = delete(table).where(among(table.c.memory_id, memory_ids), reach.covers(table))
        return len(await reach.execute(statement.returning(table.c.memory_id)))

    async def memory_topics(self, *, owner: Owner, user_id: str | None = None) -> list[str]:
        """All topics in use, sorted."""
        table = self._tables.memories
        reach = self._reach(owner)
        topic = func.unnest(table.c.topics, type_=Text()).label("topic")
        used = select(topic).where(reach.covers(table), *_of(table, user_id)).distinct().subquery()
        # By code point, so that the order doesn't depend on the database's locale.
        statement = select(used.c.topic).order_by(collate(used.c.topic, "C"))
        return [row["topic"] for row in await reach.execute(statement)]

    async def memory_stats(
        self,
        *,
        owner: Owner,
        user_id: str | None = None,
        limit: int = 20,
        page: int = 1,
        cursor: str | None = None,
    ) -> Page[MemoryStats]:
        """One row per user, most recently updated first."""
        table = self._tables.memories
        reach = self._reach(owner)
        latest = func.max(table.c.updated_at)
        matching = (
            select(
                table.c.user_id, func.count().label("total_memories"), latest.label("last_memory_updated_at")
            )
            .where(reach.covers(table), *_of(table, user_id))
            .group_by(table.c.user_id)
        )
        order = Order("user_memory_stats", "updated_at", [latest, table.c.user_id], descending=True)
        paging = Paging(limit=limit, page=page, cursor=cursor)
        return (await read_page(reach, matching, order, paging)).map(_stats)


def _conditions(table: Table, query: MemoryQuery) -> list[ColumnElement[bool]]:
    conditions = _of(table, query.user_id)
    if query.agent_id is not None:
        conditions.append(same(table.c.agent_id, query.agent_id))
    if query.team_id is not None:
        conditions.append(same(table.c.team_id, query.team_id))
    if query.topics:
        conditions.append(_has_topics(table.c.topics, query.topics))
    if query.search is not None:
        conditions.append(contains(table.c.memory, query.search))
    return conditions


def _of(table: Table, user_id: str | None) -> list[ColumnElement[bool]]:
    return [] if user_id is None else [same(table.c.user_id, user_id)]


def _has_topics(column: ColumnElement[Any], topics: Sequence[str]) -> ColumnElement[bool]:
    return column.contains(texts(topics)) if all(map(is_id, topics)) else false()


def _check_topics(topics: Sequence[str]) -> None:
    for topic in topics:
        check_ids(topics=topic)


def _memory(row: RowMapping) -> Memory:
    return Memory.model_validate(dict(row))


def _stats(row: RowMapping) -> MemoryStats:
    return MemoryStats(row["user_id"], row["total_memories"], row["last_memory_updated_at"])


def _first(rows: Sequence[RowMapping]) -> Memory | None:
    return _memory(rows[0]) if rows else None
