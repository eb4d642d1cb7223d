"""Pages of a list: which one is wanted, and its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")

MAX_CURSOR: Final = 5120
"""Characters of a cursor. Its longest values are prefixes of texts and ids, which are bounded too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Which page of a list: by its number, from 1, or the one after `cursor`, a page's `next_cursor`.

    A page costs more the higher its number is. With a cursor all pages cost the same, and rows that are added
    or deleted meanwhile move no other row to another page.
    """

    limit: int = 20
    page: int = 1
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page, and how many rows the list has."""

    rows: list[T]
    total: int | None
    """None if there are more than 10,000."""
    next_cursor: str | None = None
    """Where the next page begins; None if this is the last one."""

    def map(self, show: Callable[[T], U]) -> Page[U]:
        """The same page of `show(row)`."""
        return Page([show(row) for row in self.rows], self.total, self.next_cursor)
