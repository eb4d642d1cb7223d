"""The way to the event log: the lines of all runs of a process travel together.

One INSERT and one NOTIFY carry what has gathered in 20 ms, or, before an event that isn't text is shown, what
is there at once. A database that is away for less than a minute delays them and loses none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from agentos.db.contracts.events import LoggedEvent
from agentos.errors import DatabaseUnavailableError, RunLostError
from agentos.run.owner import ANYONE
from agentos.tasks import occurs, patiently

if TYPE_CHECKING:
    from agentos.db.base import Db

BATCH_SECONDS = 0.02
"""How long a piece of text may wait for company."""
AWAY_PAUSES = (0.2, 0.5, 1.0, 2.0, *[4.0] * 14)
"""Seconds between the tries to write while the database is away; after a minute its runs fail."""


class Lines(Protocol):
    """The events of one run on their way into the log."""

    @property
    def run_id(self) -> str:
        """Whose lines these are."""
        ...

    def unlogged(self) -> Sequence[LoggedEvent]:
        """What isn't in the log yet."""
        ...

    def logged(self, count: int) -> None:
        """So many more of them are."""
        ...

    def failed(self, error: Exception) -> None:
        """They can't be written, and no later ones will be."""
        ...


class LogWriter:
    """What one process writes to one database's event log, as one worker."""

    def __init__(self, db: Db, *, worker_id: str | None) -> None:
        self._db = db
        self._worker_id = worker_id
        self._waiting: dict[str, Lines] = {}
        self._urgent = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wanted(self, lines: Lines, *, urgent: bool) -> None:
        """Writes what `lines` has not later than `BATCH_SECONDS` from now; if it's urgent, at once."""
        self._waiting[lines.run_id] = lines
        if urgent:
            self._urgent.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write(), name="event log")

    async def close(self) -> None:
        """Returns once everything that was waiting has been written, or has failed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _write(self) -> None:
        while self._waiting:
            await self._gather()
            writers, self._waiting = self._waiting, {}
            batches = {run_id: lines for run_id, writer in writers.items() if (lines := writer.unlogged())}
            if not batches:
                continue
            try:
                taken = await self._store(batches)
            except Exception as error:  # noqa: BLE001 - the log's failure is that of the runs in it
                for run_id in batches:
                    writers[run_id].failed(error)
                continue
            for run_id, lines in batches.items():
                if run_id in taken:
                    writers[run_id].logged(len(lines))
                else:
                    writers[run_id].failed(RunLostError("Another process has the run, or it was deleted."))

    async def _store(self, batches: Mapping[str, Sequence[LoggedEvent]]) -> set[str]:
        async def append() -> set[str]:
            return await self._db.append_events(batches, owner=ANYONE, worker_id=self._worker_id)

        return await patiently(append, on=DatabaseUnavailableError, pauses=AWAY_PAUSES)

    async def _gather(self) -> None:
        await occurs(self._urgent, within=BATCH_SECONDS)
        self._urgent.clear()
