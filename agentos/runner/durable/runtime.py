"""Durable runs, whose steps DBOS records so that another process can continue them, and queued `Work`.

Finished workflows are deleted at once, so the schema `dbos` holds only live runs and entries. Importing this
module imports DBOS, which is slow: import it only where durable runs or works are served.
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
"""How long segments may take to stop when they are cancelled for a hand-over."""
_GRANT = (
    "Durable runs keep their steps in the schema 'dbos', which the role of db_url may not make or use: "
    "GRANT CREATE ON DATABASE to it, or make it the owner of that schema."
)

logger = logging.getLogger(__name__)


class DurableRuntime:
    """DBOS as one worker uses it: executes segments of runs, records their steps, and executes `works`.

    `execute(run_id, segment)` is called in the loop that launched the runtime, in its own task. When it
    returns, the segment is finished and deleted. If it raises, CancelledError included, the segment is kept
    and can be resumed by any process; errors other than RunLostError are logged.
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
        """Starts DBOS, or joins the process's instance if that uses the same database.

        ConfigurationError if that uses another database, if it runs already and there are `works`, or if the
        role may not create the schema. DatabaseUnavailableError.
        """
        parsed = parse_url(url)
        runtime = cls(execute)
        queues = [
            WorkQueue(each.queue, partial(runtime._execute_entry, each), each.per_process) for each in works
        ]
        runtime._host = await asyncio.to_thread(Host.enter, url, worker_id, queues)
        async with AsyncExitStack() as unless_started:
            unless_started.push_async_callback(runtime.close)
            with answering(parsed), permitted(_GRANT):
                await asyncio.wrap_future(runtime._host.started)
            unless_started.pop_all()
        return runtime

    async def start(self, run_id: str, segment: int) -> None:
        """Starts a segment here; returns once DBOS has recorded it. ConflictError if it had before."""
        await self._host.call(partial(self._host.start, self.execute_segment, run_id, segment))

    async def resume(self, run_id: str, segment: int) -> bool:
        """Resumes a segment here, within about two seconds, whose process died or left it.

        A process that still executes it can record no more steps: RunLostError there. False if DBOS doesn't
        know the segment: call `start` instead.
        """
        return await self._host.call(partial(self._host.resume, self.execute_segment, run_id, segment))

    async def enqueue(self, work: Work, entry_id: str, argument: Json, *, delay: float = 0) -> bool:
        """Queues an entry, to be executed after `delay` seconds; polling adds up to three.

        False if an entry with that id is queued or executes already; finished entries are deleted.
        """
        return await self._host.call(partial(self._host.enqueue, work.queue, entry_id, argument, delay))

    async def executors(self) -> set[str]:
        """Ids of the workers that execute entries of our queues, dead ones included."""
        return await self._host.call(self._host.executors)

    async def resume_work(self, executors: Sequence[str]) -> int:
        """Queues the entries that these workers were executing again, and returns their number.

        If such a worker is still alive, it can't finish them any more.
        """
        return await self._host.call(partial(self._host.resume_work, executors))

    async def forget_ended(self) -> None:
        """Deletes workflows that ended an hour ago or more, whose process died before deleting them."""
        while await self._host.call(self._host.forget_ended) == ENDED_MOST:
            pass

    async def close(self) -> None:
        """Cancels what still executes, which can be resumed, and releases threads and connections."""
        if self._is_closed:
            return
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CANCEL_SECONDS)
        await asyncio.to_thread(self._host.leave)

    def execute_segment(self, run_id: str, segment: int, recorded: Mapping[str, StepRecord]) -> Future[bool]:
        """Executes the segment in the caller's context. The future says whether it is finished."""

        async def execute() -> None:
            recording.set(Recorder(self._host.writers, recorded))
            await self._execute(run_id, segment)

        def is_over(task: asyncio.Task[None]) -> bool:
            error = None if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, RunLostError):
                logger.error("Run %s stopped here, and can be resumed", run_id, exc_info=error)
            return not task.cancelled() and error is None

        return self._begin(execute, is_over, name=f"run {run_id}", context=copy_context())

    def _execute_entry(self, work: Work, argument: Json) -> Future[bool]:
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
        """Executes it in the server's loop. Called in DBOS's loop."""
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
        except RuntimeError:  # the loop was closed before the runtime was
            over.set_result(False)
        return over
