"""Runs a runnable to the final event of its run, for root and nested runs."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import Protocol
from uuid import uuid4

from agentos.errors import AgentOSError, RunLostError
from agentos.run.budget import BudgetExceededError
from agentos.run.events import Origin, RunEvent
from agentos.run.last_event import last_event
from agentos.run.records import RunOutput, RunStatus
from agentos.run.runnable import RunContext, Runnable
from agentos.tasks import contained, to_the_end

logger = logging.getLogger("agentos.runner")

_INTERNAL = "The run failed inside the server. The server's log has the reason under this error_id."


class EventSink(Protocol):
    """Receives a run's events."""

    @property
    def error(self) -> Exception | None:
        """Why events can't be recorded any more, or None."""
        ...

    def record(self, event: RunEvent) -> None:
        """Records an event; raises `error` if there is one."""
        ...


class NestedRuns(Protocol):
    """The runs below a root."""

    async def end(self, parent: RunOutput) -> None:
        """Cancels the runs that `parent` has started and not awaited; returns once they have ended."""
        ...


async def drive(
    runnable: Runnable,
    context: RunContext,
    events: EventSink,
    nested: NestedRuns,
    *,
    origin: Origin | None = None,
) -> RunEvent:
    """Runs the runnable until it returns or fails. Returns the final event and sets the run's status.

    Nested runs have ended when it returns. `origin` is stamped on the run's events; without one they belong
    to the root run. Cancellation, a lost run and a log that can't be written are raised: they end the whole
    tree.
    """
    run, limit = context.run, asyncio.timeout(None if origin else context.spending.left_seconds)
    try:
        with contained():
            async with limit, aclosing(runnable.events(context)) as source:
                async for event in source:
                    event.origin = event.origin or origin
                    events.record(event)
    except RunLostError:
        raise
    except Exception as error:
        if error is events.error:
            raise
        if isinstance(error, TimeoutError) and limit.expired():
            return failed(run, BudgetExceededError("The run has used up its budget of seconds."))
        return failed(run, error)
    finally:
        await to_the_end(nested.end(run))
    return _ended(run)


def failed(run: RunOutput, error: Exception) -> RunEvent:
    """Ends the run as ERROR. The text of foreign exceptions is only logged."""
    error_id = uuid4().hex
    if isinstance(error, AgentOSError):
        logger.warning("Run %s failed (%s): %s, error_id %s", run.run_id, error.code, error, error_id)
        text, code = str(error), error.code
    else:
        logger.error("Run %s failed, error_id %s", run.run_id, error_id, exc_info=error)
        text, code = _INTERNAL, "internal_error"
    run.content, run.content_type, run.error_type, run.error_id = text, "str", code, error_id
    return _last(run, RunStatus.ERROR)


def cancelled(run: RunOutput) -> RunEvent:
    """Ends the run as CANCELLED, with its output so far."""
    return _last(run, RunStatus.CANCELLED)


def _ended(run: RunOutput) -> RunEvent:
    """The final event after the runnable returned: completed, or paused if calls wait for a person."""
    return _last(run, RunStatus.PAUSED if run.active_requirements else RunStatus.COMPLETED)


def _last(run: RunOutput, status: RunStatus) -> RunEvent:
    run.status = status
    event = last_event(run)
    assert event is not None, "every status at which a run stops has an event"
    return event
