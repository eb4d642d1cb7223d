"""Conditions on columns with caller-supplied values. A value that can't be stored matches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, UnaryExpression, any_, false, literal

from agentos.db.encoding import is_id
from agentos.db.schema.columns import TEXTS
from agentos.run.text import is_holdable

_BIGGEST: Final = 2**63 - 1


def same(column: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    """The column equals `value`, an id."""
    return column == value if is_id(value) else false()


def among(column: ColumnElement[Any], ids: Sequence[str]) -> ColumnElement[bool]:
    """The column is one of `ids`."""
    return column == any_(texts([value for value in ids if is_id(value)]))


def contains(column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """`part` occurs in the column, ignoring case."""
    return column.icontains(part, autoescape=True) if is_holdable(part) else false()


def texts(values: Sequence[str]) -> ColumnElement[Any]:
    """An array of text."""
    return literal(list(values), TEXTS)


def ordered(column: ColumnElement[Any], *, descending: bool) -> UnaryExpression[Any]:
    """The column as a sort key."""
    return column.desc() if descending else column.asc()


def bounded(number: int) -> int:
    """The nearest number that Postgres can store; no stored value lies beyond it."""
    return max(-_BIGGEST, min(number, _BIGGEST))
