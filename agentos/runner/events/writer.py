"""Writes events to the log, in batches for all runs of a process.

One INSERT and one NOTIFY carry the events of 20 ms, or, before an event other than text is shown, everything
that is waiting. If the database is unavailable for less than a minute, events are delayed but not lost,
unless the process ends meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from agentos.db.contracts.events import LoggedEvent
from agentos.errors import DatabaseUnavailableError, RunLostError
from agentos.run.owner import ANYONE
from agentos.tasks import Deadline, occurs, patiently

if TYPE_CHECKING:
    from agentos.db.base import Db

BATCH_SECONDS = 0.02
"""Maximum delay of a text event, in seconds."""
AWAY_PAUSES = (0.2, 0.5, 1.0, 2.0, *[4.0] * 14)
"""Seconds between attempts while the database is unavailable. After a minute, the runs fail."""


class Lines(Protocol):
    """The events of one run that are to be logged."""

    @property
    def run_id(self) -> str:
        """The run of the events."""
        ...

    def unlogged(self) -> Sequence[LoggedEvent]:
        """The events that aren't logged yet."""
        ...

    def logged(self, count: int) -> None:
        """Reports that this many more events are logged."""
        ...

    def failed(self, error: Exception) -> None:
        """Reports that events can't be logged, nor any later ones."""
        ...


class LogWriter:
    """Writes the events of one process to one database's log, as one worker."""

    def __init__(self, db: Db, *, worker_id: str | None, deadline: Deadline | None = None) -> None:
        self._db = db
        self._deadline = deadline or Deadline()
        self._worker_id = worker_id
        self._waiting: dict[str, Lines] = {}
        self._urgent = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wanted(self, lines: Lines, *, urgent: bool) -> None:
        """Writes the unlogged events of `lines` within `BATCH_SECONDS`, or immediately if urgent."""
        self._waiting[lines.run_id] = lines
        if urgent:
            self._urgent.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write(), name="event log")

    async def close(self) -> None:
        """Returns once all waiting events have been written or have failed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _write(self) -> None:
        while self._waiting:
            await self._gather()
            writers, self._waiting = self._waiting, {}
            batches = {run_id: lines for run_id, writer in writers.items() if (lines := writer.unlogged())}
            if not batches:
                continue
            if not await self._log(batches, writers, alone=len(batches) == 1):
                for run_id, lines in batches.items():
                    await self._log({run_id: lines}, writers, alone=True)

    async def _log(
        self, batches: Mapping[str, Sequence[LoggedEvent]], writers: Mapping[str, Lines], *, alone: bool
    ) -> bool:
        """Writes the events of several runs and tells the runs. False if each must be written by itself:

        then an event that the database never takes fails its own run only.
        """
        try:
            taken = await self._store(batches)
        except Exception as error:  # noqa: BLE001 - the log's failure is that of the runs in it
            if not alone and not isinstance(error, DatabaseUnavailableError | TimeoutError):
                return False
            for run_id in batches:
                writers[run_id].failed(error)
            return True
        for run_id, lines in batches.items():
            if run_id in taken:
                writers[run_id].logged(len(lines))
            else:
                writers[run_id].failed(RunLostError("Another process has the run, or it was deleted."))
        return True

    async def _store(self, batches: Mapping[str, Sequence[LoggedEvent]]) -> set[str]:
        async def append() -> set[str]:
            return await self._db.append_events(batches, owner=ANYONE, worker_id=self._worker_id)

        async with self._deadline.limit():
            return await patiently(append, on=DatabaseUnavailableError, pauses=AWAY_PAUSES)

    async def _gather(self) -> None:
        await occurs(self._urgent, within=BATCH_SECONDS)
        self._urgent.clear()
