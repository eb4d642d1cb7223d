"""Prepares the tables once, for all callers of all event loops.

Postgres may be silent for long, so it is asked in a thread that every caller waits for, each within its own
limits, and that doesn't keep the process from exiting.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from threading import Lock, Thread

from agentos.db.schema.upgrade import DatabaseSchema


class Preparation:
    """Calls `DatabaseSchema.ensure` until it has succeeded once."""

    def __init__(self, schema: DatabaseSchema, *, create: bool) -> None:
        self._schema = schema
        self._create = create
        self._lock = Lock()
        self._attempt: _Attempt | None = None

    async def wait(self, *, reached_within: float, within: float | None) -> None:
        """Returns once the tables are up to date, and raises what the attempt does.

        TimeoutError if the server hasn't said within `reached_within` seconds in which state they are, or if
        upgrading them isn't finished `within` seconds after that.
        """
        if self._schema.is_ready:
            return
        attempt = self._joined()
        async with asyncio.timeout(reached_within):
            await asyncio.wrap_future(attempt.reached)
        async with asyncio.timeout(within):
            await asyncio.wrap_future(attempt.done)

    def _joined(self) -> _Attempt:
        with self._lock:
            if self._attempt is None or self._attempt.done.done():
                self._attempt = _Attempt()
                arguments = (self._attempt,)
                Thread(target=self._try, args=arguments, name="agentos-tables", daemon=True).start()
            return self._attempt

    def _try(self, attempt: _Attempt) -> None:
        try:
            self._schema.ensure(create=self._create, reached=attempt.reach)
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            attempt.done.set_exception(error)
        else:
            attempt.done.set_result(None)
        finally:
            attempt.reach()


class _Attempt:
    """A call of `ensure`, which callers that give up don't cancel."""

    def __init__(self) -> None:
        self.reached: Future[None] = Future()
        self.done: Future[None] = Future()
        for future in (self.reached, self.done):
            future.set_running_or_notify_cancel()

    def reach(self) -> None:
        if not self.reached.done():
            self.reached.set_result(None)
