"""Shared parts of the stores of `PostgresDb`: tables, engine and pages.

Every method that accesses a user's rows takes `owner`, without a default. It sees and changes exactly the
rows that `run.owner.may_see` allows; another owner's row is treated as absent. Any method raises
DatabaseUnavailableError if Postgres doesn't respond.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, TextClause, func, select

from agentos.db.connection.engine import Engine, Reach
from agentos.db.filters import bounded
from agentos.db.schema.tables import Tables
from agentos.db.sql.statements import statement
from agentos.errors import InvalidInputError, StateTooLargeError
from agentos.run.bounds import size
from agentos.run.owner import Owner, may_see

AnySelect = Select[*tuple[Any, ...]]


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
        if size(state, self.max_state_bytes) > self.max_state_bytes:
            raise StateTooLargeError(self.max_state_bytes)

    def _reach(self, owner: Owner) -> Reach:
        return self._engine.reach(owner)

    def _lock(self, *parts: str) -> str:
        """The name of a lock shared by processes with the same table of runs."""
        return "/".join((self._tables.names.schema, self._tables.names.runs, *parts))


async def read_page(
    reach: Reach, matching: AnySelect, order: Sequence[ColumnElement[Any]], *, limit: int, page: int
) -> tuple[Sequence[RowMapping], int]:
    """The rows of a page, from 1, and the total count. One round trip, unless the page is past the end."""
    if limit < 1 or page < 1:
        field = "limit" if limit < 1 else "page"
        raise InvalidInputError(f"{field} must be 1 or more.", field=field)
    offset = bounded((page - 1) * limit)
    total = select(func.count()).select_from(matching.subquery()).scalar_subquery()
    rows = await reach.execute(
        matching.add_columns(total.label("total")).order_by(*order).limit(bounded(limit)).offset(offset)
    )
    if rows:
        return rows, rows[0]["total"]
    if offset == 0:
        return rows, 0
    return rows, (await reach.execute(select(total.label("total"))))[0]["total"]


def check_owner(owner: Owner, user_id: str | None) -> None:
    """InvalidInputError if `owner` is about to write a row that it may not see."""
    if not may_see(owner, user_id):
        raise InvalidInputError("user_id must be the caller's own.", field="user_id")
