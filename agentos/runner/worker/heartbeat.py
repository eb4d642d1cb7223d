"""The beats by which a worker says that it is alive.

They come from a thread with an event loop and a connection of its own: a process whose loop is busy for a
while must not be taken for dead, or others would execute its runs once more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

from agentos.db.contracts.workers import BEAT_SECONDS
from agentos.errors import AgentOSError, DatabaseUnavailableError
from agentos.tasks import background

if TYPE_CHECKING:
    from agentos.db.base import Db

DEAD_SECONDS = 20.0
"""A worker without a beat for this long counts as dead, and its runs are adopted."""
STUCK_SECONDS = 300.0
"""The worker of a loop that hasn't turned for this long stops its beats: the loop may never turn again."""
END_SECONDS = 1.0
"""How long the last beat may take when the worker ends."""

logger = logging.getLogger("agentos.runner")


class Heartbeat:
    """The beats of one worker. `cancel` gets the ids of its runs that are to be cancelled."""

    def __init__(self, db: Db, worker_id: str, cancel: Callable[[str], None]) -> None:
        self._db = db
        self._worker_id = worker_id
        self._cancel = cancel
        self._last: float | None = None
        self._late: tuple[float, float] | None = None
        """The time of the last very late beat, and its delay."""
        self._turned = monotonic()
        """When the worker's loop was last seen to turn."""

    @property
    def allowance(self) -> float:
        """Seconds added until others count as dead: what delayed this worker's beats delays theirs too."""
        if self._late is None or monotonic() - self._late[0] > DEAD_SECONDS:
            return 0
        return self._late[1]

    async def alive(self) -> None:
        """Beats, unless there was a beat recently."""
        if self._last is None or monotonic() - self._last > DEAD_SECONDS / 2:
            for run_id in await self._beat():
                self._cancel(run_id)

    @asynccontextmanager
    async def beating(self) -> AsyncGenerator[None]:
        """Beats every `BEAT_SECONDS`; the first one comes then."""
        stop, loop = Event(), asyncio.get_running_loop()
        thread = Thread(target=self._keep_up, args=(stop, loop), name="agentos-heartbeat", daemon=True)
        thread.start()
        try:
            async with background(self._turns, logger=logger, expected=AgentOSError, pause=BEAT_SECONDS):
                yield
        finally:
            stop.set()
            await asyncio.to_thread(thread.join, END_SECONDS)

    async def _turns(self) -> None:
        while True:
            self._turned = monotonic()
            await asyncio.sleep(BEAT_SECONDS)

    def _keep_up(self, stop: Event, loop: asyncio.AbstractEventLoop) -> None:
        with asyncio.Runner() as runner:
            while not stop.wait(BEAT_SECONDS):
                if self._is_stuck():
                    continue
                try:
                    unwanted = runner.run(self._beat())
                    if stop.is_set():  # the worker may have left meanwhile
                        runner.run(self._db.leave(self._worker_id))
                    for run_id in unwanted:
                        loop.call_soon_threadsafe(self._cancel, run_id)
                except DatabaseUnavailableError:
                    pass  # storage has logged the cause
                except AgentOSError as error:
                    logger.warning("A worker couldn't say that it is alive: %s", error)
                except Exception:
                    logger.exception("A worker couldn't say that it is alive")
            if self._last is not None:
                runner.run(self._db.close())

    def _is_stuck(self) -> bool:
        """Whether the loop may never turn again."""
        is_stuck = monotonic() - self._turned > STUCK_SECONDS
        if is_stuck:
            logger.error("The event loop is stuck: other workers take its runs")
        return is_stuck

    async def _beat(self) -> list[str]:
        unwanted = await self._db.beat(self._worker_id)
        before, self._last = self._last, monotonic()
        if before is not None and self._last - before > DEAD_SECONDS / 2:
            self._late = self._last, self._last - before
        return unwanted
