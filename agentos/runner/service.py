"""All runs of one server: starting, finding, following, cancelling and continuing them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from agentos.db.contracts.workers import Assignment
from agentos.errors import (
    ConflictError,
    DatabaseUnavailableError,
    NoDatabaseError,
    NotFoundError,
    NotStartedError,
)
from agentos.run.owner import ANYONE, Owner, may_see
from agentos.run.records import Json, RunOutput, RunStatus
from agentos.run.request import RunRequest
from agentos.runner.accept import Place, accept
from agentos.runner.branches import refuse_nested
from agentos.runner.continuation import Continuation, open_execution, reopen
from agentos.runner.durable.work import Work
from agentos.runner.events.reader import Batches
from agentos.runner.execution.live_runs import LiveRun, LiveRuns
from agentos.runner.settings import Configured
from agentos.runner.worker.loops import Capacity, WorkerLoops
from agentos.runner.worker.worker import Runnables, Worker

if TYPE_CHECKING:
    from agentos.db.base import Db

logger = logging.getLogger("agentos.runner")

CANCEL_SECONDS = 3.0
"""Seconds for which a cancellation waits to see how the run ends. Another process is heard of in 2."""

EventSource = Callable[[int], Batches]
"""Events after a `seq`, until the segment ends. Can be reopened where it was left."""


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was accepted or continued."""

    run: RunOutput
    source: EventSource
    live: LiveRun | None = None
    """None if the run is queued, executes elsewhere, or already existed."""
    after: int = 0
    """`seq` after which its current segment starts."""


class RunService:
    """The runs of a server's runnables. Its tasks live as long as `running`.

    `report` is called with each durable run that is ended because processes kept dying at it.
    """

    def __init__(
        self,
        runnables: Sequence[Configured],
        dbs: Sequence[Db],
        *,
        capacity: Capacity | None = None,
        durable: bool = False,
        works: Sequence[Work] = (),
        report: Callable[[RunOutput], None] = lambda _: None,
    ) -> None:
        self._works = works
        self._report = report
        self._capacity = capacity or Capacity()
        self._background_durable = durable
        self._runnables = runnables
        self._dbs = dbs
        self._renew()

    @asynccontextmanager
    async def running(self, *, grace: float) -> AsyncGenerator[None]:
        """Executes queued and orphaned runs while inside.

        On exit, or after `drain`, runs get `grace` seconds to finish; durable ones are handed to other
        processes at once. It may be entered again afterwards.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self._renew)
            self._is_running = True
            for loops in self._loops.values():
                await stack.enter_async_context(loops.running(durable=self._background_durable))
            stack.push_async_callback(self._close, grace)
            yield

    def _check_running(self) -> None:
        """NotStartedError unless inside `running`: nobody would claim runs, and others would adopt them."""
        if not self._is_running:
            if not self._is_reported:
                logger.error("%s", NotStartedError())
            self._is_reported = True
            raise NotStartedError

    def drain(self) -> None:
        """Prepares for shutdown: accepts no more runs, and hands durable runs to other processes."""
        self._drained_at = self._drained_at or monotonic()
        for loops in self._loops.values():
            loops.drain()
        self.live.hand_over()

    async def start(self, runnable: Configured, request: RunRequest) -> Started:
        """Accepts a run, and starts it unless it must wait. Raises the errors of `accept`."""
        worker = self._worker(runnable)
        if worker is None:
            if request.background:
                raise NoDatabaseError("A run in the background needs a database: give the runnable one.")
            live = self.live.launch(runnable, await accept(runnable, request), log=None)
            return Started(live.run, live.buffer.follow_batches, live)
        self._check_running()
        await self._loops[id(worker.db)].alive()
        queue = self._capacity
        place = Place(worker.id, queue.queued, queue.queued_per_user, self._background_durable)
        execution = await accept(runnable, request, place=place)
        if not execution.is_new:
            run = await self.find(runnable, execution.run_id, session_id=None, owner=request.owner)
            return Started(run, self.source_of(runnable, run), self.live.get(run.run_id))
        live = None
        if execution.run.status is RunStatus.RUNNING:
            live = await worker.start(runnable, execution, log=request.stream or execution.durable)
        return Started(execution.run, self.source_of(runnable, execution.run), live)

    async def enqueue(self, work: Work, entry_id: str, argument: Json, *, delay: float = 0) -> bool:
        """Has one of `works` done here or by another process, in `delay` seconds; see `DurableRuntime`."""
        return await self._workers[id(work.db)].enqueue(work, entry_id, argument, delay=delay)

    async def find(
        self, runnable: Configured, run_id: str, *, session_id: str | None, owner: Owner
    ) -> RunOutput:
        """A run of this runnable, live or stored. The same ownership check applies to both."""
        here = self.live.get(run_id)
        if here is not None:
            run = here.run if may_see(owner, here.run.user_id) else None
        else:
            db = runnable.settings.db
            run = None if db is None else await db.get_run(run_id, owner=owner, session_id=session_id)
        if (
            run is None
            or (run.kind, run.runnable_id) != (runnable.kind, runnable.id)
            or (session_id is not None and run.session_id != session_id)
        ):
            raise NotFoundError("Run")
        if here is not None and run.status is not RunStatus.RUNNING:
            await here.finished()  # it says how it ended, but that is yet to be stored
        return run

    def source_of(self, runnable: Configured, run: RunOutput) -> EventSource:
        """The source of a run's events: this process's memory, or the log."""
        return lambda after: self._batches(self._worker(runnable), run, after)

    async def finished(self, runnable: Configured, started: Started) -> RunOutput:
        """Waits until the run finishes or pauses, in any process. Cancelling the wait doesn't end it."""
        if started.live is not None:
            run = await started.live.finished()
            if not started.live.execution.is_handed_over:
                return run
        after = started.after
        async for batch in started.source(after):
            after = batch[-1].seq
        db, run = runnable.settings.db, started.run
        stored = None if db is None else await db.get_run(run.run_id, owner=_owner_of(run))
        if stored is None:
            raise NotFoundError("Run")
        return stored

    async def cancel(
        self, runnable: Configured, run_id: str, *, session_id: str | None, owner: Owner
    ) -> None:
        """Cancels a pending or executing run, in any process.

        Waits for its end at most `CANCEL_SECONDS`: a tool may take longer. ConflictError if it has finished,
        or finishes before it could be cancelled, or is a nested run.
        """
        run = await self.find(runnable, run_id, session_id=session_id, owner=owner)
        refuse_nested(run)
        worker, here = self._worker(runnable), self.live.get(run_id)
        if worker is None:
            if here is None:
                raise NotFoundError("Run")
            here.cancel()
            await self._check_cancelled(runnable, Started(run, here.buffer.follow_batches, here))
            return
        self._check_running()
        after = 0 if here is not None else await worker.db.last_seq(run_id, owner=owner)
        status = await worker.db.cancel_run(run_id, worker_id=worker.id, owner=owner)
        if status is None:
            raise NotFoundError("Run")
        if status.is_final:
            raise ConflictError(f"The run is {status.value} already.")
        if status is RunStatus.RUNNING:
            worker.cancel(run_id)
            started = Started(run, self.source_of(runnable, run), here, after=after)
            await self._check_cancelled(runnable, started)
        else:
            ending = Assignment(run_id, run.kind, run.runnable_id, 0, durable=False, cancelling="cancel")
            try:
                await worker.begin(ending)
            except DatabaseUnavailableError:
                worker.give(ending)

    async def _check_cancelled(self, runnable: Configured, cancelled: Started) -> None:
        """ConflictError if the run ends otherwise, soon."""
        with suppress(TimeoutError, NotFoundError, DatabaseUnavailableError):
            async with asyncio.timeout(CANCEL_SECONDS):
                run = await self.finished(runnable, cancelled)
            if run.status.is_final and run.status is not RunStatus.CANCELLED:
                raise ConflictError(f"The run is {run.status.value} already.")

    async def proceed(
        self,
        runnable: Configured,
        run: RunOutput,
        continuation: Continuation,
        *,
        owner: Owner,
    ) -> Started:
        """Continues a paused run that `find` returned; ConflictError if it isn't paused any more.

        It acts for its own user, even if an admin continues it. ApprovalPendingError while an approver's
        decision is missing: a client's decision doesn't replace it.
        """
        refuse_nested(run)
        worker = self._worker(runnable)
        if worker is None or not run.is_paused:
            raise ConflictError(f"The run is {run.status.value}, not PAUSED.")
        self._check_running()
        await self._loops[id(worker.db)].alive()
        # Read first: once the run is continued, any process may add to its log.
        after = max(await worker.db.last_seq(run.run_id, owner=owner), run.last_seq or 0)
        worker_id = None if continuation.background else worker.id
        execution = None
        try:
            await reopen(worker.db, run, continuation, owner=owner, worker_id=worker_id)
            if worker_id:
                execution = await open_execution(
                    worker.db, runnable.settings, run.run_id, worker_id=worker_id
                )
        except DatabaseUnavailableError:
            # Perhaps it is this worker's already; if not, nothing comes of it.
            worker.give(Assignment(run.run_id, run.kind, run.runnable_id, 0, durable=False))
            raise
        live = None
        if execution is not None:
            live = await worker.start(runnable, execution, log=True)
        waiting = run.model_copy(update={"status": RunStatus.PENDING})
        return Started(live.run if live else waiting, self.source_of(runnable, waiting), live, after=after)

    def _renew(self) -> None:
        """Creates new workers, since a worker that has left the database can't return."""
        self._is_running = self._is_reported = False
        self.live = LiveRuns()
        self._drained_at: float | None = None
        self._workers: dict[int, Worker] = {}
        self._loops: dict[int, WorkerLoops] = {}
        for db in self._dbs:
            own: Runnables = {
                (each.kind, each.id): each for each in self._runnables if each.settings.db is db
            }
            works = [work for work in self._works if work.db is db]
            worker = self._workers[id(db)] = Worker(db, own, self.live, works, report=self._report)
            self._loops[id(db)] = WorkerLoops(worker, self._capacity)

    async def _close(self, grace: float) -> None:
        self.drain()
        assert self._drained_at is not None
        end = self._drained_at + grace
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, end - monotonic())):
                for key, worker in self._workers.items():  # what was taken is nobody else's
                    await self._loops[key].all_taken()
                    await worker.all_begun()
        await self.live.close(max(0.0, end - monotonic()))

    def _worker(self, runnable: Configured) -> Worker | None:
        db = runnable.settings.db
        return None if db is None else self._workers[id(db)]

    async def _batches(self, worker: Worker | None, run: RunOutput, after: int) -> Batches:
        here = self.live.get(run.run_id)
        if here is not None and after >= here.buffer.before:
            async with aclosing(here.buffer.follow_batches(after)) as live:
                async for batch in live:
                    yield batch
                    after = batch[-1].seq
            if worker is None or not here.execution.is_handed_over:
                return
            run = run.model_copy(update={"status": RunStatus.RUNNING})
        if worker is None:
            return
        follow = worker.reader.follow if run.root_run_id is None else worker.reader.follow_nested
        async with aclosing(follow(run, after)) as logged:
            async for batch in logged:
                yield batch


def _owner_of(run: RunOutput) -> Owner:
    return ANYONE if run.user_id is None else run.user_id
