"""The event log of runs in Postgres; whose events they are is what the run's row says."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Integer, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import IntegrityError

from agentos.db.base import LoggedEvent
from agentos.db.conditions import bounded, same, texts
from agentos.db.store import Store
from agentos.db.values import mended
from agentos.errors import NotFoundError
from agentos.run.owner import Owner


class EventStore(Store):
    """The `Events` of `db.base`."""

    async def append_events(self, run_id: str, events: Sequence[LoggedEvent], *, owner: Owner) -> None:
        """Adds a batch; what is in the log already stays as it is, so a batch may be sent again.

        NotFoundError("Run") if there is no such run any more.
        """
        table, runs = self._tables.events, self._tables.runs
        reach = self._reach(owner)
        run = select(runs.c.run_id).where(same(runs.c.run_id, run_id), reach.covers(runs)).cte("run")
        batch = (
            func.unnest(
                literal([event.seq for event in events], ARRAY(Integer)),
                texts([mended(event.name) for event in events]),
                texts([mended(event.text) for event in events]),
            )
            .table_valued("seq", "name", "text")
            .render_derived()
        )
        lines = select(run.c.run_id, batch).select_from(run.join(batch, true()))
        added = insert(table).from_select(["run_id", "seq", "name", "text"], lines).on_conflict_do_nothing()
        try:
            found = await reach.execute(select(run.c.run_id).add_cte(added.cte("added")))
        except IntegrityError as error:  # deleted between the look and the write
            raise NotFoundError("Run") from error
        if not found:
            raise NotFoundError("Run")

    async def read_events(
        self, run_id: str, *, after: int, owner: Owner, limit: int = 1000
    ) -> list[LoggedEvent]:
        """The events with a greater `seq`, in order."""
        table, runs = self._tables.events, self._tables.runs
        reach = self._reach(owner)
        statement = (
            select(table.c.seq, table.c.name, table.c.text)
            .join(runs, runs.c.run_id == table.c.run_id)
            .where(
                same(table.c.run_id, run_id),
                reach.covers(runs),
                table.c.seq > literal(bounded(after), BigInteger),
            )
            .order_by(table.c.seq)
            .limit(bounded(limit))
        )
        return [LoggedEvent(row["seq"], row["name"], row["text"]) for row in await reach.execute(statement)]
