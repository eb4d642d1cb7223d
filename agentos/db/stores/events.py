"""The event log of runs in Postgres; whose events they are is what the run's row says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Template
from typing import Any, Final

from sqlalchemy import BigInteger

from agentos.db.base import LoggedEvent
from agentos.db.connection.engine import Engine
from agentos.db.encoding import id_or_none, is_id
from agentos.db.filters import bounded
from agentos.db.schema.columns import PAYLOAD, TEXTS
from agentos.db.schema.tables import Tables
from agentos.db.sql.notifications import tell
from agentos.db.stores.store import Store
from agentos.run.owner import Owner

# The runs are locked, so that whoever takes one over meanwhile does so before or after, and finds all lines.
_APPEND: Final = Template("""
WITH lines AS (
    SELECT * FROM json_to_recordset(:lines) AS line (run_id text, seq integer, name text, text text)
), run AS (
    SELECT run_id FROM $runs
    WHERE run_id = ANY (:run_ids)
        AND (:anyone OR user_id = :owner)
        AND executor_id IS NOT DISTINCT FROM :executor_id
    ORDER BY run_id
    FOR SHARE
), added AS (
    INSERT INTO $events (run_id, seq, name, text)
    SELECT run_id, seq, name, text FROM run JOIN lines USING (run_id)
    ON CONFLICT DO NOTHING
)
SELECT array_agg(run_id) AS run_ids, $telling AS told FROM run
""").safe_substitute(telling=tell("events", "run"))

_READ: Final = """
SELECT e.seq, e.name, e.text
FROM $events AS e JOIN $runs AS r USING (run_id)
WHERE run_id = :run_id AND e.seq > :after AND (:anyone OR r.user_id = :owner)
ORDER BY e.seq
LIMIT :limit
"""

_LAST: Final = """
SELECT coalesce(max(e.seq), 0) AS seq
FROM $events AS e JOIN $runs AS r USING (run_id)
WHERE run_id = :run_id AND (:anyone OR r.user_id = :owner)
"""

_NEWS: Final = """
SELECT run_id, e.seq, e.name, e.text
FROM json_to_recordset(:wanted) AS wanted (run_id text, after bigint)
JOIN $runs AS r USING (run_id)
CROSS JOIN LATERAL (
    SELECT seq, name, text FROM $events
    WHERE run_id = wanted.run_id AND seq > wanted.after
    ORDER BY seq
    LIMIT 1000
) AS e
WHERE :anyone OR r.user_id = :owner
ORDER BY run_id, e.seq
"""


def lines(run_id: str, events: Sequence[LoggedEvent]) -> list[dict[str, Any]]:
    """Lines of a run's log, as they are sent to Postgres.

    As one JSON text: the driver takes far longer to quote arrays of texts as full of quotes as these.
    """
    return [{"run_id": run_id, "seq": event.seq, "name": event.name, "text": event.text} for event in events]


class EventStore(Store):
    """The `Events` of `db.base`."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._append = tables.sql(_APPEND, lines=PAYLOAD, run_ids=TEXTS)
        self._news = tables.sql(_NEWS, wanted=PAYLOAD)
        self._read = tables.sql(_READ, after=BigInteger, limit=BigInteger)
        self._last = tables.sql(_LAST)

    async def append_events(
        self,
        batches: Mapping[str, Sequence[LoggedEvent]],
        *,
        owner: Owner,
        executor_id: str | None = None,
    ) -> set[str]:
        """Adds batches of several runs and tells every process; the runs that took theirs.

        A run that is gone, or another executor's now, takes none. What is in the log already stays as it
        is, so a batch may be sent again.
        """
        wanted = {
            "lines": [line for run_id, events in batches.items() for line in lines(run_id, events)],
            "run_ids": [run_id for run_id, events in batches.items() if events and is_id(run_id)],
            "executor_id": executor_id,
        }
        if not wanted["run_ids"]:
            return set()
        (row,) = await self._reach(owner).execute(self._append, wanted)
        return set(row["run_ids"] or ())

    async def read_news(self, after: Mapping[str, int], *, owner: Owner) -> dict[str, list[LoggedEvent]]:
        """For each run the events with a greater `seq` than given, in order, at most 1000 a run."""
        news: dict[str, list[LoggedEvent]] = {run_id: [] for run_id in after}
        wanted = [{"run_id": run_id, "after": bounded(seq)} for run_id, seq in after.items() if is_id(run_id)]
        for row in await self._reach(owner).execute(self._news, {"wanted": wanted}):
            news[row["run_id"]].append(LoggedEvent(row["seq"], row["name"], row["text"]))
        return news

    async def read_events(
        self, run_id: str, *, after: int, owner: Owner, limit: int = 1000
    ) -> list[LoggedEvent]:
        """The events with a greater `seq`, in order."""
        wanted = {"run_id": id_or_none(run_id), "after": bounded(after), "limit": bounded(limit)}
        rows = await self._reach(owner).execute(self._read, wanted)
        return [LoggedEvent(**row) for row in rows]

    async def last_seq(self, run_id: str, *, owner: Owner) -> int:
        """The `seq` of the run's last event; 0 without one."""
        (row,) = await self._reach(owner).execute(self._last, {"run_id": id_or_none(run_id)})
        return row["seq"]
