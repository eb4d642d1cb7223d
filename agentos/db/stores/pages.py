"""Reads pages of lists, by number or by cursor.

A cursor contains the sort keys of the last row that was shown, so the next page begins at that place of an
index. It isn't secret: keys must be values that the caller may see. It isn't trusted either: it only says
where to begin among the rows that match.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic_core import from_json
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    RowMapping,
    Select,
    Text,
    case,
    func,
    literal,
    select,
    tuple_,
)

from agentos.db.connection.engine import Reach
from agentos.db.contracts.pages import MAX_CURSOR, Page, Paging
from agentos.db.filters import bounded, ordered
from agentos.db.schema.columns import Content, Instant
from agentos.errors import InvalidInputError
from agentos.run.text import is_holdable, json_of

AnySelect = Select[*tuple[Any, ...]]

COUNTED: Final = 10_000
"""Up to how many rows a list is counted."""
_PREFIX: Final = 100


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list. No two rows have the same `keys`, and no key is NULL."""

    list_name: str
    sort_by: str
    keys: Sequence[ColumnElement[Any]]
    descending: bool

    @property
    def name(self) -> str:
        """Distinguishes the cursors of this order from all others."""
        return f"{self.list_name} {self.sort_by} {'desc' if self.descending else 'asc'}"

    @property
    def labels(self) -> list[str]:
        """The names of the keys as columns."""
        return [f"sort_key_{number}" for number in range(len(self.keys))]


def alphabetical(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A text as a sort key: its beginning, because a cursor has to contain it."""
    return func.left(func.lower(column), _PREFIX, type_=Text())


def either(column: ColumnElement[Any], default: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column, or `default` if it is NULL, as a sort key.

    Postgres takes COALESCE for a function that could leak values, and under row-level security it looks up no
    condition with such a function in an index.
    """
    return case((column.is_(None), default), else_=column)


async def read_page(reach: Reach, matching: AnySelect, order: Order, paging: Paging) -> Page[RowMapping]:
    """The page of `matching`. One round trip, unless there are no rows that far."""
    _check(paging)
    count = select(func.count()).select_from(matching.limit(COUNTED + 1).subquery()).scalar_subquery()
    offset = bounded((paging.page - 1) * paging.limit)
    # One row more than wanted tells whether another page follows.
    wanted = _following(matching, order, paging.cursor).limit(bounded(paging.limit + 1)).offset(offset)
    found = await reach.execute(wanted.add_columns(count.label("total")))
    if found or (offset == 0 and paging.cursor is None):
        total = found[0]["total"] if found else 0
    else:
        total = (await reach.execute(select(count.label("total"))))[0]["total"]
    rows = list(found[: paging.limit])
    return Page(
        rows=rows,
        total=total if total <= COUNTED else None,
        next_cursor=_cursor(rows[-1], order) if len(found) > len(rows) else None,
    )


def _following(matching: AnySelect, order: Order, cursor: str | None) -> AnySelect:
    """The rows in order, after those that the cursor has passed."""
    keys = [key.label(name) for key, name in zip(order.keys, order.labels, strict=True)]
    # Postgres merges the subquery with the query around it, or filters its groups.
    listed = matching.add_columns(*keys).subquery()
    columns = [listed.c[name] for name in order.labels]
    rows = select(listed).order_by(*(ordered(column, descending=order.descending) for column in columns))
    if cursor is None:
        return rows
    reached, place = tuple_(*columns), tuple_(*_place(cursor, order))
    return rows.where(reached < place if order.descending else reached > place)


def _check(paging: Paging) -> None:
    if paging.limit < 1 or paging.page < 1:
        field = "limit" if paging.limit < 1 else "page"
        raise InvalidInputError(f"{field} must be 1 or more.", field=field)
    if paging.cursor is not None and paging.page != 1:
        raise InvalidInputError("Send either page or cursor, not both.", field="cursor")


def _cursor(last: RowMapping, order: Order) -> str:
    values = [last[name] for name in order.labels]
    shown = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return urlsafe_b64encode(json_of([order.name, *shown]).encode()).decode().rstrip("=")


def _place(cursor: str, order: Order) -> list[ColumnElement[Any]]:
    """The values of the keys in a cursor, which may come from anybody. InvalidInputError."""
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError
        name, *values = from_json(b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        if name == order.name:
            return [
                literal(_value(value, key), key.type) for value, key in zip(values, order.keys, strict=True)
            ]
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            "cursor can't be read: send the next_cursor of an earlier answer as it is, or no cursor to begin"
            " with the first page.",
            field="cursor",
        ) from error
    raise InvalidInputError(
        "cursor belongs to another list or order: send it with the sort_by and sort_order of the answer that"
        " it is from, or send no cursor to begin with the first page.",
        field="cursor",
    )


def _value(value: object, key: ColumnElement[Any]) -> object:
    match key.type, value:
        case Instant(), str():
            return datetime.fromisoformat(value)
        case BigInteger(), int() if not isinstance(value, bool) and bounded(value) == value:
            return value
        case Text() | Content(), str() if is_holdable(value):
            return value
        case _:
            raise ValueError
