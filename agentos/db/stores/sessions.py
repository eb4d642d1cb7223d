"""Sessions in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, Text, false, func, literal, or_, select

from agentos.db.connection.engine import Engine
from agentos.db.contracts.pages import Page
from agentos.db.contracts.sessions import SessionChange, SessionQuery
from agentos.db.encoding import check_ids, is_id
from agentos.db.filters import contains, same
from agentos.db.rows import session_of
from agentos.db.schema.columns import TEXTS
from agentos.db.schema.tables import Tables
from agentos.db.stores.pages import Order, alphabetical, either, read_page
from agentos.db.stores.session_keys import FIELDS, SessionKeys, session_keys, the_one
from agentos.errors import AmbiguousSessionError, ConflictError
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import Session


class SessionStore(SessionKeys):
    """Conversations. `session_keys` says what an id names; it may be an AmbiguousSessionError for ANYONE."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._change = self._statement("change_session", keys=TEXTS, **FIELDS)
        self._delete = self._statement("delete_sessions", keys=TEXTS, session_ids=TEXTS)
        self._fork = self._statement("fork_session", keys=TEXTS, through_run_id=Text)

    async def create_session(self, session: Session, *, owner: Owner) -> Session:
        """Stores a new session; ConflictError if its user has one with the id. StateTooLargeError."""
        row = await self._add(session, self._reach(owner), owner=owner)
        if row is None:
            raise ConflictError(f"A session {session.session_id!r} already exists.")
        return session_of(row)

    async def get_session(self, session_id: str, *, owner: Owner) -> Session | None:
        """A session without its runs, or None."""
        rows = await self._reach(owner).execute(self._meant(session_id, owner))
        row = the_one(rows, session_id)
        return None if row is None else session_of(row)

    async def list_sessions(self, query: SessionQuery, *, owner: Owner) -> Page[Session]:
        """A page of sessions; their runs aren't read."""
        table = self._tables.sessions
        reach = self._reach(owner)
        matching = select(table).where(reach.covers(table), *self._wanted(query, owner))
        keys: dict[str, ColumnElement[Any]] = {
            "created_at": table.c.created_at,
            "updated_at": table.c.updated_at,
            "session_name": alphabetical(func.coalesce(table.c.session_name, table.c.title, "")),
        }
        # Not the session's key, which would tell whether another user has the same id.
        session_id = either(table.c.given_session_id, table.c.session_id)
        sort = [keys[query.sort_by], session_id, either(table.c.user_id, literal("", Text))]
        order = Order("sessions", query.sort_by, sort, query.descending)
        return (await read_page(reach, matching, order, query)).map(session_of)

    async def update_session(self, session_id: str, change: SessionChange, *, owner: Owner) -> Session | None:
        """Changes a session; None if it doesn't exist. StateTooLargeError."""
        self.check_state(change.session_state or {})
        given = {
            "session_name": change.session_name,
            "session_state": change.session_state,
            "metadata": change.metadata,
            "summary": change.summary,
        }
        if not any(value is not None for value in given.values()):
            return await self.get_session(session_id, owner=owner)
        wanted = given | self._named(session_id, owner)
        row = (await self._reach(owner).execute(self._change, wanted))[0]
        if row["is_ambiguous"]:
            raise AmbiguousSessionError(session_id)
        return session_of(row) if row["session_id"] is not None else None

    async def delete_sessions(self, session_ids: Sequence[str], *, owner: Owner) -> int:
        """Deletes sessions with their runs and events; returns how many existed."""
        user_id = None if owner is ANYONE else owner
        wanted = [session_id for session_id in session_ids if is_id(session_id)]
        keys = [key for session_id in wanted for key in session_keys(session_id, user_id=user_id)]
        row = (await self._reach(owner).execute(self._delete, {"session_ids": wanted, "keys": keys}))[0]
        if row["ambiguous"] is not None:
            raise AmbiguousSessionError(row["ambiguous"])
        return row["deleted"]

    async def fork_session(
        self, session_id: str, *, new_session_id: str, through_run_id: str | None = None, owner: Owner
    ) -> Session | None:
        """Copies a session with its finished runs, up to `through_run_id`; None if it doesn't exist.

        The copies have new ids and name their originals in `forked_from_run_id`. The state is the one after
        the last of them. Nested runs and event logs aren't copied. ConflictError if there is nothing to copy
        or the new id is taken.
        """
        check_ids(new_session_id=new_session_id, through_run_id=through_run_id)
        wanted = {
            **self._named(session_id, owner),
            "new_session_id": new_session_id,
            "through_run_id": through_run_id,
        }
        row = dict((await self._reach(owner).execute(self._fork, wanted))[0])
        if row["is_ambiguous"]:
            raise AmbiguousSessionError(session_id)
        if not row["is_there"]:
            return None
        if not row["has_runs"]:
            which = "no run" if through_run_id is None else f"no run {through_run_id!r}"
            raise ConflictError(f"The session has {which} of its own that has ended.")
        if row["session_id"] is None:
            raise ConflictError(f"A session {new_session_id!r} already exists.")
        return session_of(row)

    def _wanted(self, query: SessionQuery, owner: Owner) -> list[ColumnElement[bool]]:
        table = self._tables.sessions
        conditions: list[ColumnElement[bool]] = []
        if query.kind is not None:
            conditions.append(or_(table.c.kind == query.kind, _has_joined(table, kind=query.kind)))
        if query.runnable_id is not None:
            began = same(table.c.runnable_id, query.runnable_id)
            conditions.append(or_(began, _has_joined(table, id=query.runnable_id)))
        if query.user_id is not None:
            conditions.append(same(table.c.user_id, query.user_id))
        if query.session_id is not None:
            conditions.append(self._has_id(query.session_id, owner))
        if query.session_name is not None:
            conditions.append(contains(table.c.session_name, query.session_name))
        return conditions


def _has_joined(table: Table, **fields: str) -> ColumnElement[bool]:
    return table.c.joined.contains([fields]) if all(map(is_id, fields.values())) else false()
