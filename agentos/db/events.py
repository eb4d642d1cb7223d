"""The event log of runs in Postgres; whose events they are is what the run's row says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BigInteger
from sqlalchemy.exc import IntegrityError

from agentos.db.base import LoggedEvent
from agentos.db.columns import PAYLOAD
from agentos.db.conditions import bounded
from agentos.db.engine import Engine
from agentos.db.store import Store
from agentos.db.tables import Tables
from agentos.db.values import id_or_none
from agentos.errors import NotFoundError
from agentos.run.owner import Owner

_APPEND: Final = """
WITH run AS (
    SELECT run_id FROM $runs WHERE run_id = :run_id AND (:anyone OR user_id = :owner)
), added AS (
    INSERT INTO $events (run_id, seq, name, text)
    SELECT run_id, batch.*
    FROM run, json_to_recordset(:batch) AS batch (seq integer, name text, text text)
    ON CONFLICT DO NOTHING
)
SELECT run_id FROM run
"""

_READ: Final = """
SELECT e.seq, e.name, e.text
FROM $events AS e JOIN $runs AS r USING (run_id)
WHERE run_id = :run_id AND e.seq > :after AND (:anyone OR r.user_id = :owner)
ORDER BY e.seq
LIMIT :limit
"""


class EventStore(Store):
    """The `Events` of `db.base`."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._append = tables.sql(_APPEND, batch=PAYLOAD)
        self._read = tables.sql(_READ, after=BigInteger, limit=BigInteger)

    async def append_events(self, run_id: str, events: Sequence[LoggedEvent], *, owner: Owner) -> None:
        """Adds a batch; what is in the log already stays as it is, so a batch may be sent again.

        NotFoundError("Run") if there is no such run any more.
        """
        # One JSON text: the driver takes far longer to quote arrays of texts as full of quotes as these.
        batch = [{"seq": event.seq, "name": event.name, "text": event.text} for event in events]
        try:
            found = await self._reach(owner).execute(
                self._append, {"run_id": id_or_none(run_id), "batch": batch}
            )
        except IntegrityError as error:  # deleted between the look and the write
            raise NotFoundError("Run") from error
        if not found:
            raise NotFoundError("Run")

    async def read_events(
        self, run_id: str, *, after: int, owner: Owner, limit: int = 1000
    ) -> list[LoggedEvent]:
        """The events with a greater `seq`, in order."""
        wanted = {"run_id": id_or_none(run_id), "after": bounded(after), "limit": bounded(limit)}
        rows = await self._reach(owner).execute(self._read, wanted)
        return [LoggedEvent(**row) for row in rows]
