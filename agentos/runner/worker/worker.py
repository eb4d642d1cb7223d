"""The worker: a process that executes runs of one database, and how each of its runs starts and ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING
from uuid import uuid4

from agentos.db.contracts.workers import Assignment
from agentos.errors import (
    AgentOSError,
    ConfigurationError,
    DatabaseUnavailableError,
    NotFoundError,
    RunLostError,
)
from agentos.kinds import Kind
from agentos.run.records import Json, RunOutput
from agentos.runner.continuation import open_execution
from agentos.runner.durable.steps import RecordedSteps, recording
from agentos.runner.durable.work import Work
from agentos.runner.events.reader import LogReader
from agentos.runner.events.writer import LogWriter
from agentos.runner.execution.execution import Execution
from agentos.runner.execution.live_runs import LiveRun, LiveRuns
from agentos.runner.settings import Configured, RunSettings
from agentos.runner.worker.dead_runs import CrashLoopError, ProcessDiedError, end
from agentos.runner.worker.held_runs import HeldRun, HeldRuns, RunState
from agentos.tasks import patiently

if TYPE_CHECKING:  # importing it imports DBOS, which only durable runs need
    from agentos.db.base import Db
    from agentos.runner.durable.runtime import DurableRuntime

logger = logging.getLogger("agentos.runner")

MAX_TAKEOVERS = 3
"""How often a durable run may be taken over at one step: a step that kills its process would end them all."""
AGAIN_SECONDS = 1.0
"""Seconds to wait after the database was unavailable."""

Runnables = Mapping[tuple[Kind, str], Configured]


class Worker:
    """Starts and ends the runs of this process, with which `WorkerLoops` supplies it."""

    def __init__(
        self,
        db: Db,
        runnables: Runnables,
        live: LiveRuns,
        works: Sequence[Work] = (),
        *,
        report: Callable[[RunOutput], None] = lambda _: None,
    ) -> None:
        self.id = uuid4().hex
        self.db = db
        self.runnables = runnables
        self.works = works
        self.live = live
        self.log = LogWriter(db, worker_id=self.id, deadline=live.deadline)
        self.reader = LogReader(db)
        self._report = report
        self._held = HeldRuns()
        self._given: asyncio.Queue[str] = asyncio.Queue()
        self._runtime: DurableRuntime | None = None
        self._runtime_lock = asyncio.Lock()

    async def start(self, runnable: Configured, execution: Execution, *, log: bool) -> LiveRun | None:
        """Starts a run of this worker. None if the database became unavailable: it starts later."""
        if not execution.durable:
            return self._launch(runnable, execution, log=log)
        held = self._held.put(execution.run_id, RunState.BEGINNING)
        held.execution, held.launched = execution, asyncio.get_running_loop().create_future()
        try:
            await (await self.runtime()).start(execution.run_id, execution.segment)
            return await held.launched
        except DatabaseUnavailableError:
            run = execution.run
            self.give(
                Assignment(
                    run.run_id, run.kind, run.runnable_id, execution.segment, durable=execution.durable
                )
            )
            return None
        finally:
            self._held.drop(execution.run_id, held)

    async def runtime(self) -> DurableRuntime:
        """The runtime of durable runs and queued work, launched on first use."""
        async with self._runtime_lock:
            if self._runtime is None:
                from agentos.runner.durable.runtime import DurableRuntime

                self._runtime = await DurableRuntime.launch(
                    self.db.url, worker_id=self.id, execute=self.execute, works=self.works
                )
            return self._runtime

    async def close(self) -> None:
        """Hands durable runs over to other processes and waits until everything is written."""
        if self._runtime is not None:
            await self._runtime.close()
        await self.log.close()
        await self.reader.close()

    @property
    def load(self) -> int:
        """The number of runs that execute in this process or are about to."""
        return len(self.live) + self._held.count(RunState.GIVEN)

    @property
    def held(self) -> list[str]:
        """Ids of the runs that belong to this process."""
        ours = (RunState.GIVEN, RunState.BEGINNING, RunState.UNSETTLED)
        return [*self.live.run_ids, *(run_id for run_id, _ in self._held.among(*ours))]

    def give(self, assignment: Assignment, *, orphaned: bool = False) -> None:
        """Queues a run of this worker to be started or ended, or adopted if it is an orphan."""
        held = self._held.put(assignment.run_id, RunState.GIVEN)
        held.assignment, held.is_orphan = assignment, orphaned
        self._given.put_nowait(assignment.run_id)

    async def all_begun(self) -> None:
        """Returns once no given run is waiting."""
        await self._given.join()

    async def settle(self) -> None:
        """Stores outcomes that couldn't be stored before, unless another process has the run by now."""
        for run_id, held in self._held.among(RunState.UNSETTLED):
            assert held.execution is not None
            assert held.execution.settle is not None
            try:
                await held.execution.settle()
            except (RunLostError, NotFoundError) as error:
                logger.warning("Discarding the outcome of run %s: %s", run_id, error)
            except DatabaseUnavailableError:
                raise
            except Exception:  # others' outcomes, and other workers' runs, don't wait for it
                logger.exception("Discarding the outcome of run %s", run_id)
            self._held.drop(run_id, held)

    def cancel(self, run_id: str) -> None:
        """Cancels a run that executes here or is about to."""
        live = self.live.get(run_id)
        if live is not None:
            live.cancel()
        else:
            self._held.cancel(run_id)

    async def adopt(self, orphan: Assignment) -> None:
        """Continues a run whose process died, if it is durable; otherwise ends it."""
        died = ProcessDiedError("The process that executed this run died. Try again.")
        if not orphan.durable or (orphan.kind, orphan.runnable_id) not in self.runnables:
            await self._end(orphan, died)
            return
        logger.warning("Adopting run %s after its process died", orphan.run_id)
        try:
            runtime = await self.runtime()
        except ConfigurationError as error:
            logger.error("Can't continue run %s here: %s", orphan.run_id, error)
            await self._end(orphan, died)
            return
        if await runtime.resume(orphan.run_id, orphan.segment):
            return
        # Its process died before it had begun.
        given = await self.db.take_run(orphan.run_id, worker_id=self.id, segment=orphan.segment)
        if given is not None:
            await self.begin(given)

    async def enqueue(self, work: Work, entry_id: str, argument: Json, *, delay: float = 0) -> bool:
        """Queues an entry of one of `works`; see `DurableRuntime.enqueue`."""
        return await (await self.runtime()).enqueue(work, entry_id, argument, delay=delay)

    async def resume_work(self) -> None:
        """Queues entries of `works` again whose process died."""
        runtime = await self.runtime()
        dead = await self.db.gone_workers(sorted(await runtime.executors()))
        if dead and (count := await runtime.resume_work(dead)):
            logger.warning("Resuming %s queued entries after their process died", count)

    async def forget_ended(self) -> None:
        """Deletes the remains of ended workflows, if the durable runtime is running."""
        if self._runtime is not None:
            await self._runtime.forget_ended()

    async def begin_given(self) -> None:
        """Starts the runs passed to `give`, for as long as the server runs."""
        while True:
            run_id = await self._given.get()
            held = self._held.get(run_id, RunState.GIVEN)
            if held is None or held.assignment is None:
                self._given.task_done()
                continue
            try:
                await (self.adopt if held.is_orphan else self.begin)(held.assignment)
            except DatabaseUnavailableError:
                self._given.put_nowait(run_id)
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                self._held.drop(run_id, held)
            finally:
                self._given.task_done()

    async def execute(self, run_id: str, segment: int) -> None:
        """Executes a durable run that starts or resumes here; called by the runtime.

        RunLostError if the run was handed over, or taken over by another process.
        """
        held = self._held.get(run_id, RunState.BEGINNING)
        steps = recording.get()
        execution = held.execution if held else await self._taken(run_id, segment, len(steps.recorded))
        if execution is None:
            return
        runnable = self.runnables[execution.run.kind, execution.run.runnable_id]
        execution.context.steps = recorded = RecordedSteps(
            execution.context, max_state=self.db.max_state_bytes
        )
        execution.replay = recorded.replay
        live = self._launch(runnable, execution, log=True)
        if held is not None and held.launched is not None and not held.launched.done():
            held.launched.set_result(live)
        await asyncio.wait([live.task])
        if execution.is_handed_over:
            raise RunLostError("Another process executes the run now.")

    async def begin(self, given: Assignment) -> None:
        """Starts a run of this worker, or ends it if it can't be executed here."""
        runnable = self.runnables.get((given.kind, given.runnable_id))
        if runnable is None or given.cancelling:
            await self._end(given, NotFoundError(given.kind.capitalize(), given.runnable_id))
            return
        if given.takeovers > MAX_TAKEOVERS:
            await self._end(given, CrashLoopError(given.takeovers))
            return
        execution = await open_execution(self.db, runnable.settings, given.run_id, worker_id=self.id)
        if execution is not None:
            await self.start(runnable, execution, log=True)

    async def _end(self, given: Assignment, error: AgentOSError) -> None:
        """Ends the run with `error`, or as cancelled if that was requested."""
        settings = RunSettings(db=self.db)
        execution = await open_execution(self.db, settings, given.run_id, worker_id=self.id)
        if execution is None:
            return
        why = None if given.cancelling else error
        await end(execution, self.log, db=self.db, error=why, deadline=self.live.deadline)
        if isinstance(why, CrashLoopError):
            self._report(execution.run)
        self._ended(execution)

    async def _taken(self, run_id: str, segment: int, steps: int) -> Execution | None:
        """Takes over a run whose process died."""

        async def take() -> Execution | None:
            given = await self.db.take_run(run_id, worker_id=self.id, segment=segment, steps=steps)
            if given is None:
                return None
            runnable = self.runnables.get((given.kind, given.runnable_id))
            if runnable is None or given.cancelling is not None or given.takeovers > MAX_TAKEOVERS:
                await self.begin(given)
                return None
            return await open_execution(self.db, runnable.settings, given.run_id, worker_id=self.id)

        return await patiently(take, on=DatabaseUnavailableError, pauses=repeat(AGAIN_SECONDS))

    def _launch(self, runnable: Configured, execution: Execution, *, log: bool) -> LiveRun:
        held = self._held.put(execution.run_id, RunState.EXECUTING)
        live = self.live.launch(runnable, execution, log=self.log if log else None)
        live.task.add_done_callback(lambda _: self._ended(execution, held))
        if held.is_unwanted:
            live.cancel()
        return live

    def _ended(self, execution: Execution, held: HeldRun | None = None) -> None:
        """Drops a run that has ended here, or keeps its outcome if that couldn't be stored."""
        if execution.settle is not None:
            self._held.put(execution.run_id, RunState.UNSETTLED).execution = execution
        elif held is not None:
            self._held.drop(execution.run_id, held)
