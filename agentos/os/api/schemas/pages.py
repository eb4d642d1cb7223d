"""Lists in pages, and times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from agentos.db.contracts.pages import MAX_CURSOR, Page
from agentos.os.api_model import ApiModel

T = TypeVar("T")
R = TypeVar("R")

MAX_LIMIT = 1000
"""Rows a page may hold."""
MAX_PAGE = 2**31 - 1

SortOrder = Literal["asc", "desc"]
Utc = Annotated[datetime, AfterValidator(lambda time: time.astimezone(UTC))]
"""ISO-8601 with `Z` on the wire."""


class PageQuery(ApiModel):
    """Which page of a list: `page` by its number, or the one after `cursor`."""

    # FastAPI makes parameters of the fields, and reads their descriptions at once.
    model_config = ConfigDict(use_attribute_docstrings=True)

    limit: int = Field(default=20, ge=1, le=MAX_LIMIT)
    """Rows a page may hold."""
    page: int = Field(default=1, ge=1, le=MAX_PAGE)
    """Which page, from 1. The higher the number, the longer it takes."""
    cursor: str | None = Field(default=None, max_length=MAX_CURSOR)
    """`next_cursor` in the `meta` of the previous page, instead of `page`. Every page takes as long as the
    first, and new rows move none to another page. The sort order must be the same."""

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if self.cursor is not None and "page" in self.model_fields_set:
            raise ValueError("send either page or cursor, not both")
        return self


class PaginationInfo(ApiModel):
    """Position of a page in the list."""

    page: int | None
    """Which page this is, from 1; null if the request had a `cursor`."""
    limit: int
    """Rows a page may hold."""
    total_pages: int | None
    """How many pages there are; null if `total_count` is."""
    total_count: int | None
    """How many rows there are; null if there are more than 10,000."""
    has_more: bool
    """Whether there are rows after these."""
    next_cursor: str | None
    """The `cursor` of the next page; null if this is the last one."""
    search_time_ms: float
    """Duration of the search in milliseconds."""

    @model_serializer(mode="wrap")
    def _with_nulls(self, handler: SerializerFunctionWrapHandler):  # noqa: ANN202 - would replace the schema
        """Nulls are shown even in lists whose rows leave theirs out."""
        return dict.fromkeys(type(self).model_fields) | handler(self)


class Paginated(ApiModel, Generic[T]):
    """One page of a list."""

    data: list[T]
    """The rows."""
    meta: PaginationInfo
    """Position of the page in the list."""


class Stopwatch:
    """Measures the time since it was created."""

    def __init__(self) -> None:
        self._start = perf_counter()

    @property
    def milliseconds(self) -> float:
        """Since it was made."""
        return round((perf_counter() - self._start) * 1000, 3)


def paginated(page: Page[R], query: PageQuery, show: Callable[[R], T], *, since: Stopwatch) -> Paginated[T]:
    """The rows of `page` as shown, with the pagination."""
    meta = PaginationInfo(
        page=query.page if query.cursor is None else None,
        limit=query.limit,
        total_pages=None if page.total is None else -(-page.total // query.limit),
        total_count=page.total,
        has_more=page.next_cursor is not None,
        next_cursor=page.next_cursor,
        search_time_ms=since.milliseconds,
    )
    return Paginated(data=[show(row) for row in page.rows], meta=meta)
