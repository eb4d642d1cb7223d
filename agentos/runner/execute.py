"""Execute an accepted run to its end, whatever happens: exactly one final event, one stored outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from copy import deepcopy
from time import perf_counter
from typing import Any
from uuid import uuid4

from agentos.db.base import Db, StateChange
from agentos.errors import AgentOSError, DatabaseUnavailableError
from agentos.run.events import Origin, RunCancelled, RunCompleted, RunError, RunEvent
from agentos.run.messages import Metrics
from agentos.run.owner import Owner
from agentos.run.records import Json, RunOutput, RunStatus
from agentos.run.runnable import RunContext, Runnable
from agentos.runner.journal import Journal

logger = logging.getLogger("agentos.runner")

STORE_PAUSES = (0.2, 1.0, 3.0)
"""Seconds between the tries to store an outcome."""
_INTERNAL = "The run failed inside the server. The server's log has the reason under this error_id."


async def execute(runnable: Runnable, context: RunContext, journal: Journal, *, db: Db | None) -> None:
    """Drives the runnable, records its events, stores the outcome, then shows the final event.

    An exception of the runnable ends the run as RunError and goes no further; cancellation ends it as
    RunCancelled and is raised again once the outcome is stored.
    """
    began = perf_counter()
    before = deepcopy(context.session_state)
    cancelled: asyncio.CancelledError | None = None
    final: RunEvent | None = None
    try:
        async for event in runnable.events(context):
            journal.record(event)
    except asyncio.CancelledError as error:
        cancelled = error
        context.run.status = RunStatus.CANCELLED
        final = RunCancelled(content=context.run.content)
    except Exception as error:  # noqa: BLE001 - the run's boundary: whatever it was, the run ends as RunError
        final = _failed(context.run, error)
    run = context.run
    run.metrics = (run.metrics or Metrics()).model_copy(update={"duration": perf_counter() - began})
    await _shielded(_finish(context, journal, db, before, final))
    if cancelled is not None:
        raise cancelled


async def _finish(
    context: RunContext, journal: Journal, db: Db | None, before: Json, final: RunEvent | None
) -> None:
    run = context.run
    run.session_state = context.session_state
    if final is None:
        run.status = RunStatus.COMPLETED
    if db is not None:
        try:
            await _store(db, run, _changes(before, context.session_state), owner=context.owner)
        except Exception as error:  # noqa: BLE001 - the run's boundary: an outcome that isn't stored is a failure
            final = _failed(run, error)
    await journal.close(final or _completed(run))


async def _store(db: Db, run: RunOutput, change: StateChange, *, owner: Owner) -> None:
    """A model's answer is dear: a database that is restarting gets some seconds to come back."""
    for pause in STORE_PAUSES:
        try:
            await db.finish_run(run, change, owner=owner)
            return
        except DatabaseUnavailableError:
            await asyncio.sleep(pause)
    await db.finish_run(run, change, owner=owner)


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


def _completed(run: RunOutput) -> RunCompleted:
    return RunCompleted(
        content=run.content,
        content_type=run.content_type,
        reasoning_content=run.reasoning_content,
        model_provider_data=run.model_provider_data,
        session_state=run.session_state,
        metrics=run.metrics,
    )


def _failed(run: RunOutput, error: Exception) -> RunError:
    error_id = uuid4().hex
    if isinstance(error, AgentOSError):
        logger.warning("Run %s failed (%s): %s, error_id %s", run.run_id, error.code, error, error_id)
        text, code = str(error), error.code
    else:
        logger.error("Run %s failed, error_id %s", run.run_id, error_id, exc_info=error)
        text, code = _INTERNAL, "internal_error"
    run.status, run.content, run.content_type, run.error_type = RunStatus.ERROR, text, "str", code
    return RunError(content=text, error_type=code, error_id=error_id)


def _changes(before: Json, after: Json) -> StateChange:
    put = {key: value for key, value in after.items() if key not in before or before[key] != value}
    return StateChange(put=put, removed=[key for key in before if key not in after])


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
