"""Paginated lists, and times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AfterValidator, ConfigDict, Field

from agentos.db.contracts.pages import Page
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
    """Which page of a list; pages count from 1."""

    # FastAPI makes parameters of the fields, and reads their descriptions at once.
    model_config = ConfigDict(use_attribute_docstrings=True)

    limit: int = Field(default=20, ge=1, le=MAX_LIMIT)
    """Rows a page may hold."""
    page: int = Field(default=1, ge=1, le=MAX_PAGE)
    """Which page, from 1."""


class PaginationInfo(ApiModel):
    """Position of a page in the list."""

    page: int
    """Which page this is, from 1."""
    limit: int
    """Rows a page may hold."""
    total_pages: int
    """How many pages there are."""
    total_count: int
    """How many rows there are."""
    search_time_ms: float
    """Duration of the search in milliseconds."""


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
        page=query.page,
        limit=query.limit,
        total_pages=-(-page.total // query.limit),
        total_count=page.total,
        search_time_ms=since.milliseconds,
    )
    return Paginated(data=[show(row) for row in page.rows], meta=meta)
