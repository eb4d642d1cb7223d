"""Accepts a run: validates it, gets or creates its session, commits its row. All refusals happen here."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from agentos.db.contracts.runs import OpenedRun, Placement
from agentos.run.ids import new_run_id
from agentos.run.records import RunOutput, RunStatus
from agentos.run.request import RunRequest
from agentos.runner.execution.execution import Execution, execution_of
from agentos.runner.settings import Configured


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs are accepted: the worker, and its settings for background runs."""

    worker_id: str | None = None
    """None: an unsupervised process."""
    queue_limit: int | None = None
    user_queue_limit: int | None = None
    durable: bool = False
    """Whether background runs are durable even if their runnable isn't."""


async def accept(runnable: Configured, request: RunRequest, *, place: Place | None = None) -> Execution:
    """Commits the run and returns what its execution needs. A run that isn't RUNNING must wait for its turn.

    Raises AmbiguousSessionError if several users have the session and none is named, ConflictError if the run
    id is taken, SessionBusyError, QueueFullError, IdempotencyConflictError, InvalidInputError if an id can't
    be stored, DatabaseUnavailableError.
    """
    settings, place = runnable.settings, place or Place()
    run = _new_run(runnable, request)
    worker_id = None if request.background else place.worker_id
    if settings.db is None:
        state = {**deepcopy(dict(settings.session_state)), **request.session_state}
        return execution_of(
            settings, OpenedRun(run=run, request=request, session_state=state), worker_id=worker_id
        )
    placement = Placement(
        worker_id=worker_id,
        durable=settings.durable or (request.background and place.durable),
        multitask=(request.multitask or settings.multitask) if place.worker_id else None,
        queue_limit=place.queue_limit if request.background else None,
        user_queue_limit=place.user_queue_limit,
    )
    opened = await settings.db.accept_run(
        run, request, owner=request.owner, reads=settings.reads(history=request.history), placement=placement
    )
    return execution_of(settings, opened, worker_id=worker_id)


def _new_run(runnable: Configured, request: RunRequest) -> RunOutput:
    source = request.source
    metadata: dict[str, Any] = {**runnable.settings.metadata, **request.metadata}
    return RunOutput(
        run_id=request.run_id or new_run_id(),
        kind=runnable.kind,
        runnable_id=runnable.id,
        runnable_name=runnable.name,
        session_id=request.session_id or str(uuid4()),
        user_id=request.user_id,
        status=RunStatus.PENDING if request.background else RunStatus.RUNNING,
        input=request.input,
        metadata=metadata or None,
        messages=list(source.messages) if source else [],
        forked_from_run_id=source.run_id if source and not source.regenerates else None,
        regenerated_from=source.run_id if source and source.regenerates else None,
    )
