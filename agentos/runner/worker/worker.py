"""This process as one that executes runs, for one database: how each of its runs is begun and ended."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

from agentos.db.base import Db
from agentos.db.contracts.workers import Assignment
from agentos.errors import (
    AgentOSError,
    ConfigurationError,
    DatabaseUnavailableError,
    NotFoundError,
    RunLostError,
)
from agentos.run.events import Kind
from agentos.runner.durable.steps import RecordedSteps
from agentos.runner.events.reader import Tails
from agentos.runner.events.writer import EventLog
from agentos.runner.execution.execution import Job
from agentos.runner.execution.live_runs import LiveRun, LiveRuns
from agentos.runner.resume import open_job
from agentos.runner.settings import Configured, RunSettings
from agentos.runner.worker.dead_runs import ProcessDiedError, end

if TYPE_CHECKING:  # importing it imports DBOS, which only durable runs need
    from agentos.runner.durable.engine import Engine

logger = logging.getLogger("agentos.runner")

AGAIN_SECONDS = 1.0
"""The pause after a database that is away."""
EARLY_SECONDS = 30.0
"""How long a wish to cancel is remembered for a run that isn't executing here yet."""

Runnables = Mapping[tuple[Kind, str], Configured]


class Executor:
    """Begins and ends the runs that are this process's; `Tending` sees to it that there are some."""

    def __init__(self, db: Db, runnables: Runnables, live: LiveRuns) -> None:
        self.id = uuid4().hex
        self.db = db
        self.runnables = runnables
        self.live = live
        self.log = EventLog(db, executor_id=self.id)
        self.tails = Tails(db)
        self.unsettled: list[Job] = []
        """Those whose outcome couldn't be stored yet."""
        self._engine: Engine | None = None
        self._engine_lock = asyncio.Lock()
        self._given: asyncio.Queue[tuple[Assignment, bool]] = asyncio.Queue()
        self._waiting: Counter[str] = Counter()
        self._prepared: dict[str, tuple[Job, asyncio.Future[LiveRun]]] = {}
        self._early: dict[str, float] = {}

    async def start(self, runnable: Configured, job: Job, *, log: bool) -> LiveRun | None:
        """Starts a run that is this executor's; None if the database went away meanwhile: it starts later."""
        if not job.durable:
            return self._launch(runnable, job, log=log)
        launched: asyncio.Future[LiveRun] = asyncio.get_running_loop().create_future()
        self._prepared[job.run_id] = job, launched
        try:
            await (await self.engine()).start(job.run_id, job.segment)
            return await launched
        except DatabaseUnavailableError:
            run = job.run
            self.give(Assignment(run.run_id, run.kind, run.runnable_id, job.segment, job.durable))
            return None
        finally:
            self._prepared.pop(job.run_id, None)

    async def engine(self) -> Engine:
        """What records the steps of durable runs, launched when it is first needed."""
        async with self._engine_lock:
            if self._engine is None:
                from agentos.runner.durable.engine import Engine

                self._engine = await Engine.launch(self.db.url, executor_id=self.id, execute=self.execute)
            return self._engine

    async def close(self) -> None:
        """Leaves durable runs to other processes, and waits until everything is written."""
        if self._engine is not None:
            await self._engine.close()
        await self.log.close()
        await self.tails.close()

    @property
    def load(self) -> int:
        """How many runs execute here or are about to."""
        return len(self.live) + self._waiting.total()

    @property
    def held(self) -> list[str]:
        """The runs that this process knows to be its own."""
        unsettled = [job.run_id for job in self.unsettled]
        return [*self.live.run_ids, *self._waiting, *self._prepared, *unsettled]

    def give(self, assignment: Assignment, *, orphaned: bool = False) -> None:
        """Has a run that is this executor's begun, or ended, as soon as may be, or else adopted."""
        self._waiting[assignment.run_id] += 1
        self._given.put_nowait((assignment, orphaned))

    async def all_begun(self) -> None:
        """Returns once nothing waits any more that was given."""
        await self._given.join()

    async def settle(self) -> None:
        """Stores the outcomes that couldn't be stored before, but of runs that are another process's now."""
        while self.unsettled:
            job = self.unsettled.pop(0)
            assert job.settle is not None
            try:
                await job.settle()
            except DatabaseUnavailableError:
                self.unsettled.append(job)
                raise
            except (RunLostError, NotFoundError) as error:
                logger.warning("The outcome of run %s is lost: %s", job.run_id, error)

    def cancel(self, run_id: str) -> None:
        """Ends a run that executes here, or is about to."""
        live = self.live.get(run_id)
        if live is not None:
            live.cancel()
            return
        now = monotonic()
        self._early = {each: at for each, at in self._early.items() if now - at < EARLY_SECONDS}
        self._early[run_id] = now

    async def adopt(self, orphan: Assignment) -> None:
        """Goes on with a run whose process died, if it is durable; otherwise ends it."""
        died = ProcessDiedError("The process that executed this run died. Try again.")
        if not orphan.durable or (orphan.kind, orphan.runnable_id) not in self.runnables:
            await self._end(orphan, died)
            return
        logger.warning("Run %s has lost its process and is taken up", orphan.run_id)
        try:
            engine = await self.engine()
        except ConfigurationError as error:
            logger.error("Run %s can't go on here: %s", orphan.run_id, error)
            await self._end(orphan, died)
            return
        if not await engine.resume(orphan.run_id, orphan.segment):
            await self.begin(orphan)

    async def begin_given(self) -> None:
        """Begins what `give` was given, for as long as the server lives."""
        while True:
            given, orphaned = await self._given.get()
            try:
                await (self.adopt if orphaned else self.begin)(given)
            except DatabaseUnavailableError:
                self.give(given, orphaned=orphaned)
                await asyncio.sleep(AGAIN_SECONDS)
            finally:
                self._waiting -= Counter([given.run_id])
                self._given.task_done()

    async def execute(self, run_id: str, segment: int) -> None:
        """What the engine calls for a durable run, to be begun or taken up again here.

        RunLostError if it isn't over then: it is another process's now, or is to be.
        """
        prepared = self._prepared.pop(run_id, None)
        job = prepared[0] if prepared else await self._taken(run_id, segment)
        if job is None:
            return
        runnable = self.runnables[job.run.kind, job.run.runnable_id]
        job.context.steps = RecordedSteps(job.context)
        live = self._launch(runnable, job, log=True)
        if prepared and not prepared[1].done():
            prepared[1].set_result(live)
        await asyncio.wait([live.task])
        if job.is_handed_over:
            raise RunLostError("Another process executes the run now.")

    async def begin(self, given: Assignment) -> None:
        """Begins, or ends, a run that is this executor's."""
        runnable = self.runnables.get((given.kind, given.runnable_id))
        if runnable is None or given.cancelling:
            await self._end(given, NotFoundError(given.kind.capitalize(), given.runnable_id))
        elif job := await open_job(self.db, runnable.settings, given.run_id, executor_id=self.id):
            await self.start(runnable, job, log=True)

    async def _end(self, given: Assignment, error: AgentOSError) -> None:
        """Ends it with `error`, unless somebody wants it cancelled."""
        job = await open_job(self.db, RunSettings(db=self.db), given.run_id, executor_id=self.id)
        if job is None:
            return
        await end(job, self.log, db=self.db, error=None if given.cancelling else error)
        if job.settle:
            self.unsettled.append(job)

    async def _taken(self, run_id: str, segment: int) -> Job | None:
        """A run whose process died, as this executor's."""
        while True:
            try:
                given = await self.db.take_run(run_id, executor_id=self.id, segment=segment)
                if given is None:
                    return None
                runnable = self.runnables.get((given.kind, given.runnable_id))
                if runnable is not None and given.cancelling is None:
                    return await open_job(self.db, runnable.settings, given.run_id, executor_id=self.id)
                await self.begin(given)
                return None
            except DatabaseUnavailableError:
                await asyncio.sleep(AGAIN_SECONDS)

    def _launch(self, runnable: Configured, job: Job, *, log: bool) -> LiveRun:
        live = self.live.launch(runnable, job, log=self.log if log else None)
        live.task.add_done_callback(lambda _: self.unsettled.append(job) if job.settle else None)
        if self._early.pop(job.run_id, None) is not None:
            live.cancel()
        return live
