"""How the id of a session leads to its row, whose key may be another.

An id names one session of each owner. For ANYONE, an id that several owners have given means the session
without an owner, since nothing else can name that one; if there is none, the id is ambiguous.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Select, Table, Text, and_, false, func, or_, select

from agentos.db.connection.engine import Engine, Reach
from agentos.db.connection.transaction import Transaction
from agentos.db.encoding import check_ids, id_or_none, is_id
from agentos.db.filters import among
from agentos.db.schema.columns import OBJECT, TEXTS, Content, Instant
from agentos.db.schema.tables import Tables
from agentos.db.stores.store import Store, check_owner
from agentos.errors import AmbiguousSessionError
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import RunOutput, Session
from agentos.run.text import json_of

_OWN_KEY: Final = "~"
"""How a key begins that isn't the session's id."""

FIELDS: Final[dict[str, Any]] = {
    "session_name": Content(),
    "session_state": OBJECT,
    "metadata": OBJECT,
    "summary": OBJECT,
}
"""Types of what a session says about itself."""


class SessionKeys(Store):
    """Finds sessions by their ids, and adds them."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        more = {"runnable_id": Text, "joined": OBJECT, "title": Content(), "metrics": OBJECT}
        times = {"created_at": Instant(), "updated_at": Instant()}
        self._create_session = self._statement("create_session", keys=TEXTS, **FIELDS, **more, **times)

    async def _add(self, session: Session, reach: Reach | Transaction, *, owner: Owner) -> RowMapping | None:
        """The new row; None if the session's user has one with the id. StateTooLargeError."""
        self.check_state(session.session_state)
        check_owner(owner, session.user_id)
        check_ids(session_id=session.session_id, runnable_id=session.runnable_id, user_id=session.user_id)
        row = {**dict(session), "joined": session.joined or None}
        keys = session_keys(session.session_id, user_id=session.user_id)
        for key in fresh_keys(session.session_id, user_id=session.user_id):
            if rows := await reach.execute(self._create_session, {**row, "keys": keys, "fresh_key": key}):
                return rows[0]
        return None

    def _named(self, session_id: str, owner: Owner) -> dict[str, Any]:
        """Parameters of the fragment `named`."""
        user_id = None if owner is ANYONE else id_or_none(owner)
        keys = session_keys(session_id, user_id=user_id)
        return {"session_id": id_or_none(session_id), "keys": keys, "user_id": user_id}

    def _has_id(self, session_id: str, owner: Owner) -> ColumnElement[bool]:
        """The condition that a session has this id. It doesn't check the owner."""
        table = self._tables.sessions
        if not is_id(session_id):
            return false()
        if owner is ANYONE:
            is_its_key = and_(table.c.session_id == session_id, table.c.given_session_id.is_(None))
            return or_(is_its_key, table.c.given_session_id == session_id)
        its_id = func.coalesce(table.c.given_session_id, table.c.session_id)
        return and_(among(table.c.session_id, session_keys(session_id, user_id=owner)), its_id == session_id)

    def _meant(self, session_id: str, owner: Owner) -> Select[*tuple[Any, ...]]:
        """The sessions with this id, for `the_one`."""
        table = self._tables.sessions
        mine = self._reach(owner).covers(table)
        named = select(table).where(self._has_id(session_id, owner), mine)
        return named.order_by(table.c.user_id.is_(None).desc()).limit(2)

    def _is_inside(self, table: Table, session_id: str, owner: Owner) -> ColumnElement[bool]:
        """The condition that a row of `table` is in the session that is meant; unclear: none."""
        sessions, has_id = self._tables.sessions, self._has_id(session_id, owner)
        if owner is ANYONE:
            alone = select(func.count()).select_from(sessions).where(has_id).scalar_subquery() == 1
            has_id = and_(has_id, or_(sessions.c.user_id.is_(None), alone))
        return table.c.session_id.in_(select(sessions.c.session_id).where(has_id))

    def _session_turn(self, run: RunOutput) -> str:
        """The turn of statements that lock the row of the run's session."""
        return self._lock("session", run.user_id or "", run.session_id)


def the_one(rows: Sequence[RowMapping], session_id: str) -> RowMapping | None:
    """The session that is meant among those with an id. AmbiguousSessionError if it is unclear."""
    if len(rows) > 1 and rows[0]["user_id"] is not None:
        raise AmbiguousSessionError(session_id)
    return rows[0] if rows else None


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
