"""Connections that a caller who is cancelled leaves neither half made nor busy."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from psycopg import AsyncConnection, Error
from psycopg.abc import PQGen
from psycopg.errors import QueryCanceled
from psycopg.pq import TransactionStatus
from psycopg.waiting import wait_async

from agentos.tasks import to_the_end

C = TypeVar("C", bound=AsyncConnection[Any])
T = TypeVar("T")

CANCEL_SECONDS: Final = 5.0
"""Seconds that Postgres may take to stop a cancelled statement."""


class Connection(AsyncConnection[Any]):
    """A connection that stops its statement in Postgres when the caller is cancelled, even repeatedly.

    psycopg's own cancellation, interrupted, leaves a half-made login behind.
    """

    async def wait(
        self,
        gen: PQGen[T],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109 - psycopg's parameter
    ) -> T:
        """As psycopg's."""
        try:
            return await wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except asyncio.CancelledError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                await to_the_end(self._stop(gen))
            raise

    async def _stop(self, statement: PQGen[Any]) -> None:
        try:
            await self.cancel_safe(timeout=CANCEL_SECONDS)
            async with asyncio.timeout(CANCEL_SECONDS):
                await wait_async(statement, self.pgconn.socket, interval=0.1)
        except QueryCanceled:
            pass
        except (Error, TimeoutError, TypeError):  # psycopg can't go on with a statement that was being sent
            self.pgconn.finish()


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
