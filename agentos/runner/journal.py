"""A live run's events: stamped in order, shown to followers, written to the event log in batches.

Text is shown at once and logged within 20 ms; any other event is shown only when it and all before it are
in the log, so what a client saw, a client that reconnects will find.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from time import time

from agentos.db.base import Db, LoggedEvent
from agentos.run.events import Origin, RunContent, RunEvent
from agentos.run.owner import Owner
from agentos.run.wire import encode_event

logger = logging.getLogger("agentos.runner")

BATCH_SECONDS = 0.02
"""How long a piece of text may wait for company on its way to the log."""


class Journal:
    """The events of one run in one process. Not thread-safe: it belongs to the run's event loop."""

    def __init__(self, origin: Origin, *, log: Db | None, owner: Owner) -> None:
        self.origin = origin
        self._owner = owner
        self._log = log
        self._events: list[RunEvent] = []
        self._lines: list[LoggedEvent] = []
        self._shown = 0
        self._logged = 0
        self._closed = False
        self._waiters: list[asyncio.Future[None]] = []
        self._appended = asyncio.Event()
        self._urgent = asyncio.Event()
        self._writer = None if log is None else asyncio.create_task(self._write(log))

    def record(self, event: RunEvent) -> None:
        """Stamps the event and shows it as soon as it may be seen.

        Raises what the event log raised: a run that can't be followed must not go on as if it could.
        """
        if self._writer is not None and self._writer.done():
            self._writer.result()
        nothing_waits = self._shown == len(self._events)
        self._append(event)
        if self._log is None or (nothing_waits and isinstance(event, RunContent)):
            self._show(len(self._events))
        elif not isinstance(event, RunContent):
            self._urgent.set()

    async def close(self, final: RunEvent) -> None:
        """Records the run's last event; returns when all is logged (or the log has failed) and shown."""
        self._closed = True
        self._append(final)
        self._urgent.set()
        if self._writer is not None:
            await asyncio.wait([self._writer])
            if error := self._writer.exception():
                logger.error("Run %s: its event log is incomplete", self.origin.run_id, exc_info=error)
        self._show(len(self._events))

    async def follow(self, after: int = 0) -> AsyncGenerator[RunEvent]:
        """The events with a greater `seq`, as they are shown, until the run's last one."""
        async for start, stop in self._ready(after):
            for event in self._events[start:stop]:
                yield event

    async def follow_batches(self, after: int = 0) -> AsyncGenerator[list[LoggedEvent]]:
        """The same as wire text, as many at a time as can be seen at once.

        Each event is encoded once, for all followers and the log.
        """
        async for start, stop in self._ready(after):
            yield self._encoded(stop)[start:stop]

    async def _ready(self, after: int) -> AsyncGenerator[tuple[int, int]]:
        position = after
        while True:
            if position < self._shown:
                position, start = self._shown, position
                yield start, position
            elif self._closed and self._shown == len(self._events):
                return
            else:
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
                await waiter

    def _append(self, event: RunEvent) -> None:
        event.seq = len(self._events) + 1
        event.created_at = int(time())
        if event.origin is None:
            event.origin = self.origin
        self._events.append(event)
        self._appended.set()

    def _encoded(self, count: int) -> list[LoggedEvent]:
        for event in self._events[len(self._lines) : count]:
            self._lines.append(LoggedEvent(event.seq, *encode_event(event)))
        return self._lines

    def _show(self, count: int) -> None:
        self._shown = max(self._shown, count)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _write(self, log: Db) -> None:
        while not self._closed or self._logged < len(self._events):
            await self._appended.wait()
            await self._gather_batch()
            self._appended.clear()
            self._urgent.clear()
            stop = len(self._events)
            batch = self._encoded(stop)[self._logged : stop]
            await log.append_events(self.origin.run_id, batch, owner=self._owner)
            self._logged = stop
            self._show(stop)

    async def _gather_batch(self) -> None:
        try:
            async with asyncio.timeout(BATCH_SECONDS):
                await self._urgent.wait()
        except TimeoutError:
            pass
