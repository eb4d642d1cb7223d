"""Queued work that outlives its process. A feature registers it before the server starts.

Each entry is executed at least once, by any process that has registered the work: again if its process dies,
and in rare cases twice at the same time. The entry is deleted once `execute` returns or raises. An entry with
a delay is a timer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentos.run.records import Json

if TYPE_CHECKING:
    from agentos.db.base import Db


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """One kind of work, and its queue."""

    name: str
    """Unique among the works of one database, and stable across releases, since entries refer to it."""
    execute: Callable[[Json], Awaitable[None]]
    """Called in the server's event loop with the entry's argument; must be idempotent.

    An exception is logged and finishes the entry.
    """
    db: Db
    """The database of the queue."""
    per_process: int | None = None
    """How many entries one process executes at once; None is no limit."""

    @property
    def queue(self) -> str:
        """The name of the queue in DBOS. Processes that share it also share the workers' table."""
        return f"agentos/{self.db.worker_table}/{self.name}"
