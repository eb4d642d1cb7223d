"""Durable runs: segments that DBOS keeps the steps of, so that another process can go on with them.

Beside them `Work`, entries of queues. What is finished is forgotten: only live runs and entries are in the
schema `dbos`. Importing this module imports DBOS,
which takes a moment: import it where durable runs are served.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from agentos.db.connection.errors import answering, permitted
from agentos.db.connection.url import parse_url
from agentos.errors import RunLostError
from agentos.run.records import Json
from agentos.runner.durable.host import ENDED_MOST, Host, WorkQueue
from agentos.runner.durable.recorder import Recorder
from agentos.runner.durable.steps import StepRecord, recording
from agentos.runner.durable.work import Work

CANCEL_SECONDS = 5.0
"""How long segments that are cancelled for a hand-over may take to give up."""
_MEND = (
    "Durable runs keep their steps in the schema 'dbos', which the role of db_url may not make or use: "
    "GRANT CREATE ON DATABASE to it, or make it the owner of that schema."
)

logger = logging.getLogger(__name__)


class DurableRuntime:
    """DBOS in this process, for one user of it: executes segments of runs and keeps their steps, and `works`.

    `execute(run_id, segment)` is called in the loop that launched the runtime, in a task of its own. Once it
    returns the segment is over and forgotten. Whatever it raises, CancelledError too, leaves the segment as
    it is, to be resumed here or elsewhere; errors other than RunLostError are logged.
    """

    def __init__(self, execute: Callable[[str, int], Awaitable[None]]) -> None:
        self._execute = execute
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._host: Host

    @classmethod
    async def launch(
        cls,
        url: str,
        *,
        worker_id: str,
        execute: Callable[[str, int], Awaitable[None]],
        works: Sequence[Work] = (),
    ) -> DurableRuntime:
        """Starts DBOS, or joins it where the process has it already for the same database.

        ConfigurationError if it has it for another one, or may not make the schema, or has it already and
        there are `works`; DatabaseUnavailableError.
        """
        parsed = parse_url(url)
        runtime = cls(execute)
        queues = [WorkQueue(each.queue, partial(runtime._enter, each), each.per_process) for each in works]
        runtime._host = await asyncio.to_thread(Host.enter, url, worker_id, queues)
        async with AsyncExitStack() as unless_started:
            unless_started.push_async_callback(runtime.close)
            with answering(parsed), permitted(_MEND):
                await asyncio.wrap_future(runtime._host.started)
            unless_started.pop_all()
        return runtime

    async def start(self, run_id: str, segment: int) -> None:
        """Begins a segment here; returns once DBOS knows it. ConflictError if it knew it before."""
        await self._host.call(partial(self._host.start, self.enter, run_id, segment))

    async def resume(self, run_id: str, segment: int) -> bool:
        """Takes up, here and within some two seconds, a segment whose process died or left it.

        Whoever still executes it can record nothing more: RunLostError there. False if DBOS has nothing of
        it, so that `start` is the way.
        """
        return await self._host.call(partial(self._host.resume, self.enter, run_id, segment))

    async def enqueue(self, work: Work, entry_id: str, argument: Json, *, delay: float = 0) -> bool:
        """Puts an entry into a queue, to be executed in `delay` seconds, up to three more, or later.

        False if an entry with that id waits or executes already; what has ended is forgotten.
        """
        return await self._host.call(partial(self._host.enqueue, work.queue, entry_id, argument, delay))

    async def executors(self) -> set[str]:
        """The ids of the workers that execute entries of our queues, or did until they died."""
        return await self._host.call(self._host.executors)

    async def resume_work(self, executors: Sequence[str]) -> int:
        """Has what these workers were executing executed again, by any process; how many entries.

        Such a worker that still lives can end none of them any more.
        """
        return await self._host.call(partial(self._host.resume_work, executors))

    async def forget_ended(self) -> None:
        """Deletes what ended an hour ago or more; a process that ended it died before it could."""
        while await self._host.call(self._host.forget_ended) == ENDED_MOST:
            pass

    async def close(self) -> None:
        """Cancels what still executes, which stays to be resumed, and gives back threads and connections."""
        if self._is_closed:
            return
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CANCEL_SECONDS)
        await asyncio.to_thread(self._host.leave)

    def enter(self, run_id: str, segment: int, recorded: Mapping[str, StepRecord]) -> Future[bool]:
        """Has the segment executed, in the caller's context, and says in the end whether it is over."""

        async def execute() -> None:
            recording.set(Recorder(self._host.writers, recorded))
            await self._execute(run_id, segment)

        def is_over(task: asyncio.Task[None]) -> bool:
            error = None if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, RunLostError):
                logger.error("Run %s stopped here, and can be resumed", run_id, exc_info=error)
            return not task.cancelled() and error is None

        return self._begin(execute, is_over, name=f"run {run_id}", context=copy_context())

    def _enter(self, work: Work, argument: Json) -> Future[bool]:
        async def execute() -> None:
            await work.execute(argument)

        def is_over(task: asyncio.Task[None]) -> bool:
            if task.cancelled():
                return not self._is_closed
            if error := task.exception():
                logger.error("An entry of the queue %r failed", work.name, exc_info=error)
            return True

        return self._begin(execute, is_over, name=work.name, context=Context())

    def _begin(
        self,
        execute: Callable[[], Coroutine[Any, Any, None]],
        is_over: Callable[[asyncio.Task[None]], bool],
        *,
        name: str,
        context: Context,
    ) -> Future[bool]:
        """Executes it in the server's loop; called in DBOS's."""
        over: Future[bool] = Future()

        def begin() -> None:
            if self._is_closed:
                over.set_result(False)
                return
            task = self._loop.create_task(execute(), name=name)
            self._tasks.add(task)
            task.add_done_callback(end)

        def end(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            over.set_result(is_over(task))

        try:
            self._loop.call_soon_threadsafe(begin, context=context)
        except RuntimeError:  # the loop is gone, and whoever ran it hasn't closed the runtime
            over.set_result(False)
        return over
