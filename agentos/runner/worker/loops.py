"""The loops that give a process its runs: it says that it lives, looks at the queue, hears of news.

And it takes over what dead processes have left.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from agentos.db.base import Db
from agentos.db.contracts.workers import Limits, Notice
from agentos.errors import AgentOSError, DatabaseUnavailableError
from agentos.runner.worker.worker import AGAIN_SECONDS, Executor

logger = logging.getLogger("agentos.runner")

BEAT_SECONDS = 5.0
DEAD_SECONDS = 20.0
"""After so long without a beat a process counts as dead, and its runs are taken over."""
CLAIM_SECONDS = 2.0
"""How often the queue is looked at without news of it."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many background runs may execute, and wait."""

    limits: Limits = field(default_factory=Limits)
    """Over all processes."""
    per_process: int = 100
    """How many runs of all kinds a process executes before it stops taking background ones."""
    queued: int = 1000
    """How many background runs may wait, over all processes."""
    queued_per_user: int | None = None
    """How many of one user's."""


class Tending:
    """Keeps one executor supplied."""

    def __init__(self, executor: Executor, capacity: Capacity) -> None:
        self._executor = executor
        self._db: Db = executor.db
        self._capacity = capacity
        self._queue_news = asyncio.Event()
        self._beaten: float | None = None
        self._late: tuple[float, float] | None = None
        """When the last beat came that was far too late, and by how much."""
        self._is_draining = False

    def drain(self) -> None:
        """Takes no more runs, and sends whoever follows one that executes elsewhere to another process."""
        self._is_draining = True
        self._executor.tails.end()

    async def alive(self) -> None:
        """Returns once other processes know that this one lives, so that they leave its next run alone."""
        if self._beaten is None or monotonic() - self._beaten > DEAD_SECONDS / 2:
            await self._beat()

    @asynccontextmanager
    async def running(self, *, durable: bool) -> AsyncGenerator[None]:
        """Works until left, when all runs must have ended; durable ones then go to other processes.

        `durable`: all runs in the background are, whatever their runnables say.
        """
        executor, own = self._executor, self._executor.runnables.values()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._leave)
            stack.push_async_callback(executor.close)
            if any(durable or runnable.settings.durable for runnable in own):
                await self._prepared()
            for loop in (
                self._beat_on, self._take_over, self._claim_on, self._listen, executor.begin_given
            ):  # fmt: skip
                task = asyncio.create_task(self._kept_up(loop), name=f"runs: {loop.__name__}")
                stack.push_async_callback(_stop, task)
            yield

    async def _prepared(self) -> None:
        """A deployment that can't be durable must not start as if it were."""
        try:
            await self._executor.engine()
        except DatabaseUnavailableError as error:
            logger.warning("Durable runs wait: %s", error)

    async def _beat_on(self) -> None:
        while True:
            await self._beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def _take_over(self) -> None:
        """Apart from the beats: they mustn't be late because there is much to take over."""
        executor = self._executor
        while True:
            await self.alive()
            await executor.settle()
            if not self._is_draining:
                orphans = await self._db.adopt_runs(
                    executor.id,
                    dead_after=DEAD_SECONDS + self._allowance(),
                    runnables=list(executor.runnables),
                    held=executor.held,
                )
                for orphan in orphans:
                    executor.give(orphan, orphaned=True)
            await asyncio.sleep(BEAT_SECONDS)

    def _allowance(self) -> float:
        """How much longer others may be silent: what kept this process from beating has kept them too."""
        if self._late is None or monotonic() - self._late[0] > DEAD_SECONDS:
            return 0
        return self._late[1]

    async def _beat(self) -> None:
        unwanted = await self._db.beat(self._executor.id)
        before, self._beaten = self._beaten, monotonic()
        if before is not None and self._beaten - before > DEAD_SECONDS / 2:
            self._late = self._beaten, self._beaten - before
        for run_id in unwanted:
            self._executor.cancel(run_id)

    async def _claim_on(self) -> None:
        executor, capacity = self._executor, self._capacity
        while not self._is_draining:
            await self.alive()
            free = capacity.per_process - executor.load
            if free > 0 and executor.runnables:
                claimed = await self._db.claim_runs(
                    executor.id, runnables=list(executor.runnables), limits=capacity.limits, most=free
                )
                for assignment in claimed:
                    executor.give(assignment)
            try:
                async with asyncio.timeout(CLAIM_SECONDS):
                    await self._queue_news.wait()
            except TimeoutError:
                pass
            self._queue_news.clear()

    async def _listen(self) -> None:
        async for notice in self._db.notices():
            self._hear(notice)

    def _hear(self, notice: Notice) -> None:
        match notice.kind:
            case "events":
                self._executor.tails.news(*notice.run_ids)
            case "cancel":
                for run_id in notice.run_ids:
                    self._executor.cancel(run_id)
                self._queue_news.set()
            case "queue":
                self._queue_news.set()
            case "connected":
                self._executor.tails.news()
                self._queue_news.set()

    async def _kept_up(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Runs a loop for as long as the server lives, whatever happens to it."""
        while True:
            try:
                return await loop()
            except AgentOSError as error:
                logger.warning("%s: %s Trying again.", loop.__name__, error)
            except Exception:
                logger.exception("%s failed and is tried again", loop.__name__)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _leave(self) -> None:
        try:
            await self._db.leave(self._executor.id)
        except AgentOSError as error:
            logger.warning("Other processes take over after %s seconds: %s", DEAD_SECONDS, error)


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
