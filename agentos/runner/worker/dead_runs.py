"""The end of runs that nobody executes any more: their process died, or they waited and were cancelled."""

from __future__ import annotations

from agentos.db.base import Db
from agentos.errors import AgentOSError
from agentos.run.events import ModelRequestStarted, RunContent, RunContinued, RunEvent
from agentos.run.wire import decode_event
from agentos.runner.events.buffer import Journal, Logged
from agentos.runner.events.writer import EventLog
from agentos.runner.execution.execute import Outcome, cancelled, failed, origin_of
from agentos.runner.execution.execution import Job

UNLOGGED = 10_000
"""More events than a process can have shown and not logged when it dies."""


class ProcessDiedError(AgentOSError):
    """The process that executed the run is gone, and the run wasn't durable."""

    code = "process_died"


async def end(job: Job, log: EventLog, *, db: Db, error: AgentOSError | None) -> None:
    """Ends the run as ERROR with `error`, or, without one, as CANCELLED with the text it had said.

    Followers may have seen text that a dying process couldn't log any more. No `seq` that they can know is
    used again, so that all of them find the end behind what they have seen.
    """
    run, lines = job.run, job.logged.lines
    if error is None and run.content is None:
        run.content = _said([decode_event(line.text) for line in lines])
    last = lines[-1].seq if lines else job.logged.before
    unlogged = UNLOGGED if lines and not job.durable else 0
    journal = Journal(origin_of(run), log=log, logged=Logged(before=last + unlogged))
    await Outcome(job, journal, db).store(cancelled(run) if error is None else failed(run, error))


def _said(events: list[RunEvent]) -> str | None:
    """The text of the last model turn, which was being said when the process died."""
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
