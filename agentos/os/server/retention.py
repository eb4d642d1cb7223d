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
from agentos.errors import AgentOSError, ConfigurationError, DatabaseUnavailableError
from agentos.os.audit import chain
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
    audit: timedelta | None = None
    """Rows of the audit. The role in db_url must own the tables. What remains can still be verified."""
    audit_rows: int | None = None
    """Greatest number of rows of the audit; the oldest ones are deleted."""
    every: timedelta = timedelta(hours=1)
    """Interval between prunings. Servers that share a database take turns."""

    def __post_init__(self) -> None:
        ages = {"sessions": self.sessions, "events": self.events, "audit": self.audit, "every": self.every}
        if self.audit_rows is not None and self.audit_rows < 1:
            raise ConfigurationError(f"retention: audit_rows={self.audit_rows} must be 1 or more.")
        for name, value in ages.items():
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
    async with background(
        housekeeping, logger=logger, expected=AgentOSError, reported=DatabaseUnavailableError, pause=pause
    ):
        yield


async def _keep(db: Db, retention: Retention) -> None:
    await db.expire_approvals()
    gone: dict[str, int] = {}
    if retention.sessions is not None or retention.events is not None:
        gone |= asdict(await db.prune(older_than=retention.sessions, events_older_than=retention.events))
    if retention.audit is not None or retention.audit_rows is not None:
        gone["rows of the audit"] = await chain.prune(
            db, older_than=retention.audit, keep=retention.audit_rows
        )
    if any(gone.values()):
        logger.info("Pruned %s", ", ".join(f"{count} {name}" for name, count in gone.items() if count))
