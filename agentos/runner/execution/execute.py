"""Executes an accepted run until it finishes or pauses: exactly one final event, one stored outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from itertools import chain, repeat
from time import perf_counter
from typing import TYPE_CHECKING

from agentos.db.contracts.events import LoggedEvent
from agentos.db.contracts.runs import StateChange
from agentos.errors import DatabaseUnavailableError, NotFoundError, RunLostError, StateTooLargeError
from agentos.run.bounds import MAX_SIZE, size
from agentos.run.events import RunCompleted, RunEvent
from agentos.run.messages import Metrics
from agentos.run.records import Json
from agentos.run.runnable import Runnable
from agentos.runner.approvals import asked
from agentos.runner.events.buffer import Buffer
from agentos.runner.execution.child import STORE_PAUSES, ChildRuns
from agentos.runner.execution.drive import cancelled, drive, failed, logger
from agentos.runner.execution.execution import Execution
from agentos.runner.execution.steps import metered
from agentos.runner.execution.timeline import timed
from agentos.tasks import Deadline, patiently, to_the_end

if TYPE_CHECKING:
    from agentos.db.base import Db


async def execute(
    runnable: Runnable, execution: Execution, buffer: Buffer, *, db: Db | None, deadline: Deadline
) -> None:
    """Runs the runnable, records its events, stores the outcome, then shows the final event.

    An exception of the runnable ends the run as RunError and isn't raised. Cancellation ends it as
    RunCancelled and is raised again once the outcome is stored. A run that another process has, or will get,
    is left unchanged.
    """
    run, context, began = execution.run, execution.context, perf_counter()
    spent = (run.metrics.duration if run.metrics else None) or 0
    context.steps = timed(metered(context.steps, context.spending), run.steps)
    context.children = nested = ChildRuns(execution, buffer, db, deadline)
    outcome = Outcome(execution, buffer, db, deadline)
    interruption: asyncio.CancelledError | None = None
    try:
        final = await drive(runnable, context, buffer, nested)
    except asyncio.CancelledError as error:
        interruption, final = error, cancelled(run)
    except RunLostError as error:
        execution.is_handed_over, final = True, failed(run, error)
    except Exception as error:  # noqa: BLE001 - the run's boundary: without its log the run can't go on
        final = failed(run, error)
    seconds = perf_counter() - began
    run.metrics = (run.metrics or Metrics()).model_copy(update={"duration": spent + seconds})
    if isinstance(final, RunCompleted):
        final.metrics = run.metrics
    await to_the_end(outcome.store(final))
    if interruption is not None:
        raise interruption


class Outcome:
    """The outcome of a segment, and what the segment started with."""

    def __init__(self, execution: Execution, buffer: Buffer, db: Db | None, deadline: Deadline) -> None:
        self._execution = execution
        self._buffer = buffer
        self._db = db
        self._deadline = deadline
        self._before: Json = {} if db is None else deepcopy(execution.context.session_state)
        self._state: Json = {}
        """The state as it is stored, once the segment is over."""
        self._change = StateChange()
        execution.context.session_state.update(execution.context.request.state_claims)
        self._messages = len(execution.run.messages)
        self._earlier = execution.run.metrics

    async def store(self, final: RunEvent) -> None:
        """Stores the outcome with the last events of the log, then shows the final event."""
        execution, run = self._execution, self._execution.run
        if execution.is_handed_over:
            self._buffer.abandon()
            return
        try:
            try:
                self._take_state()
                await self._store(final)
            except (RunLostError, DatabaseUnavailableError, NotFoundError):
                raise
            except Exception as error:  # noqa: BLE001 - what storage never takes is the run's failure
                await self._store(self._reduced(error))
            execution.is_handed_over = False  # who wanted another process to have it came too late
        except RunLostError:
            logger.warning("Stopping run %s: another process has taken it over", run.run_id)
            execution.is_handed_over = True
            self._buffer.abandon()
            return
        except Exception as error:  # noqa: BLE001 - the run's boundary: an outcome that isn't stored is a failure
            self._buffer.end(failed(run, error))
            if isinstance(error, DatabaseUnavailableError):
                execution.settle = partial(self._finish, self._buffer.rest())
        self._buffer.show_all()

    async def _store(self, final: RunEvent) -> None:
        """Retries for some seconds while the database restarts, since a model's answer is expensive.

        A durable run waits until the database is back: its steps are stored there, so nothing else is lost.
        """
        run = self._execution.run
        run.session_state = self._state
        if isinstance(final, RunCompleted):
            final.session_state = run.session_state
        self._buffer.end(final)
        run.last_seq = self._buffer.last_seq
        endless = repeat(STORE_PAUSES[-1]) if self._execution.durable else ()
        attempts = 0

        async def attempt() -> None:
            nonlocal attempts
            attempts += 1
            if attempts > 1 and self._execution.is_handed_over:
                raise RunLostError("Another process is to have the run.")
            await self._finish(self._buffer.rest())

        try:
            async with self._deadline.limit():
                await patiently(attempt, on=DatabaseUnavailableError, pauses=chain(STORE_PAUSES, endless))
        except TimeoutError:
            raise DatabaseUnavailableError("The process ends, and Postgres doesn't answer.") from None

    def _take_state(self) -> None:
        """Fixes the state as JSON. StateTooLargeError if it grew beyond what the database takes."""
        self._state = self._execution.context.session_state
        if self._db is None:
            return
        most = self._db.max_state_bytes
        if size(self._before, most) > most:  # it was stored under another limit
            most = size(self._before, MAX_SIZE)
        if len(self._state) > max(StateTooLargeError.max_keys, len(self._before)):
            raise StateTooLargeError(self._db.max_state_bytes)
        if size(self._state, most) > most:
            raise StateTooLargeError(self._db.max_state_bytes)
        state, merged = self._execution.context.state.merged_since(self._before)
        if size(state, most) > most:
            raise StateTooLargeError(self._db.max_state_bytes)
        self._state, self._change = state, StateChange.between(self._before, state, merged)

    def _reduced(self, error: Exception) -> RunEvent:
        """Ends the run as ERROR without what can't be stored: its changes to the state, or all it did."""
        run, context = self._execution.run, self._execution.context
        context.session_state = self._state = deepcopy(self._before)
        self._change = StateChange()
        if not isinstance(error, StateTooLargeError):
            run.messages = run.messages[: self._messages]
            run.tools, run.reasoning_content, run.model_provider_data = [], None, None
            self._buffer.forget()
        return failed(run, error)

    async def _finish(self, lines: Sequence[LoggedEvent]) -> None:
        if self._db is None:
            return
        run, context = self._execution.run, self._execution.context
        if run.is_paused and (wanted := asked(run)):
            await self._db.create_approvals(wanted, owner=context.owner)
        merged = await self._db.finish_run(
            run,
            self._change,
            owner=context.owner,
            worker_id=self._execution.worker_id,
            earlier=self._earlier,
            replaces=context.request.replaces,
            events=lines,
        )
        self._state.update(merged)
