"""The background loops of a worker: the queue, notifications, and the runs of dead workers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from agentos.db.contracts.events import Notification
from agentos.db.contracts.workers import BEAT_SECONDS, Limits
from agentos.errors import AgentOSError, DatabaseUnavailableError
from agentos.runner.execution.live_runs import LAST_SECONDS
from agentos.runner.worker import heartbeat
from agentos.runner.worker.heartbeat import Heartbeat
from agentos.runner.worker.worker import AGAIN_SECONDS, Worker
from agentos.tasks import background, occurs

logger = logging.getLogger("agentos.runner")

FORGET_SECONDS = 1800.0
"""How often the remains of ended workflows are deleted."""
START_SECONDS = 4.0
"""How long a silent database holds up the start of a program."""
CLAIM_SECONDS = 2.0
"""How often the queue is polled without a notification."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Limits on executing and queued background runs."""

    limits: Limits = field(default_factory=Limits)
    """Over all processes."""
    per_process: int = 100
    """A process that executes this many runs of any kind claims no background runs."""
    queued: int = 1000
    """Queued background runs, across all processes."""
    queued_per_user: int | None = None
    """Queued background runs of one user."""


class WorkerLoops:
    """Supplies one worker."""

    def __init__(self, worker: Worker, capacity: Capacity) -> None:
        self._worker = worker
        self._db = worker.db
        self._capacity = capacity
        self._queue_news = asyncio.Event()
        self._heartbeat = Heartbeat(worker.db, worker.id, worker.cancel)
        self._is_draining = False
        self._adopting, self._claiming = asyncio.Lock(), asyncio.Lock()
        """Held while the database is asked for runs, until they are given to the worker."""

    def drain(self) -> None:
        """Stops taking runs, and ends the streams of runs that other processes execute."""
        self._is_draining = True
        self._worker.reader.end()

    async def all_taken(self) -> None:
        """After `drain`: returns once no run is being taken any more."""
        async with self._adopting, self._claiming:
            pass

    async def alive(self) -> None:
        """Reports that this worker is alive, unless it did so recently."""
        await self._heartbeat.alive()

    @asynccontextmanager
    async def running(self, *, durable: bool) -> AsyncGenerator[None]:
        """Runs the loops until exited. Runs must have ended by then; durable ones are handed over.

        `durable`: all background runs are durable, regardless of their runnables.
        """
        worker, own = self._worker, self._worker.runnables.values()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._leave)
            await stack.enter_async_context(self._heartbeat.beating())
            stack.push_async_callback(worker.close)
            stack.push_async_callback(worker.live.close, grace=0)  # what began when its time was up
            if worker.works or any(durable or runnable.settings.durable for runnable in own):
                await self._prepare_runtime()
            loops = (
                self._adoption,
                self._claims,
                self._notifications,
                self._resumption,
                self._forgetting,
                worker.begin_given,
            )
            await stack.enter_async_context(
                background(
                    *loops,
                    logger=logger,
                    expected=AgentOSError,
                    reported=DatabaseUnavailableError,
                    pause=AGAIN_SECONDS,
                )
            )
            yield

    async def _prepare_runtime(self) -> None:
        """Launches the runtime early, so that a deployment that can't be durable fails at start."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self.alive()  # before it takes anything out of a queue
            await self._worker.runtime()
        except (DatabaseUnavailableError, TimeoutError):
            logger.warning("Durable runs and queued work start later: the database isn't available.")

    async def _adoption(self) -> None:
        worker = self._worker
        while True:
            await self.alive()
            await worker.settle()
            async with self._adopting:
                if not self._is_draining:
                    await self._adopt()
            await asyncio.sleep(BEAT_SECONDS)

    async def _adopt(self) -> None:
        worker = self._worker
        orphans = await self._db.adopt_runs(
            worker.id,
            dead_after=heartbeat.DEAD_SECONDS + self._heartbeat.allowance,
            runnables=list(worker.runnables),
            held=worker.held,
        )
        for orphan in orphans:
            worker.give(orphan, orphaned=True)

    async def _resumption(self) -> None:
        """Separate from adoption, since DBOS's calls block while the database is unavailable."""
        while True:
            await self.alive()
            if self._worker.works and not self._is_draining:
                await self._worker.resume_work()
            await asyncio.sleep(BEAT_SECONDS)

    async def _forgetting(self) -> None:
        while True:
            await self._worker.forget_ended()
            await asyncio.sleep(FORGET_SECONDS)

    async def _claims(self) -> None:
        while not self._is_draining:
            await self.alive()
            async with self._claiming:
                if not self._is_draining:
                    await self._claim()
            await occurs(self._queue_news, within=CLAIM_SECONDS)
            self._queue_news.clear()

    async def _claim(self) -> None:
        worker, capacity = self._worker, self._capacity
        free = capacity.per_process - worker.load
        if free > 0 and worker.runnables:
            claimed = await self._db.claim_runs(
                worker.id, runnables=list(worker.runnables), limits=capacity.limits, most=free
            )
            for assignment in claimed:
                worker.give(assignment)

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
            async with asyncio.timeout(LAST_SECONDS):  # its own: what came before may have taken as long
                await self._db.leave(self._worker.id)
        except (AgentOSError, TimeoutError) as error:
            after = heartbeat.DEAD_SECONDS
            logger.warning("Other workers adopt this one's runs in %s seconds: %s", after, error)
