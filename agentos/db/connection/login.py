"""Logging in to Postgres, which a caller that is cancelled doesn't leave half done."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from psycopg import AsyncConnection

from agentos.tasks import to_the_end

C = TypeVar("C", bound=AsyncConnection[Any])


async def login(connecting: Coroutine[Any, Any, C]) -> C:
    """Waits for a new connection. If the caller is cancelled, the connection is completed and closed.

    A login that is left half done occupies Postgres for a minute and blocks dropping the database.
    """
    task = asyncio.create_task(connecting)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await to_the_end(_discarded(task))  # who is cancelled once may be cancelled again
        raise


async def _discarded(connecting: asyncio.Task[C]) -> None:
    await asyncio.wait([connecting])
    if not connecting.cancelled() and connecting.exception() is None:
        await connecting.result().close()
