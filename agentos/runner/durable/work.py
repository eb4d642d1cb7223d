"""Work that outlives its process: a feature registers it before the server starts, and enqueues it later.

An entry of a queue is executed at least once, by any process that has registered the work: again if its
process dies, and in rare cases twice at a time. Once `execute` has returned or raised, the entry is
forgotten. An entry with a delay is a timer.
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
    """Unique among the works of one database, and the same in every release: entries are found by it."""
    execute: Callable[[Json], Awaitable[None]]
    """Called in the server's event loop with what was enqueued; must accept being repeated.

    What it raises is logged, and ends the entry.
    """
    db: Db
    """Where the queue is."""
    per_process: int | None = None
    """How many entries one process executes at once; None is no limit."""

    @property
    def queue(self) -> str:
        """What DBOS calls the queue: processes that share it know of each other whether they live."""
        return f"agentos/{self.db.worker_table}/{self.name}"
