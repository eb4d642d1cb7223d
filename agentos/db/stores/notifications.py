"""News from all processes: one connection that listens, for as long as somebody wants to know."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Literal

from psycopg import InterfaceError, OperationalError, sql
from pydantic import TypeAdapter

from agentos.db.contracts.events import Notification
from agentos.db.stores.store import Store

_logger = logging.getLogger(__name__)

_PAUSES: Final = (0.5, 1.0, 2.0, 5.0)
"""Seconds between the tries to connect again; the last one counts for all further ones."""


class NotificationStore(Store):
    """What processes tell one another. The server's own, about everybody's runs; ids only."""

    async def notifications(self) -> AsyncGenerator[Notification]:
        """News as it comes, over one connection of its own; reconnects by itself until it is closed."""
        failures = 0
        while True:
            try:
                async with aclosing(self._heard()) as heard:
                    async for told in heard:
                        failures = 0
                        yield told
            except (OperationalError, InterfaceError) as error:
                _logger.warning("Listening to Postgres ended (%s)", type(error).__name__)
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
    """What was told; None if it wasn't one of us who told it."""
    try:
        ((kind, run_ids),) = _TOLD.validate_json(payload).items()
    except ValueError:
        return None
    return Notification(kind, tuple(run_ids))
