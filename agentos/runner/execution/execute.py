"""Execute an accepted run until it ends or pauses: exactly one final event, one stored outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from copy import deepcopy
from functools import partial
from itertools import chain, repeat
from time import perf_counter
from typing import Any
from uuid import uuid4

from agentos.db.base import Db, LoggedEvent, StateChange
from agentos.errors import AgentOSError, DatabaseUnavailableError, RunLostError
from agentos.run.events import Origin, RunCancelled, RunCompleted, RunError, RunEvent, RunPaused
from agentos.run.messages import Metrics
from agentos.run.records import RunOutput, RunStatus
from agentos.run.runnable import Runnable
from agentos.runner.approvals import asked
from agentos.runner.events.buffer import Journal
from agentos.runner.execution.execution import Job

logger = logging.getLogger("agentos.runner")

STORE_PAUSES = (0.2, 1.0, 3.0)
"""Seconds between the tries to store an outcome."""
_INTERNAL = "The run failed inside the server. The server's log has the reason under this error_id."


async def execute(runnable: Runnable, job: Job, journal: Journal, *, db: Db | None) -> None:
    """Drives the runnable, records its events, stores the outcome, then shows the final event.

    An exception of the runnable ends the run as RunError and goes no further; cancellation ends it as
    RunCancelled and is raised again once the outcome is stored. A run that another process has now, or is to
    have, is left as it is.
    """
    run, began = job.run, perf_counter()
    spent = (run.metrics.duration if run.metrics else None) or 0
    outcome = Outcome(job, journal, db)
    interruption: asyncio.CancelledError | None = None
    final: RunEvent | None = None
    try:
        async with aclosing(runnable.events(job.context)) as events:
            async for event in events:
                journal.record(event)
    except asyncio.CancelledError as error:
        interruption = error
        final = cancelled(run)
    except RunLostError:
        job.is_handed_over = True
    except Exception as error:  # noqa: BLE001 - the run's boundary: whatever it was, the run ends as RunError
        final = failed(run, error)
    seconds = perf_counter() - began
    run.metrics = (run.metrics or Metrics()).model_copy(update={"duration": spent + seconds})
    await _shielded(outcome.store(final or _ended(run)))
    if interruption is not None:
        raise interruption


class Outcome:
    """What a segment leaves behind, and what it began with."""

    def __init__(self, job: Job, journal: Journal, db: Db | None) -> None:
        self._job = job
        self._journal = journal
        self._db = db
        self._before = deepcopy(job.context.session_state)
        self._earlier = job.run.metrics

    async def store(self, final: RunEvent) -> None:
        """Stores it with the last lines of the log, then shows the final event."""
        if self._job.is_handed_over:
            self._journal.abandon()
            return
        run = self._job.run
        run.session_state = self._job.context.session_state
        if isinstance(final, RunCompleted):
            final.session_state = run.session_state
        try:
            await self._store(final)
            self._job.is_handed_over = False  # who wanted another process to have it came too late
        except RunLostError:
            logger.warning("Run %s was taken over by another process", run.run_id)
            self._job.is_handed_over = True
            self._journal.abandon()
            return
        except Exception as error:  # noqa: BLE001 - the run's boundary: an outcome that isn't stored is a failure
            self._journal.end(failed(run, error))
            if isinstance(error, DatabaseUnavailableError):
                self._job.settle = partial(self._finish, self._journal.rest())
        self._journal.show_all()

    async def _store(self, final: RunEvent) -> None:
        """A model's answer is dear: a database that is restarting gets some seconds to come back.

        A durable run waits until it is back, for its steps are there, and nothing else of it is lost.
        """
        self._journal.end(final)
        for pause in chain(STORE_PAUSES, repeat(STORE_PAUSES[-1]) if self._job.durable else ()):
            try:
                return await self._finish(self._journal.rest())
            except DatabaseUnavailableError:
                await asyncio.sleep(pause)
            if self._job.is_handed_over:
                raise RunLostError("Another process is to have the run.")
        return await self._finish(self._journal.rest())

    async def _finish(self, lines: Sequence[LoggedEvent]) -> None:
        if self._db is None:
            return
        run, owner = self._job.run, self._job.context.owner
        if run.is_paused and (wanted := asked(run)):
            await self._db.create_approvals(wanted, owner=owner)
        await self._db.finish_run(
            run,
            StateChange.between(self._before, self._job.context.session_state),
            owner=owner,
            executor_id=self._job.executor_id,
            earlier=self._earlier,
            replaces=self._job.replaces,
            events=lines,
        )


def origin_of(run: RunOutput) -> Origin:
    """What the journal stamps on the run's own events."""
    return Origin(
        kind=run.kind,
        id=run.runnable_id,
        name=run.runnable_name,
        run_id=run.run_id,
        session_id=run.session_id,
        parent_run_id=run.parent_run_id,
    )


def failed(run: RunOutput, error: Exception) -> RunError:
    """Ends the run as ERROR. The text of a foreign exception goes to the server's log only."""
    error_id = uuid4().hex
    if isinstance(error, AgentOSError):
        logger.warning("Run %s failed (%s): %s, error_id %s", run.run_id, error.code, error, error_id)
        text, code = str(error), error.code
    else:
        logger.error("Run %s failed, error_id %s", run.run_id, error_id, exc_info=error)
        text, code = _INTERNAL, "internal_error"
    run.status, run.content, run.content_type, run.error_type = RunStatus.ERROR, text, "str", code
    return RunError(content=text, error_type=code, error_id=error_id)


def cancelled(run: RunOutput) -> RunCancelled:
    """Ends the run as CANCELLED, with what it has said so far."""
    run.status = RunStatus.CANCELLED
    return RunCancelled(content=run.content)


def _ended(run: RunOutput) -> RunEvent:
    """The runnable has returned: it is done, or calls wait for a person."""
    if requirements := run.requirements:
        run.status = RunStatus.PAUSED
        tools = [each.tool_execution for each in requirements]
        return RunPaused(content=run.content, tools=tools, requirements=requirements)
    run.status = RunStatus.COMPLETED
    return RunCompleted(
        content=run.content,
        content_type=run.content_type,
        reasoning_content=run.reasoning_content,
        model_provider_data=run.model_provider_data,
        metrics=run.metrics,
    )


async def _shielded(work: Coroutine[Any, Any, None]) -> None:
    """Lets `work` end even if the run's task is cancelled meanwhile; the cancellation is raised after it."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
