"""Shared parts of the stores of `PostgresDb`: tables and engine.

Every method that accesses a user's rows takes `owner`, without a default. It sees and changes exactly the
rows that `run.owner.may_see` allows; another owner's row is treated as absent. Any method raises
DatabaseUnavailableError if Postgres doesn't respond.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import TextClause

from agentos.db.connection.engine import Engine, Reach
from agentos.db.schema.tables import Tables
from agentos.db.sql.statements import statement
from agentos.errors import InvalidInputError, StateTooLargeError
from agentos.run.bounds import size
from agentos.run.owner import Owner, may_see


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

    def _lock(self, *parts: str) -> str:
        """The name of a lock shared by processes with the same table of runs."""
        return "/".join((self._tables.names.schema, self._tables.names.runs, *parts))


def check_owner(owner: Owner, user_id: str | None) -> None:
    """InvalidInputError if `owner` is about to write a row that it may not see."""
    if not may_see(owner, user_id):
        raise InvalidInputError("user_id must be the caller's own.", field="user_id")
