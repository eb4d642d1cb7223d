"""Shared parts of the stores of `PostgresDb`: tables and engine.

Every method that accesses a user's rows takes `owner`, without a default. It sees and changes exactly the
rows that `run.owner.may_see` allows; another owner's row is treated as absent. Any method raises
DatabaseUnavailableError if Postgres doesn't respond.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, TextClause, and_, false, func, or_, select

from agentos.db.connection.engine import Engine, Reach
from agentos.db.encoding import id_or_none, is_id
from agentos.db.filters import among
from agentos.db.schema.tables import Tables
from agentos.db.sql.statements import statement
from agentos.errors import InvalidInputError, StateTooLargeError
from agentos.run.bounds import size
from agentos.run.owner import ANYONE, Owner, may_see
from agentos.run.records import RunOutput
from agentos.run.text import json_of

_OWN_KEY: Final = "~"
"""How a key begins that isn't the session's id."""


class Store:
    """The tables of one database."""

    max_state_bytes: int = 1024 * 1024
    """About how much JSON the state of one session may have."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        self._engine = engine
        self._tables = tables

    def _statement(self, name: str, **types: Any) -> TextClause:
        return statement(self._tables, name, **types)

    def check_state(self, state: Mapping[str, Any]) -> None:
        """StateTooLargeError if a session can't have this state."""
        has_too_many = len(state) > StateTooLargeError.max_keys
        if has_too_many or size(state, self.max_state_bytes) > self.max_state_bytes:
            raise StateTooLargeError(self.max_state_bytes)

    def _reach(self, owner: Owner) -> Reach:
        return self._engine.reach(owner)

    def _named(self, session_id: str, owner: Owner) -> dict[str, Any]:
        """Parameters of the fragment `named`."""
        user_id = None if owner is ANYONE else id_or_none(owner)
        keys = session_keys(session_id, user_id=user_id)
        return {"session_id": id_or_none(session_id), "keys": keys, "user_id": user_id}

    def _is_session(self, table: Table, session_id: str, owner: Owner) -> ColumnElement[bool]:
        """The condition that a row of `table` is of a session with this id. It doesn't check the owner."""
        if not is_id(session_id):
            return false()
        if owner is ANYONE:
            sessions = self._tables.sessions
            plain = and_(sessions.c.session_id == session_id, sessions.c.given_session_id.is_(None))
            named = or_(plain, sessions.c.given_session_id == session_id)
            if table is sessions:
                return named
            alone = select(func.count()).select_from(sessions).where(named).scalar_subquery() == 1
            meant = and_(named, or_(sessions.c.user_id.is_(None), alone))
            return table.c.session_id.in_(select(sessions.c.session_id).where(meant))
        given = func.coalesce(table.c.given_session_id, table.c.session_id)
        return and_(among(table.c.session_id, session_keys(session_id, user_id=owner)), given == session_id)

    def _session_turn(self, run: RunOutput) -> str:
        """The turn of statements that lock the row of the run's session."""
        return self._lock("session", run.user_id or "", run.session_id)

    def _lock(self, *parts: str) -> str:
        """The name of a lock shared by processes with the same table of runs."""
        return "/".join((self._tables.names.schema, self._tables.names.runs, *parts))


def session_keys(session_id: str, *, user_id: str | None) -> list[str]:
    """The keys that a user's session with this id may have: the id itself, and one of its own."""
    return [session_id, _own_key(session_id, user_id)] if is_id(session_id) else []


def fresh_keys(session_id: str, *, user_id: str | None) -> list[str]:
    """The keys for a new session with this id, the preferred one first.

    That is the id itself, unless another user's session has it: then it is one that only this user's session
    can have, whatever ids others choose.
    """
    own = _own_key(session_id, user_id)
    return [own] if session_id.startswith(_OWN_KEY) else [session_id, own]


def _own_key(session_id: str, user_id: str | None) -> str:
    return _OWN_KEY + sha256(json_of([user_id, session_id]).encode()).hexdigest()


def check_owner(owner: Owner, user_id: str | None) -> None:
    """InvalidInputError if `owner` is about to write a row that it may not see."""
    if not may_see(owner, user_id):
        raise InvalidInputError("user_id must be the caller's own.", field="user_id")
