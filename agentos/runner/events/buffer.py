"""The events of a live run: stamped in order, shown to followers, written to the event log.

Text is shown at once and logged within 20 ms. Any other event is shown only when it and all earlier ones are
logged, so a client that reconnects finds everything it has seen. Events of durable runs, which another
process may resume, are shown only once they are logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from time import time

from agentos.db.contracts.events import LoggedEvent
from agentos.run.events import Origin, RunCompleted, RunContent, RunEvent
from agentos.run.wire import decode_event, encode_event
from agentos.runner.events.dedupe import Dedupe
from agentos.runner.events.writer import LogWriter


@dataclass(frozen=True, slots=True)
class Logged:
    """What the log already contains of a run."""

    before: int = 0
    """`seq` of the last event of its earlier segments."""
    lines: Sequence[LoggedEvent] = ()
    """Events of the current segment, logged by a process that died."""


class Buffer:
    """The events of one segment of a run in one process. Not thread-safe: it belongs to the run's loop."""

    def __init__(
        self, origin: Origin, *, log: LogWriter | None, careful: bool = False, logged: Logged | None = None
    ) -> None:
        logged = logged or Logged()
        self.origin = origin
        self.before = logged.before
        """Followers that need earlier events must read the log."""
        self._log = log
        self._careful = careful
        self._events: list[RunEvent] = [decode_event(line.text) for line in logged.lines]
        self._lines: list[LoggedEvent] = list(logged.lines)
        self._dedupe = Dedupe(self._events) if self._events else None
        self._shown = self._logged = len(self._events)
        self._end = len(self._events)
        self._is_over = False
        self._error: Exception | None = None
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def run_id(self) -> str:
        """Whose events these are."""
        return self.origin.run_id

    @property
    def last_seq(self) -> int:
        """`seq` of the last event so far."""
        return self.before + len(self._events)

    @property
    def error(self) -> Exception | None:
        """Why events can't be recorded any more: the log can't be written, or belongs to another process."""
        return self._error

    def record(self, event: RunEvent) -> None:
        """Stamps the event and shows it as soon as it may be seen.

        Raises the error of the event log: a run that can't be followed must not continue.
        """
        if self._error is not None:
            raise self._error
        event.origin = event.origin or self.origin
        for news in [event] if self._dedupe is None else self._dedupe.news(event):
            self._add(news)
        self._end = len(self._events)

    def end(self, final: RunEvent) -> None:
        """Adds the segment's last event, replacing one that was added this way before.

        `show_all` shows it, once `rest` is stored together with the outcome.
        """
        del self._events[self._end :], self._lines[self._end :]
        final.origin = final.origin or self.origin
        for news in [final] if self._dedupe is None else self._dedupe.news(final):
            self._append(news)

    def forget(self) -> None:
        """Gives up logging the events so far; `rest` is what is added after them."""
        self._logged = self._end

    def show_all(self) -> None:
        """Shows the remaining events and ends every `follow`. No events may be added afterwards."""
        self._is_over = True
        self._logged = len(self._events)
        self._show(len(self._events))

    def abandon(self) -> None:
        """Ends every `follow` immediately, because another process has the run or the log is unavailable."""
        self._is_over = True
        del self._events[self._shown :]
        self._show(self._shown)

    async def follow(self, after: int = 0) -> AsyncGenerator[RunEvent]:
        """The events after `seq`, as they are shown, until the segment ends."""
        async for start, stop in self._ready(after):
            for event in self._events[start:stop]:
                yield event

    async def follow_batches(self, after: int = 0) -> AsyncGenerator[list[LoggedEvent]]:
        """The same as wire text, in batches that can be sent at once.

        Each event is encoded once, for all followers and the log.
        """
        async for start, stop in self._ready(after):
            yield self._encoded(stop)[start:stop]

    def unlogged(self) -> Sequence[LoggedEvent]:
        """See `writer.Lines`; the last event is left to `rest`."""
        return self._encoded(self._end)[self._logged : self._end]

    def rest(self) -> Sequence[LoggedEvent]:
        """The events that aren't logged yet, if the run has a log; the last without the session's state."""
        if self._log is None:
            return ()
        final = self._events[-1] if self._logged < len(self._events) else None
        if not isinstance(final, RunCompleted):
            return self._encoded(len(self._events))[self._logged :]
        lines = self._encoded(len(self._events) - 1)[self._logged : len(self._events) - 1]
        return [*lines, LoggedEvent(final.seq, *encode_event(final, for_log=True))]

    def logged(self, count: int) -> None:
        """See `writer.Lines`."""
        if not self._is_over:
            self._logged += count
            self._show(self._logged)

    def failed(self, error: Exception) -> None:
        """See `writer.Lines`."""
        self._error = error

    def _add(self, event: RunEvent) -> None:
        nothing_waits = self._shown == len(self._events)
        self._append(event)
        is_text = isinstance(event, RunContent)
        if self._log is None or (nothing_waits and is_text and not self._careful):
            self._show(len(self._events))
        if self._log is not None:
            self._log.wanted(self, urgent=not is_text)

    async def _ready(self, after: int) -> AsyncGenerator[tuple[int, int]]:
        position = max(after - self.before, 0)
        while True:
            if position < self._shown:
                position, start = self._shown, position
                yield start, position
            elif self._is_over:
                return
            else:
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
                await waiter

    def _append(self, event: RunEvent) -> None:
        event.seq = self.last_seq + 1
        event.created_at = int(time())
        self._events.append(event)

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
