"""Runs that were accepted before: set up anew, by another process, or after a person's answers."""

from __future__ import annotations

from collections.abc import Sequence

from agentos.db.base import Db, LoggedEvent
from agentos.db.contracts.workers import OpenedRun
from agentos.run.events import RunPaused
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import Json, RunOutput
from agentos.run.requirement import decided
from agentos.run.runnable import RunContext
from agentos.run.wire import event_name
from agentos.runner.accept import opened_context
from agentos.runner.approvals import approvals, note
from agentos.runner.events.buffer import Logged
from agentos.runner.execution.execution import Job
from agentos.runner.settings import RunSettings

PAGE = 1000
"""Lines of a log that are read at once."""


async def open_job(db: Db, settings: RunSettings, run_id: str, *, executor_id: str) -> Job | None:
    """The segment of a stored run that has become the executor's; None if it is another's by now."""
    found = await db.open_run(
        run_id,
        executor_id=executor_id,
        session_defaults=dict(settings.session_state),
        history_runs=settings.history_runs,
        memories=settings.memories,
    )
    if found is None:
        return None
    return Job(
        _context(settings, found),
        executor_id=executor_id,
        segment=found.segment,
        logged=await _logged(db, found),
        durable=found.durable,
        replaces=found.arguments.get("replaces"),
    )


async def reopen(
    db: Db,
    run: RunOutput,
    answers: Sequence[object],
    *,
    owner: Owner,
    executor_id: str | None,
    arguments: Json,
    recorded: bool = True,
) -> None:
    """Continues a stored, paused run with what was decided, as the executor's or, without one, as anybody's.

    ConflictError if it isn't paused any more, InvalidInputError if nothing is decided, ApprovalPendingError
    while an approver's word is missing: what a client says doesn't replace it.
    """
    stored = await db.approvals_of(run.run_id, owner=owner)
    merged = decided(run, answers, approved=approvals(stored))
    await db.reopen_run(merged, executor_id=executor_id, arguments=arguments, owner=owner, recorded=recorded)
    await note(db, merged, stored, owner=owner)


def _context(settings: RunSettings, found: OpenedRun) -> RunContext:
    context = opened_context(settings, found.run, found.arguments)
    context.session_state = found.session_state
    context.history = [] if found.arguments.get("history") is False else found.history
    context.memories = found.memories
    return context


async def _logged(db: Db, found: OpenedRun) -> Logged:
    """The log, cut where the present segment begins: behind the last pause."""
    run_id, last_seq = found.run.run_id, found.last_seq
    if not last_seq:
        return Logged()
    paused = event_name(RunPaused(), found.run.kind)
    last = await db.read_events(run_id, after=last_seq - 1, owner=ANYONE, limit=1)
    if [line.name for line in last] == [paused]:
        return Logged(before=last_seq)  # it has just been continued
    lines = await _all_lines(db, run_id)
    begin = max((place + 1 for place, line in enumerate(lines) if line.name == paused), default=0)
    return Logged(before=lines[begin - 1].seq if begin else 0, lines=lines[begin:])


async def _all_lines(db: Db, run_id: str) -> Sequence[LoggedEvent]:
    lines: list[LoggedEvent] = []
    while page := await db.read_events(run_id, after=lines[-1].seq if lines else 0, owner=ANYONE, limit=PAGE):
        lines += page
        if len(page) < PAGE:
            break
    return lines
