"""The event log of runs in Postgres. The owner of an event is that of its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import BigInteger

from agentos.db.connection.engine import Engine
from agentos.db.contracts.events import LoggedEvent
from agentos.db.encoding import id_or_none, is_id
from agentos.db.filters import bounded
from agentos.db.schema.columns import PAYLOAD, TEXTS
from agentos.db.schema.tables import Tables
from agentos.db.stores.states import StateStore
from agentos.run.owner import ANYONE, Owner
from agentos.run.wire import lacks_state, with_state

_PAGE: Final = 1000
"""Events read at once."""


def lines(run_id: str, events: Sequence[LoggedEvent]) -> list[dict[str, Any]]:
    """Events of a run's log, encoded for Postgres.

    As one JSON text, because the driver is much slower at quoting arrays of texts with many quotes.
    """
    return [{"run_id": run_id, "seq": event.seq, "name": event.name, "text": event.text} for event in events]


class EventStore(StateStore):
    """The event log of streamed runs."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._append_events = self._statement("append_events", lines=PAYLOAD, run_ids=TEXTS)
        self._read_events = self._statement("read_events", after=BigInteger, limit=BigInteger)
        self._last_seq = self._statement("last_seq")
        self._read_segment = self._statement("read_segment", after=BigInteger, limit=BigInteger)
        self._read_news = self._statement("read_news", wanted=PAYLOAD)

    async def append_events(
        self,
        batches: Mapping[str, Sequence[LoggedEvent]],
        *,
        owner: Owner,
        worker_id: str | None = None,
    ) -> set[str]:
        """Appends events of several runs and notifies all processes; returns the runs that accepted theirs.

        Events are refused if the run is deleted or belongs to another worker. An event that is already in the
        log stays unchanged, so a batch may be sent again.
        """
        wanted = {
            "lines": [line for run_id, events in batches.items() for line in lines(run_id, events)],
            "run_ids": [run_id for run_id, events in batches.items() if events and is_id(run_id)],
            "worker_id": worker_id,
        }
        if not wanted["run_ids"]:
            return set()
        (row,) = await self._reach(owner).execute(self._append_events, wanted)
        return set(row["run_ids"] or ())

    async def read_news(self, after: Mapping[str, int], *, owner: Owner) -> dict[str, list[LoggedEvent]]:
        """For each run, its events after the given `seq`, in order, at most 1000 per run."""
        news: dict[str, list[LoggedEvent]] = {run_id: [] for run_id in after}
        wanted = [{"run_id": run_id, "after": bounded(seq)} for run_id, seq in after.items() if is_id(run_id)]
        for row in await self._reach(owner).execute(self._read_news, {"wanted": wanted}):
            news[row["run_id"]].append(LoggedEvent(row["seq"], row["name"], row["text"]))
        return {run_id: await self._whole(run_id, events, owner) for run_id, events in news.items()}

    async def read_events(
        self, run_id: str, *, after: int, owner: Owner, limit: int = 1000
    ) -> list[LoggedEvent]:
        """The run's events after the given `seq`, in order."""
        wanted = {"run_id": id_or_none(run_id), "after": bounded(after), "limit": bounded(limit)}
        rows = await self._reach(owner).execute(self._read_events, wanted)
        return await self._whole(run_id, [LoggedEvent(**row) for row in rows], owner)

    async def _whole(self, run_id: str, events: list[LoggedEvent], owner: Owner) -> list[LoggedEvent]:
        """The events with the state that a final one says, which is stored with the session."""
        if events and lacks_state(events[-1].text):
            state = await self.state_after(run_id, owner=owner)
            events[-1] = replace(events[-1], text=with_state(events[-1].text, state))
        return events

    async def last_seq(self, run_id: str, *, owner: Owner) -> int:
        """`seq` of the run's last event; 0 if there is none."""
        (row,) = await self._reach(owner).execute(self._last_seq, {"run_id": id_or_none(run_id)})
        return row["seq"]

    async def read_segment(self, run_id: str, *, paused: str) -> tuple[int, list[LoggedEvent]]:
        """The events after the last one named `paused`, and that event's `seq`, or 0 if there is none.

        Called by the server, on everyone's rows.
        """
        lines: list[LoggedEvent] = []
        while True:
            after = lines[-1].seq if lines else 0
            wanted = {"run_id": id_or_none(run_id), "paused": paused, "after": after, "limit": _PAGE}
            rows = await self._reach(ANYONE).execute(self._read_segment, wanted)
            found = [row for row in rows if row["seq"] is not None]
            lines += [LoggedEvent(row["seq"], row["name"], row["text"]) for row in found]
            if len(found) < _PAGE:
                return (rows[0]["before"] if rows else 0), lines
