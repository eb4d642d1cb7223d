"""All runs of one server: start, find, follow, cancel, continue, whoever asks and wherever they execute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic

from agentos.db.base import Db, LoggedEvent
from agentos.db.contracts.workers import Assignment
from agentos.errors import ConflictError, DatabaseUnavailableError, InvalidInputError, NotFoundError
from agentos.run.owner import ANYONE, Owner, may_see
from agentos.run.records import RunOutput, RunStatus
from agentos.runner.accept import Place, RunArguments, accept, stored_arguments
from agentos.runner.execution.live_runs import LiveRun, LiveRuns
from agentos.runner.resume import open_job, reopen
from agentos.runner.settings import Configured
from agentos.runner.worker.loops import Capacity, Tending
from agentos.runner.worker.worker import Executor, Runnables

Batches = AsyncGenerator[list[LoggedEvent]]
Source = Callable[[int], Batches]
"""Events after a `seq`, until nothing follows; may be opened again where it was left."""


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was accepted, or continued."""

    run: RunOutput
    source: Source
    live: LiveRun | None = None
    """None: it waits, executes elsewhere, or was there before."""
    after: int = 0
    """The `seq` behind which its present segment begins."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a caller says to a run that waits for a person."""

    answers: Sequence[object]
    """The run's tools with decisions, values or results filled in."""
    stream: bool = True
    background: bool = False
    dependencies: Mapping[str, object] | None = None
    """In place of those that the run was started with."""
    asked_by: str | None = None
    """Who says it; they can't approve of the calls that come of it."""


class Runs:
    """The runs of a server's runnables. Its tasks live as long as `running`."""

    def __init__(
        self,
        runnables: Sequence[Configured],
        dbs: Sequence[Db],
        *,
        capacity: Capacity | None = None,
        durable: bool = False,
    ) -> None:
        self.live = LiveRuns()
        self._capacity = capacity or Capacity()
        self._background_durable = durable
        self._runnables = runnables
        self._dbs = dbs
        self._renew()

    @asynccontextmanager
    async def running(self, *, grace: float) -> AsyncGenerator[None]:
        """Takes part in executing what is queued and orphaned.

        Once left, or drained, runs get `grace` seconds to end; durable ones go to other processes at once.
        It may be entered again then.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self._renew)
            for tending in self._tending.values():
                await stack.enter_async_context(tending.running(durable=self._background_durable))
            stack.push_async_callback(self._close, grace)
            yield

    def drain(self) -> None:
        """The process is to end: takes nothing more on, and leaves durable runs to other processes."""
        self._drained_at = self._drained_at or monotonic()
        for tending in self._tending.values():
            tending.drain()
        self.live.hand_over()

    async def start(self, runnable: Configured, arguments: RunArguments, *, owner: Owner) -> Started:
        """Accepts a run, and starts it unless it has to wait; raises what `accept` raises."""
        executor = self._executor(runnable)
        if executor is None:
            if arguments.background:
                raise InvalidInputError(
                    "A run in the background needs a database: give the runnable one.", field="background"
                )
            live = self.live.launch(runnable, await accept(runnable, arguments, owner=owner), log=None)
            return Started(live.run, live.journal.follow_batches, live)
        await self._tending[id(executor.db)].alive()
        queue = self._capacity
        place = Place(executor.id, queue.queued, queue.queued_per_user, self._background_durable)
        job = await accept(runnable, arguments, owner=owner, place=place)
        if not job.is_new:
            run = await self.find(runnable, job.run_id, session_id=None, owner=owner)
            return Started(run, self.source_of(runnable, run), self.live.get(run.run_id))
        live = None
        if job.run.status is RunStatus.RUNNING:
            live = await executor.start(runnable, job, log=arguments.stream or job.durable)
        return Started(job.run, self.source_of(runnable, job.run), live)

    async def find(
        self, runnable: Configured, run_id: str, *, session_id: str | None, owner: Owner
    ) -> RunOutput:
        """A run of this runnable, executing here or stored; a live one is as private as a stored one."""
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

    def source_of(self, runnable: Configured, run: RunOutput) -> Source:
        """Where the events of a run that `find` found come from: this process's memory, or the log."""
        return lambda after: self._batches(self._executor(runnable), run, after)

    async def finished(self, runnable: Configured, started: Started) -> RunOutput:
        """The run once it has ended or paused, wherever. Giving up waiting doesn't end it."""
        if started.live is not None:
            run = await started.live.finished()
            if not started.live.job.is_handed_over:
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
        """Ends a run that waits or executes, on whichever process; ConflictError if it is over."""
        run = await self.find(runnable, run_id, session_id=session_id, owner=owner)
        executor, here = self._executor(runnable), self.live.get(run_id)
        if executor is None:
            if here is None:
                raise NotFoundError("Run")
            here.cancel()
            return
        status = await executor.db.cancel_run(run_id, executor_id=executor.id, owner=owner)
        if status is None:
            raise NotFoundError("Run")
        if status.is_final:
            raise ConflictError(f"The run is {status.value} already.")
        if status is RunStatus.RUNNING:
            executor.cancel(run_id)
        else:
            ending = Assignment(run_id, run.kind, run.runnable_id, 0, durable=False, cancelling="cancel")
            try:
                await executor.begin(ending)
            except DatabaseUnavailableError:
                executor.give(ending)

    async def proceed(
        self,
        runnable: Configured,
        run: RunOutput,
        continuation: Continuation,
        *,
        owner: Owner,
    ) -> Started:
        """Continues a paused run that `find` found; ConflictError if it isn't paused (any more).

        It goes on as its user's, also where somebody continues it who may touch everybody's rows.
        ApprovalPendingError while an approver's word is missing: what a client says doesn't replace it.
        """
        executor = self._executor(runnable)
        if executor is None or not run.is_paused:
            raise ConflictError(f"The run is {run.status.value}, not PAUSED.")
        await self._tending[id(executor.db)].alive()
        # Read first: once the run is continued, any process may add to its log.
        after = await executor.db.last_seq(run.run_id, owner=owner)
        arguments = stored_arguments(
            owner=_owner_of(run),
            stream=continuation.stream,
            dependencies=continuation.dependencies or {},
            continued_by=continuation.asked_by,
        )
        executor_id = None if continuation.background else executor.id
        answers = continuation.answers
        job = None
        try:
            await reopen(executor.db, run, answers, owner=owner, executor_id=executor_id, arguments=arguments)
            if executor_id:
                job = await open_job(executor.db, runnable.settings, run.run_id, executor_id=executor_id)
        except DatabaseUnavailableError:
            # Perhaps it is this executor's already; if not, nothing comes of it.
            executor.give(Assignment(run.run_id, run.kind, run.runnable_id, 0, durable=False))
            raise
        live = None if job is None else await executor.start(runnable, job, log=True)
        waiting = run.model_copy(update={"status": RunStatus.PENDING})
        return Started(live.run if live else waiting, self.source_of(runnable, waiting), live, after=after)

    def _renew(self) -> None:
        """Becomes as new: what has ended its life as an executor is nobody's executor any more."""
        self._drained_at: float | None = None
        self._executors: dict[int, Executor] = {}
        self._tending: dict[int, Tending] = {}
        for db in self._dbs:
            own: Runnables = {
                (each.kind, each.id): each for each in self._runnables if each.settings.db is db
            }
            executor = self._executors[id(db)] = Executor(db, own, self.live)
            self._tending[id(db)] = Tending(executor, self._capacity)

    async def _close(self, grace: float) -> None:
        self.drain()
        assert self._drained_at is not None
        end = self._drained_at + grace
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, end - monotonic())):
                for executor in self._executors.values():  # what was claimed is nobody else's
                    await executor.all_begun()
        await self.live.close(max(0.0, end - monotonic()))

    def _executor(self, runnable: Configured) -> Executor | None:
        db = runnable.settings.db
        return None if db is None else self._executors[id(db)]

    async def _batches(self, executor: Executor | None, run: RunOutput, after: int) -> Batches:
        here = self.live.get(run.run_id)
        if here is not None and after >= here.journal.before:
            async with aclosing(here.journal.follow_batches(after)) as live:
                async for batch in live:
                    yield batch
                    after = batch[-1].seq
            if executor is None or not here.job.is_handed_over:
                return
            run = run.model_copy(update={"status": RunStatus.RUNNING})
        if executor is not None:
            async with aclosing(executor.tails.follow(run, after)) as logged:
                async for batch in logged:
                    yield batch


def _owner_of(run: RunOutput) -> Owner:
    return ANYONE if run.user_id is None else run.user_id
