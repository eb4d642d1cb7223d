"""Ends runs that no process executes: theirs died, or they were cancelled while waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentos.errors import AgentOSError
from agentos.run.events import (
    ModelRequestStarted,
    Origin,
    RunContent,
    RunContinued,
    RunError,
    RunEvent,
)
from agentos.run.last_event import origin_of
from agentos.run.wire import decode_event
from agentos.runner.events.buffer import Buffer, Logged
from agentos.runner.events.writer import LogWriter
from agentos.runner.execution.drive import cancelled, failed
from agentos.runner.execution.execute import Outcome
from agentos.runner.execution.execution import Execution
from agentos.tasks import Deadline

if TYPE_CHECKING:
    from agentos.db.base import Db

UNLOGGED = 10_000
"""Upper bound on events that a dying process may have shown but not yet logged."""


class ProcessDiedError(AgentOSError):
    """The process of a run died, and the run wasn't durable."""

    code = "process_died"


class CrashLoopError(AgentOSError):
    """Each process that executed a step of a durable run died at it."""

    code = "crash_loop"

    def __init__(self, deaths: int) -> None:
        super().__init__(f"The run was ended: {deaths} processes in a row died at the same step of it.")


async def end(
    execution: Execution, log: LogWriter, *, db: Db, error: AgentOSError | None, deadline: Deadline
) -> None:
    """Ends the run as ERROR with `error`; without an error, as CANCELLED with its text so far.

    Followers may have seen text that the dying process couldn't log. To place the final event after it, `seq`
    skips all numbers that a follower may have seen. Nested runs that had started get a final event too.
    """
    run, lines = execution.run, execution.logged.lines
    logged = [decode_event(line.text) for line in lines]
    if error is None and run.content is None:
        run.content = _said([event for event in logged if _is_of(event, run.run_id)])
    last = lines[-1].seq if lines else execution.logged.before
    unlogged = UNLOGGED if lines and not execution.durable else 0
    buffer = Buffer(origin_of(run), log=log, logged=Logged(before=last + unlogged))
    final = cancelled(run) if error is None else failed(run, error)
    for origin in _open(logged, run.run_id):
        end_of_nested = final.model_copy(update={"origin": origin, "content": _text(final)})
        buffer.record(end_of_nested)
    await Outcome(execution, buffer, db, deadline).store(final)


def _text(final: RunEvent) -> str | None:
    return final.content if isinstance(final, RunError) else None


def _open(logged: list[RunEvent], root_run_id: str) -> list[Origin]:
    """Nested runs that had started and not finished, innermost first."""
    found: dict[str, Origin] = {}
    for event in logged:
        if event.origin is None or event.origin.run_id == root_run_id:
            continue
        if event.is_final:
            found.pop(event.origin.run_id, None)
        else:
            found[event.origin.run_id] = event.origin
    return sorted(found.values(), key=lambda origin: -origin.nested_depth)


def _is_of(event: RunEvent, run_id: str) -> bool:
    return event.origin is not None and event.origin.run_id == run_id


def _said(events: list[RunEvent]) -> str | None:
    """The text of the model turn that was in progress."""
    said = ""
    for event in events:
        match event:
            case RunContent(content=str()):
                said += event.content
            case ModelRequestStarted() | RunContinued():
                said = ""
            case _:
                pass
    return said or None
