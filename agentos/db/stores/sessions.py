"""Sessions in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Table, Text, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from agentos.db.connection.engine import Engine
from agentos.db.contracts.pages import Page
from agentos.db.contracts.sessions import SessionChange, SessionQuery
from agentos.db.encoding import check_ids, id_or_none
from agentos.db.filters import among, contains, ordered, same
from agentos.db.schema.tables import Tables
from agentos.db.stores.store import Store, check_owner, read_page
from agentos.errors import ConflictError
from agentos.run.owner import Owner
from agentos.run.records import Session


class SessionStore(Store):
    """Conversations."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._fork = self._statement("fork_session", through_run_id=Text)

    async def create_session(self, session: Session, *, owner: Owner) -> Session:
        """Stores a new session; ConflictError if any user has one with the id. StateTooLargeError."""
        self.check_state(session.session_state)
        check_owner(owner, session.user_id)
        check_ids(session_id=session.session_id, runnable_id=session.runnable_id, user_id=session.user_id)
        table = self._tables.sessions
        statement = insert(table).values(dict(session)).on_conflict_do_nothing().returning(table)
        rows = await self._reach(owner).execute(statement)
        if not rows:
            raise ConflictError("A session with this session_id already exists.")
        return _session(rows[0])

    async def get_session(self, session_id: str, *, owner: Owner) -> Session | None:
        """A session without its runs, or None."""
        table = self._tables.sessions
        reach = self._reach(owner)
        statement = select(table).where(same(table.c.session_id, session_id), reach.covers(table))
        return _first(await reach.execute(statement))

    async def list_sessions(self, query: SessionQuery, *, owner: Owner) -> Page[Session]:
        """A page of sessions; their runs aren't read."""
        table = self._tables.sessions
        reach = self._reach(owner)
        matching = select(table).where(reach.covers(table), *_conditions(table, query))
        keys: dict[str, ColumnElement[Any]] = {
            "created_at": table.c.created_at,
            "updated_at": table.c.updated_at,
            "session_name": func.lower(func.coalesce(table.c.session_name, table.c.title, "")),
        }
        sort = (keys[query.sort_by], table.c.session_id)
        order = [ordered(key, descending=query.descending) for key in sort]
        rows, total = await read_page(reach, matching, order, limit=query.limit, page=query.page)
        return Page(rows=[_session(row) for row in rows], total=total)

    async def update_session(self, session_id: str, change: SessionChange, *, owner: Owner) -> Session | None:
        """Changes a session; None if it doesn't exist. StateTooLargeError."""
        self.check_state(change.session_state or {})
        given = {
            "session_name": change.session_name,
            "session_state": change.session_state,
            "metadata": change.metadata,
            "summary": change.summary,
        }
        new = {name: value for name, value in given.items() if value is not None}
        if not new:
            return await self.get_session(session_id, owner=owner)
        table = self._tables.sessions
        reach = self._reach(owner)
        statement = (
            update(table)
            .where(same(table.c.session_id, session_id), reach.covers(table))
            .values(**new, updated_at=func.now())
            .returning(table)
        )
        return _first(await reach.execute(statement))

    async def delete_sessions(self, session_ids: Sequence[str], *, owner: Owner) -> int:
        """Deletes sessions with their runs and events; returns how many existed."""
        table = self._tables.sessions
        reach = self._reach(owner)
        statement = delete(table).where(among(table.c.session_id, session_ids), reach.covers(table))
        return len(await reach.execute(statement.returning(table.c.session_id)))

    async def fork_session(
        self, session_id: str, *, new_session_id: str, through_run_id: str | None = None, owner: Owner
    ) -> Session | None:
        """Copies a session with its finished runs, up to `through_run_id`; None if it doesn't exist.

        The copies have new ids and name their originals in `forked_from_run_id`. Nested runs and event logs
        aren't copied. ConflictError if there is nothing to copy or the new id is taken.
        """
        check_ids(new_session_id=new_session_id, through_run_id=through_run_id)
        wanted = {
            "session_id": id_or_none(session_id),
            "new_session_id": new_session_id,
            "through_run_id": through_run_id,
        }
        row = dict((await self._reach(owner).execute(self._fork, wanted))[0])
        is_there, has_runs = row.pop("is_there"), row.pop("has_runs")
        if not is_there:
            return None
        if not has_runs:
            which = "no run" if through_run_id is None else f"no run {through_run_id!r}"
            raise ConflictError(f"The session has {which} of its own that has ended.")
        if row["session_id"] is None:
            raise ConflictError("A session with this session_id already exists.")
        return Session.model_validate(row)


def _conditions(table: Table, query: SessionQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.kind is not None:
        conditions.append(table.c.kind == query.kind)
    if query.runnable_id is not None:
        conditions.append(same(table.c.runnable_id, query.runnable_id))
    if query.user_id is not None:
        conditions.append(same(table.c.user_id, query.user_id))
    if query.session_id is not None:
        conditions.append(same(table.c.session_id, query.session_id))
    if query.session_name is not None:
        conditions.append(contains(table.c.session_name, query.session_name))
    return conditions


def _session(row: RowMapping) -> Session:
    return Session.model_validate(dict(row))


def _first(rows: Sequence[RowMapping]) -> Session | None:
    return _session(rows[0]) if rows else None
