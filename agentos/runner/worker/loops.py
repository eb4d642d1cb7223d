"""The loops that supply a worker with runs: beats, the queue, news, and what dead processes have left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from agentos.db.contracts.events import Notification
from agentos.db.contracts.workers import Limits
from agentos.errors import AgentOSError, DatabaseUnavailableError
from agentos.runner.worker.worker import AGAIN_SECONDS, Worker
from agentos.tasks import background, occurs

logger = logging.getLogger("agentos.runner")

BEAT_SECONDS = 5.0
DEAD_SECONDS = 20.0
"""After so long without a beat a process counts as dead, and its runs are adopted."""
FORGET_SECONDS = 1800.0
"""How often what DBOS still has of ended workflows is looked for."""
CLAIM_SECONDS = 2.0
"""How often the queue is polled without news of it."""


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


class WorkerLoops:
    """Supplies one worker."""

    def __init__(self, worker: Worker, capacity: Capacity) -> None:
        self._worker = worker
        self._db = worker.db
        self._capacity = capacity
        self._queue_news = asyncio.Event()
        self._beaten: float | None = None
        self._late: tuple[float, float] | None = None
        """When the last beat came that was far too late, and by how much."""
        self._is_draining = False

    def drain(self) -> None:
        """Takes no more runs, and sends whoever follows one that executes elsewhere to another process."""
        self._is_draining = True
        self._worker.reader.end()

    async def alive(self) -> None:
        """Returns once other processes know that this one lives, so that they leave its next run alone."""
        if self._beaten is None or monotonic() - self._beaten > DEAD_SECONDS / 2:
            await self._beat()

    @asynccontextmanager
    async def running(self, *, durable: bool) -> AsyncGenerator[None]:
        """Works until left, when all runs must have ended; durable ones then go to other processes.

        `durable`: all background runs are, whatever their runnables say.
        """
        worker, own = self._worker, self._worker.runnables.values()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._leave)
            stack.push_async_callback(worker.close)
            if worker.works or any(durable or runnable.settings.durable for runnable in own):
                await self._prepare_runtime()
            loops = (
                self._beats,
                self._adoption,
                self._claims,
                self._notifications,
                self._resumption,
                self._forgetting,
                worker.begin_given,
            )
            await stack.enter_async_context(
                background(*loops, logger=logger, expected=AgentOSError, pause=AGAIN_SECONDS)
            )
            yield

    async def _prepare_runtime(self) -> None:
        """A deployment that can't be durable must not start as if it were."""
        try:
            await self.alive()  # before it takes anything out of a queue
            await self._worker.runtime()
        except DatabaseUnavailableError as error:
            logger.warning("Durable runs and queued work are waiting: %s", error)

    async def _beats(self) -> None:
        while True:
            await self._beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def _adoption(self) -> None:
        """Apart from the beats: they mustn't be late because there is much to adopt."""
        worker = self._worker
        while True:
            await self.alive()
            await worker.settle()
            if not self._is_draining:
                orphans = await self._db.adopt_runs(
                    worker.id,
                    dead_after=DEAD_SECONDS + self._allowance(),
                    runnables=list(worker.runnables),
                    held=worker.held,
                )
                for orphan in orphans:
                    worker.give(orphan, orphaned=True)
            await asyncio.sleep(BEAT_SECONDS)

    async def _resumption(self) -> None:
        """Apart from the adoption of runs, as DBOS's calls wait while the database is away, and longer."""
        while True:
            await self.alive()
            if self._worker.works and not self._is_draining:
                await self._worker.resume_work()
            await asyncio.sleep(BEAT_SECONDS)

    async def _forgetting(self) -> None:
        while True:
            await self._worker.forget_ended()
            await asyncio.sleep(FORGET_SECONDS)

    def _allowance(self) -> float:
        """How much longer others may be silent: what kept this process from beating has kept them too."""
        if self._late is None or monotonic() - self._late[0] > DEAD_SECONDS:
            return 0
        return self._late[1]

    async def _beat(self) -> None:
        unwanted = await self._db.beat(self._worker.id)
        before, self._beaten = self._beaten, monotonic()
        if before is not None and self._beaten - before > DEAD_SECONDS / 2:
            self._late = self._beaten, self._beaten - before
        for run_id in unwanted:
            self._worker.cancel(run_id)

    async def _claims(self) -> None:
        worker, capacity = self._worker, self._capacity
        while not self._is_draining:
            await self.alive()
            free = capacity.per_process - worker.load
            if free > 0 and worker.runnables:
                claimed = await self._db.claim_runs(
                    worker.id, runnables=list(worker.runnables), limits=capacity.limits, most=free
                )
                for assignment in claimed:
                    worker.give(assignment)
            await occurs(self._queue_news, within=CLAIM_SECONDS)
            self._queue_news.clear()

    async def _notifications(self) -> None:
        async for news in self._db.notifications():
            self._hear(news)

    def _hear(self, news: Notification) -> None:
        match news.kind:
            case "events":
                self._worker.reader.news(*news.run_ids)
            case "cancel":
                for run_id in news.run_ids:
                    self._worker.cancel(run_id)
                self._queue_news.set()
            case "queue":
                self._queue_news.set()
            case "connected":
                self._worker.reader.news()
                self._queue_news.set()

    async def _leave(self) -> None:
        try:
            await self._db.leave(self._worker.id)
        except AgentOSError as error:
            logger.warning("Other processes adopt this one's runs after %s seconds: %s", DEAD_SECONDS, error)
