"""Background maintenance: deletes old data and expires approvals on a schedule."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

from agentos.db.base import Db
from agentos.errors import AgentOSError, ConfigurationError
from agentos.tasks import background

logger = logging.getLogger("agentos.housekeeping")

_NOTHING: Final = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long data is kept; None keeps it indefinitely."""

    sessions: timedelta | None = None
    """Whole sessions, since their last change."""
    events: timedelta | None = None
    """Event logs of finished runs. Such a run can't be followed any more, but its record is kept."""
    every: timedelta = timedelta(hours=1)
    """Interval between prunings. Servers that share a database take turns."""

    def __post_init__(self) -> None:
        for name, value in (("sessions", self.sessions), ("events", self.events), ("every", self.every)):
            if value is not None and value <= _NOTHING:
                raise ConfigurationError(f"retention: {name}={value} must be more than 0.")


@asynccontextmanager
async def kept(db: Db, retention: Retention | None) -> AsyncGenerator[None]:
    """Deletes old data from `db` while inside: at once, and then on schedule.

    Without a `retention`, only approvals expire, once an hour.
    """
    wanted = retention or Retention()

    async def housekeeping() -> None:
        while True:
            await _keep(db, wanted)
            await asyncio.sleep(wanted.every.total_seconds())

    pause = wanted.every.total_seconds()
    async with background(housekeeping, logger=logger, expected=AgentOSError, pause=pause):
        yield


async def _keep(db: Db, retention: Retention) -> None:
    await db.expire_approvals()
    if retention.sessions is None and retention.events is None:
        return
    pruned = await db.prune(older_than=retention.sessions, events_older_than=retention.events)
    gone = {name: count for name, count in asdict(pruned).items() if count}
    if gone:
        logger.info("Pruned %s", ", ".join(f"{count} {name}" for name, count in gone.items()))
