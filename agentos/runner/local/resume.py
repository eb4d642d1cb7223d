"""Continues a paused run in this process, without a server."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from agentos.db.contracts.runs import OpenedRun
from agentos.errors import (
    ConflictError,
    DatabaseUnavailableError,
    InvalidInputError,
    NotFoundError,
)
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import RunOutput, RunStatus
from agentos.run.requirement import decided
from agentos.runner.continuation import Continuation, open_execution, reopen
from agentos.runner.events.writer import LogWriter
from agentos.runner.execution.execution import Execution, execution_of
from agentos.runner.execution.live_runs import LiveRun, launch
from agentos.runner.local.options import ContinueOptions
from agentos.runner.settings import Configured
from agentos.runner.worker.heartbeat import Heartbeat

if TYPE_CHECKING:
    from agentos.db.base import Db


@asynccontextmanager
async def continuing(
    runnable: Configured, run_response: RunOutput | None, options: ContinueOptions, *, stream: bool
) -> AsyncGenerator[LiveRun]:
    """The run, executing here until exit. With a database, only the decisions come from the caller.

    NotFoundError, ConflictError if the run isn't paused, InvalidInputError if nothing is decided,
    ApprovalPendingError.
    """
    user_id = options.get("user_id")
    owner: Owner = user_id or ANYONE
    answers = _answers(run_response, options)
    continuation = Continuation(answers, stream=stream, anyone=owner is ANYONE, asked_by=user_id or None)
    db = runnable.settings.db
    if db is None:
        yield launch(runnable, _in_memory(runnable, run_response, answers, continuation))
        return
    run = await _paused(runnable, db, run_response, options, owner=owner)
    live: list[LiveRun] = []
    async with _present(db, live) as worker_id:
        await reopen(db, run, continuation, owner=owner, worker_id=worker_id, recorded=False)
        execution = await open_execution(db, runnable.settings, run.run_id, worker_id=worker_id)
        if execution is None:
            raise ConflictError("The run was taken over by another process.")
        # Only a run that was begun on a server has a log, which must not end in the middle.
        has_log = await db.last_seq(run.run_id, owner=owner)
        log = LogWriter(db, worker_id=worker_id) if has_log else None
        live.append(launch(runnable, execution, log=log))
        yield live[0]
        if log is not None:
            await log.close()


def _answers(run_response: RunOutput | None, options: ContinueOptions) -> list[dict[str, Any]]:
    """The decisions in the format of a client."""
    requirements = options.get("requirements")
    if requirements is None and run_response is not None:
        nested = [each for known in run_response.child_requirements.values() for each in known]
        own = [tool.model_dump() for tool in run_response.tools]
        return [*own, *(_answer(each.member_run_id, each.tool_execution.model_dump()) for each in nested)]
    return [_answer(each.member_run_id, each.tool_execution.model_dump()) for each in requirements or ()]


def _answer(member_run_id: str | None, tool: dict[str, Any]) -> dict[str, Any]:
    return tool if member_run_id is None else {**tool, "member_run_id": member_run_id}


async def _paused(
    runnable: Configured,
    db: Db,
    given: RunOutput | None,
    options: ContinueOptions,
    *,
    owner: Owner,
) -> RunOutput:
    run_id = options.get("run_id") or (None if given is None else given.run_id)
    if run_id is None:
        raise InvalidInputError("Say which run to continue: give the run, or run_id.", field="run_id")
    run = await db.get_run(run_id, owner=owner, session_id=options.get("session_id"))
    if run is None or (run.kind, run.runnable_id) != (runnable.kind, runnable.id):
        raise NotFoundError("Run", run_id)
    if not run.is_paused:
        raise ConflictError(f"The run is {run.status.value}, not PAUSED.")
    return run


def _in_memory(
    runnable: Configured,
    run: RunOutput | None,
    answers: list[dict[str, Any]],
    continuation: Continuation,
) -> Execution:
    if run is None:
        raise InvalidInputError(
            "Without a database a run can't be found by its id: give the run itself.", field="run_response"
        )
    if not run.is_paused:
        raise ConflictError(f"The run is {run.status.value}, not PAUSED.")
    answered = {message.tool_call_id for message in run.messages}
    calls = [tool for tool in run.tools if tool.tool_call_id not in answered]
    calls += [each.tool_execution for known in run.child_requirements.values() for each in known]
    if all(tool.is_waiting for tool in calls):  # otherwise somebody has decided on the calls themselves
        said: dict[str, bool | None] = {each["approval_id"]: each["confirmed"] for each in answers}
        run = decided(run, answers, approved=said)
    run = run.model_copy(update={"status": RunStatus.RUNNING}, deep=True)
    opened = OpenedRun(run=run, request=continuation.request(run), session_state=run.session_state or {})
    return execution_of(runnable.settings, opened, worker_id=None)


@asynccontextmanager
async def _present(db: Db, live: list[LiveRun]) -> AsyncGenerator[str]:
    """A worker for one run, so that servers don't adopt it. The run is put into `live` once it executes."""

    def cancel(_: str) -> None:
        for each in live:
            each.cancel()

    worker_id = uuid4().hex
    heartbeat = Heartbeat(db, worker_id, cancel)
    await heartbeat.alive()
    try:
        async with heartbeat.beating():
            yield worker_id
    finally:
        with suppress(DatabaseUnavailableError):
            await db.leave(worker_id)
