"""Keeping house behind the requests' backs: what is old goes, and approvals run out, on a schedule."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

from agentos.db.base import Db
from agentos.errors import ConfigurationError

logger = logging.getLogger("agentos.housekeeping")

_NOTHING: Final = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept; None is for ever."""

    sessions: timedelta | None = None
    """Whole conversations, since anything happened in them."""
    events: timedelta | None = None
    """The event logs of runs that are over; nobody can follow such a run then, but its record stays."""
    every: timedelta = timedelta(hours=1)
    """How often it is looked after. Servers that share a database take turns."""

    def __post_init__(self) -> None:
        for name, value in (("sessions", self.sessions), ("events", self.events), ("every", self.every)):
            if value is not None and value <= _NOTHING:
                raise ConfigurationError(f"retention: {name}={value} must be more than 0.")


@asynccontextmanager
async def kept(db: Db, retention: Retention | None) -> AsyncGenerator[None]:
    """Looks after `db` while inside: at once, and then in intervals.

    Without a `retention` only approvals run out, once in an hour. A database that is away is logged, and
    tried again at the next time.
    """
    keeping = asyncio.create_task(_keep_on(db, retention or Retention()))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def _keep_on(db: Db, retention: Retention) -> None:
    while True:
        try:
            await _keep(db, retention)
        except Exception as error:  # noqa: BLE001 - whatever it is may pass, and the server goes on
            logger.warning("Housekeeping failed, and is tried again later (%s)", type(error).__name__)
        await asyncio.sleep(retention.every.total_seconds())


async def _keep(db: Db, retention: Retention) -> None:
    await db.expire_approvals()
    if retention.sessions is None and retention.events is None:
        return
    pruned = await db.prune(older_than=retention.sessions, events_older_than=retention.events)
    gone = {name: count for name, count in asdict(pruned).items() if count}
    if gone:
        logger.info("Pruned %s", ", ".join(f"{count} {name}" for name, count in gone.items()))
