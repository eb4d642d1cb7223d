"""A paused run goes on in this process, without a server, with what a person has decided."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from agentos.db.base import Db
from agentos.errors import ConflictError, DatabaseUnavailableError, InvalidInputError, NotFoundError
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import Json, RunOutput, RunStatus
from agentos.run.requirement import RunRequirement, decided
from agentos.runner.accept import opened_context, stored_arguments
from agentos.runner.events.writer import EventLog
from agentos.runner.execution.execution import Job
from agentos.runner.execution.live_runs import LiveRun, launch
from agentos.runner.resume import open_job, reopen
from agentos.runner.settings import Configured
from agentos.runner.worker.loops import BEAT_SECONDS

logger = logging.getLogger("agentos.runner")


@dataclass(frozen=True, slots=True)
class Decisions:
    """Which run is to go on, and with what: its own calls, or `requirements`."""

    run_response: RunOutput | None
    run_id: str | None
    requirements: Sequence[RunRequirement] | None
    session_id: str | None
    user_id: str | None
    stream: bool

    @property
    def owner(self) -> Owner:
        """Whose runs may be continued."""
        return self.user_id or ANYONE

    @property
    def answers(self) -> list[dict[str, Any]]:
        """What was decided, as a client would send it."""
        if self.requirements is not None:
            return [each.tool_execution.model_dump() for each in self.requirements]
        return [] if self.run_response is None else [each.model_dump() for each in self.run_response.tools]


@asynccontextmanager
async def proceeding(runnable: Configured, decisions: Decisions) -> AsyncGenerator[LiveRun]:
    """The run, executing here until left. With a database, all but the decisions comes from there.

    NotFoundError, ConflictError if the run isn't paused, InvalidInputError if nothing is decided,
    ApprovalPendingError.
    """
    db = runnable.settings.db
    if db is None:
        yield launch(runnable, _in_memory(runnable, decisions))
        return
    run = await _paused(runnable, db, decisions)
    async with _present(db) as executor_id:
        await reopen(
            db,
            run,
            decisions.answers,
            owner=decisions.owner,
            executor_id=executor_id,
            arguments=_arguments(decisions),
            recorded=False,
        )
        job = await open_job(db, runnable.settings, run.run_id, executor_id=executor_id)
        if job is None:
            raise ConflictError("The run was taken over by another process.")
        # Only a run that was begun on a server has a log, which must not end in the middle.
        log = EventLog(db, executor_id=executor_id) if job.logged.before else None
        yield launch(runnable, job, log=log)
        if log is not None:
            await log.close()


async def _paused(runnable: Configured, db: Db, decisions: Decisions) -> RunOutput:
    given = decisions.run_response
    run_id = decisions.run_id or (None if given is None else given.run_id)
    if run_id is None:
        raise InvalidInputError("Say which run is to go on: give the run, or run_id.", field="run_id")
    run = await db.get_run(run_id, owner=decisions.owner, session_id=decisions.session_id)
    if run is None or (run.kind, run.runnable_id) != (runnable.kind, runnable.id):
        raise NotFoundError("Run", run_id)
    if not run.is_paused:
        raise ConflictError(f"The run is {run.status.value}, not PAUSED.")
    return run


def _in_memory(runnable: Configured, decisions: Decisions) -> Job:
    run = decisions.run_response
    if run is None:
        raise InvalidInputError(
            "Without a database a run can't be found by its id: give the run itself.", field="run_response"
        )
    if not run.is_paused:
        raise ConflictError(f"The run is {run.status.value}, not PAUSED.")
    answered = {message.tool_call_id for message in run.messages}
    open_tools = [tool for tool in run.tools if tool.tool_call_id not in answered]
    if all(tool.is_waiting for tool in open_tools):
        said = {answer["approval_id"]: answer["confirmed"] for answer in decisions.answers}
        run = decided(run, decisions.answers, approved=said)
    run = run.model_copy(update={"status": RunStatus.RUNNING}, deep=True)
    context = opened_context(runnable.settings, run, _arguments(decisions))
    context.session_state = run.session_state or {}
    return Job(context)


def _arguments(decisions: Decisions) -> Json:
    return stored_arguments(owner=decisions.owner, stream=decisions.stream, dependencies={})


@asynccontextmanager
async def _present(db: Db) -> AsyncGenerator[str]:
    """An executor for one run, so that no server takes it for an orphan."""
    executor_id = uuid4().hex
    await db.beat(executor_id)
    beating = asyncio.create_task(_beat_on(db, executor_id), name="beat")
    try:
        yield executor_id
    finally:
        beating.cancel()
        await asyncio.wait([beating])
        with suppress(DatabaseUnavailableError):
            await db.leave(executor_id)


async def _beat_on(db: Db, executor_id: str) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        try:
            await db.beat(executor_id)
        except DatabaseUnavailableError as error:
            logger.warning("Can't say that this process lives: %s Trying again.", error)
