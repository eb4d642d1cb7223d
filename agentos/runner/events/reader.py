"""Follows the event logs of runs in other processes: one reader, however many followers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, TypeVar

from agentos.db.contracts.events import LoggedEvent
from agentos.errors import DatabaseUnavailableError, UnreadableEventError
from agentos.run.events import RunContent, RunEvent, RunPaused
from agentos.run.last_event import restored
from agentos.run.owner import ANYONE
from agentos.run.records import RunOutput, RunStatus
from agentos.run.wire import decode_event, encode_event, event_name
from agentos.tasks import occurs, patiently

if TYPE_CHECKING:
    from agentos.db.base import Db

KEPT_LINES = 2000
"""Events per run kept in memory for followers. Slower followers read the log themselves."""
MOST_LINES = 1000
"""Maximum number of events per run in one read."""
LOOK_SECONDS = 2.0
"""Seconds without notifications after which the log is read anyway."""

T = TypeVar("T")
Batches = AsyncGenerator[list[LoggedEvent]]


@dataclass(slots=True)
class _Tail:
    """The end of one run's log."""

    last: int
    lines: list[LoggedEvent] = field(default_factory=list[LoggedEvent])
    followers: int = 0
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def after(self, seq: int) -> list[LoggedEvent] | None:
        """The events after `seq`; None if some of them aren't in memory any more."""
        first = self.last - len(self.lines)
        # Behind a run's last line that was shown there may be a gap before its end; see `dead_runs.end`.
        return None if seq < first else [line for line in self.lines[seq - first :] if line.seq > seq]

    def rewind(self, seq: int) -> None:
        """Resets to `seq`: the first follower asked for events beyond the end of the log."""
        self.last, self.lines = seq, []

    def grow(self, lines: list[LoggedEvent]) -> None:
        self.lines = [*self.lines, *lines][-KEPT_LINES:]
        self.last = lines[-1].seq
        grown, self.grown = self.grown, asyncio.Event()
        grown.set()


class LogReader:
    """The event log of one database, for the followers in one process.

    Callers must check that the follower may see the run.
    """

    def __init__(self, db: Db) -> None:
        self._db = db
        self._tails: dict[str, _Tail] = {}
        self._stale: set[str] = set()
        self._reader: asyncio.Task[None] | None = None
        self._is_ended = False

    def end(self) -> None:
        """Ends every `follow` immediately, so that followers reconnect to another process."""
        self._is_ended = True
        for tail in self._tails.values():
            tail.grown.set()

    def news(self, *run_ids: str) -> None:
        """Reports that the logs of these runs have grown; without ids, any may have."""
        self._stale |= self._tails.keys() & set(run_ids) if run_ids else self._tails.keys()
        if self._stale and (self._reader is None or self._reader.done()):
            self._reader = asyncio.create_task(self._read(), name="event tails")

    async def close(self) -> None:
        """Waits for reads in progress."""
        if self._reader is not None:
            await asyncio.wait([self._reader])

    async def follow(self, run: RunOutput, after: int) -> Batches:
        """The events after `after`, as they arrive, until the run finishes or pauses.

        If they weren't logged, the last one is made from the run's record. UnreadableEventError after an
        event that isn't one of ours, as older imports may have stored.
        """
        tail = self._tails.setdefault(run.run_id, _Tail(last=after))
        tail.followers += 1
        settled = False
        try:
            if run.status.is_final or run.is_paused:
                settled = await self._is_settled(run)
            if not settled:  # otherwise all there is, is read once
                self.news(run.run_id)
            while not self._is_ended:
                grown = tail.grown
                batch = None if settled else tail.after(after)
                if batch is None:
                    batch = await self._lines(run.run_id, after)
                    if not batch and tail.after(after) is None:
                        tail.rewind(after)
                if batch:
                    yield batch
                    after = batch[-1].seq
                    if (final := _final(batch[-1], run)) is None:
                        settled = settled and await self._is_settled(run)
                        continue
                    if not isinstance(final, RunPaused):
                        return
                    settled = await self._is_settled(run)
                elif settled:
                    stopped = await self._stopped(run)
                    # None if an earlier release executed the run, or nobody did: then this is its only event.
                    seq = (stopped and stopped.last_seq) or 1
                    if seq > after and (unlogged := _last(stopped, seq)):
                        yield [unlogged]
                    return
                elif not await occurs(grown, within=LOOK_SECONDS):
                    self.news(run.run_id)
                    settled = await self._is_settled(run)
        finally:
            tail.followers -= 1
            if not tail.followers:
                self._tails.pop(run.run_id, None)

    async def follow_nested(self, run: RunOutput, after: int) -> Batches:
        """The same for a nested run, whose events are in its root's log with the root's `seq`."""
        assert run.root_run_id is not None, "a nested run has a root"
        root = await self._db.get_run(run.root_run_id, owner=ANYONE)
        if root is None:
            return
        seq, is_logged = 0, False
        async with aclosing(self.follow(root, after)) as batches:
            async for batch in batches:
                seq = batch[-1].seq
                events = [(line, _decoded(line)) for line in batch]
                own = [(line, event) for line, event in events if _is_of(event, run.run_id)]
                if own:
                    is_logged = True
                    yield [line for line, _ in own]
                    if own[-1][1].is_final and not isinstance(own[-1][1], RunPaused):
                        return
        if seq and not after and not is_logged and (unlogged := _last(await self._stopped(run), seq)):
            yield [unlogged]

    async def _is_settled(self, run: RunOutput) -> bool:
        if run.status.is_final:
            return True
        try:
            status = await self._db.run_status(run.run_id, owner=ANYONE)
        except DatabaseUnavailableError:
            return False
        return status is None or status.is_final or status is RunStatus.PAUSED

    async def _stopped(self, run: RunOutput) -> RunOutput | None:
        """The record of a run that has finished or paused, as it was then."""

        async def read() -> RunOutput | None:
            return await self._db.get_run(run.run_id, owner=ANYONE)

        return run if run.status.is_final else await self._patiently(read)

    async def _lines(self, run_id: str, after: int) -> list[LoggedEvent]:
        async def read() -> list[LoggedEvent]:
            return await self._db.read_events(run_id, after=after, owner=ANYONE)

        return await self._patiently(read)

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        return await patiently(read, on=DatabaseUnavailableError, pauses=repeat(LOOK_SECONDS))

    async def _read(self) -> None:
        while self._stale:
            stale, self._stale = self._stale, set()
            wanted = {run_id: self._tails[run_id].last for run_id in stale if run_id in self._tails}
            try:
                news = await self._db.read_news(wanted, owner=ANYONE) if wanted else {}
            except DatabaseUnavailableError:
                await asyncio.sleep(LOOK_SECONDS)
                self._stale |= stale
                continue
            for run_id, lines in news.items():
                if lines and run_id in self._tails:
                    self._tails[run_id].grow(lines)
                if len(lines) >= MOST_LINES:
                    self._stale.add(run_id)


def _final(line: LoggedEvent, run: RunOutput) -> RunEvent | None:
    if line.name == event_name(RunContent(), run.kind):
        return None
    event = _decoded(line)
    return event if _is_of(event, run.run_id) and event.is_final else None


def _decoded(line: LoggedEvent) -> RunEvent:
    try:
        return decode_event(line.text)
    except ValueError as error:
        raise UnreadableEventError from error


def _last(stopped: RunOutput | None, seq: int) -> LoggedEvent | None:
    event = None if stopped is None else restored(stopped, seq)
    return None if event is None else LoggedEvent(seq, *encode_event(event), is_restored=True)


def _is_of(event: RunEvent, run_id: str) -> bool:
    return event.origin is not None and event.origin.run_id == run_id
