"""Notifications from all processes, over one connection that is open while someone listens.

They only say that there is something to read, never what: one that is lost while the connection is down costs
no more than the time until the next poll, and whoever reconnects reads everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Literal

from psycopg import InterfaceError, OperationalError, sql
from pydantic import TypeAdapter

from agentos.db.contracts.events import Notification
from agentos.db.stores.store import Store

_PAUSES: Final = (0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts to reconnect; the last value repeats."""


class NotificationStore(Store):
    """Notifications between processes. For the server itself: about everyone's runs, with ids only."""

    async def notifications(self) -> AsyncGenerator[Notification]:
        """Yields notifications over a separate connection, which reconnects automatically until closed."""
        failures = 0
        while True:
            try:
                async with aclosing(self._heard()) as heard:
                    async for told in heard:
                        failures = 0
                        yield told
            except (OperationalError, InterfaceError) as error:
                self._engine.report(error)
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1

    async def _heard(self) -> AsyncGenerator[Notification]:
        async with await self._engine.connect() as connection:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._tables.names.channel)))
            yield Notification("connected")
            async with aclosing(connection.notifies()) as notifications:
                async for notification in notifications:
                    told = _read(notification.payload)
                    if told is not None:
                        yield told


_TOLD: Final = TypeAdapter(dict[Literal["events", "cancel", "queue"], list[str]])


def _read(payload: str) -> Notification | None:
    """Parses a payload; None if it isn't from agentos."""
    try:
        ((kind, run_ids),) = _TOLD.validate_json(payload).items()
    except ValueError:
        return None
    return Notification(kind, tuple(run_ids))
