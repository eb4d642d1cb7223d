"""Records steps with DBOS, in threads, since its calls block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from dbos import DBOS
from dbos import error as dbos_errors

from agentos.errors import AgentOSError, RunLostError
from agentos.run.records import Json
from agentos.runner.durable.steps import StepRecord
from agentos.tasks import to_the_end

T = TypeVar("T")

WRITERS = 4
"""Steps that a process records concurrently."""

_LOST = (
    dbos_errors.DBOSWorkflowConflictIDError,
    dbos_errors.DBOSUnexpectedStepError,
    dbos_errors.DBOSStepNondeterminismError,
)
"""DBOS's errors if another execution has the workflow, or recorded something else for the step."""
_ELSEWHERE = "Another process executes the run now."


class Recorder:
    """`steps.Recorder` of one workflow. Used in the context of that workflow."""

    def __init__(self, writers: Writers, recorded: Mapping[str, StepRecord]) -> None:
        self.recorded = recorded
        self._writers = writers

    async def record(self, name: str, record: StepRecord) -> None:
        """See `steps.Recorder`. CancelledError if the process ends before the record is written."""
        step, plain = DBOS.reserve_step(), record.plain()
        # DBOS finds its workflow in the context. It is copied, since two threads can't enter the same one.
        context = copy_context()

        def write() -> Json:
            return step.run({"name": name}, lambda: plain)

        try:
            kept = await to_the_end(_awaited(self._writers.submit(lambda: context.run(write))))
        except (*_LOST, AssertionError):  # AssertionError: finished elsewhere, and deleted
            raise RunLostError(_ELSEWHERE) from None
        except dbos_errors.DBOSWorkflowCancelledError:
            raise AgentOSError("The run's workflow was cancelled in DBOS.") from None
        if kept is not plain:
            raise RunLostError(_ELSEWHERE)


class Writers:
    """Threads that record steps.

    DBOS retries without limit while the database is unavailable. Daemon threads don't keep the process from
    exiting then; those of an executor would.
    """

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._unwritten: set[Future[Any]] = set()
        for _ in range(WRITERS):
            Thread(target=self._write, name="agentos-durable-writer", daemon=True).start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Runs `work` in a thread. The future is cancelled if it isn't done when `close` is called."""
        written: Future[T] = Future()
        self._unwritten.add(written)
        written.add_done_callback(self._unwritten.discard)

        def write() -> None:
            with suppress(InvalidStateError):  # it was cancelled
                try:
                    written.set_result(work())
                except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                    written.set_exception(error)

        self._waiting.put(write)
        return written

    def close(self) -> None:
        """Cancels what isn't written yet, and ends each thread after its current work."""
        for _ in range(WRITERS):
            self._waiting.put(None)
        for written in list(self._unwritten):
            written.cancel()

    def _write(self) -> None:
        while write := self._waiting.get():
            write()


async def _awaited(work: Future[T]) -> T:
    return await asyncio.wrap_future(work)
