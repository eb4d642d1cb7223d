"""Deleting what is old: sessions that nobody goes on with, logs of runs that are over.

It goes in batches, so that nothing is locked for long, and processes that prune at once take turns. What
somebody else holds is left for the next time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import BigInteger, Interval, RowMapping, Text, text

from agentos.db.connection.engine import Engine
from agentos.db.connection.transaction import Transaction
from agentos.db.contracts.retention import Pruned
from agentos.db.schema.tables import Tables
from agentos.db.schema.upgrade import lock_key
from agentos.db.stores import dbos_rows
from agentos.db.stores.store import Store
from agentos.errors import InvalidInputError
from agentos.run.owner import ANYONE

BATCH: Final = 200
"""Sessions, runs or workflows in one transaction."""

_TURN: Final = text("SELECT pg_advisory_xact_lock(:key)")

# Without an age nothing is old. A session hasn't been changed before it was created: the index on the one
# narrows down the other.
_OLD: Final = """
SELECT session_id FROM $sessions AS s
WHERE created_at < now() - CAST(:age AS interval) AND updated_at < now() - CAST(:age AS interval)
    AND NOT EXISTS (
        SELECT FROM $runs AS r
        WHERE r.session_id = s.session_id AND r.status IN ('PENDING', 'RUNNING', 'PAUSED')
    )
"""
_INSIDE: Final = """
SELECT run_id, segment, durable FROM $runs WHERE session_id IN (SELECT session_id FROM old)
"""
# All parts of a statement see what was there before it, so what is deleted along is counted.
_COUNTS: Final = """
SELECT
    (SELECT count(*) FROM old) AS sessions,
    (SELECT count(*) FROM inside) AS runs,
    (SELECT count(*) FROM $events WHERE run_id IN (SELECT run_id FROM inside)) AS events,
    (SELECT count(*) FROM $approvals WHERE run_id IN (SELECT run_id FROM inside)) AS approvals,
    ARRAY(
        SELECT run_id || ':' || number FROM inside, generate_series(0, segment) AS number WHERE durable
    ) AS workflows
"""
_COUNT_SESSIONS: Final = f"WITH old AS ({_OLD}), inside AS ({_INSIDE}) {_COUNTS}"
_PRUNE_SESSIONS: Final = f"""
WITH old AS ({_OLD} ORDER BY created_at LIMIT :batch FOR UPDATE SKIP LOCKED), inside AS ({_INSIDE}), gone AS (
    DELETE FROM $sessions WHERE session_id IN (SELECT session_id FROM old)
)
{_COUNTS}
"""  # noqa: S608 - of parts that are constants

# By the index from one run that has a log to the next: the runs that have none any more cost nothing.
_LOGS: Final = """
WITH RECURSIVE logged AS (
    (SELECT run_id FROM $events WHERE run_id > :after ORDER BY run_id LIMIT 1)
    UNION ALL
    SELECT following.run_id
    FROM logged CROSS JOIN LATERAL (
        SELECT e.run_id FROM $events AS e WHERE e.run_id > logged.run_id ORDER BY e.run_id LIMIT 1
    ) AS following
), batch AS MATERIALIZED (
    SELECT run_id FROM logged LIMIT :batch
), ended AS MATERIALIZED (
    SELECT run_id, session_id FROM batch JOIN $runs USING (run_id)
    WHERE status NOT IN ('PENDING', 'RUNNING', 'PAUSED') AND updated_at < now() - CAST(:log_age AS interval)
)
"""
_COUNT_LOGS: Final = f"""
{_LOGS}, old AS ({_OLD})
SELECT (SELECT max(run_id) FROM batch) AS last, (
    SELECT count(*) FROM $events
    WHERE run_id IN (SELECT run_id FROM ended WHERE session_id NOT IN (SELECT session_id FROM old))
) AS events
"""  # noqa: S608 - of parts that are constants
_PRUNE_LOGS: Final = f"""
{_LOGS}, gone AS (DELETE FROM $events WHERE run_id IN (SELECT run_id FROM ended) RETURNING run_id)
SELECT (SELECT max(run_id) FROM batch) AS last, (SELECT count(*) FROM gone) AS events
"""  # noqa: S608 - of parts that are constants


class PruningStore(Store):
    """The `prune` of `db.keeping`."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        types = {"age": Interval, "batch": BigInteger}
        log_types = {"log_age": Interval, "batch": BigInteger, "after": Text}
        self._count_sessions = tables.sql(_COUNT_SESSIONS, age=Interval)
        self._prune_sessions = tables.sql(_PRUNE_SESSIONS, **types)
        self._count_logs = tables.sql(_COUNT_LOGS, age=Interval, **log_types)
        self._prune_logs = tables.sql(_PRUNE_LOGS, **log_types)
        self._turn = lock_key(f"prune {tables.names.schema}.{tables.names.sessions}")

    async def prune(
        self,
        *,
        older_than: timedelta | None = None,
        events_older_than: timedelta | None = None,
        dry_run: bool = False,
    ) -> Pruned:
        """Deletes what is older than it needs to be; see `db.keeping`."""
        ages = [age for age in (older_than, events_older_than) if age is not None]
        if not ages or min(ages) < timedelta(0):
            raise InvalidInputError("Say how old things may get: an age of 0 or more.", field="older_than")
        if dry_run:
            return await self._foretold(older_than, events_older_than, min(ages))
        pruned = Pruned()
        if older_than is not None:
            pruned += await self._sessions(older_than)
        if events_older_than is not None:
            pruned += Pruned(events=await self._logs(events_older_than))
        return pruned + Pruned(workflows=await self._workflows(min(ages)))

    async def _sessions(self, age: timedelta) -> Pruned:
        pruned = Pruned()
        while True:
            async with self._engine.transaction(ANYONE) as transaction:
                await self._take_turn(transaction)
                parameters = {"age": age, "batch": BATCH}
                row = (await transaction.execute(self._prune_sessions, parameters))[0]
                forgotten = await dbos_rows.forget(transaction, row["workflows"])
            pruned += _pruned(row, forgotten)
            if row["sessions"] < BATCH:
                return pruned

    async def _logs(self, age: timedelta) -> int:
        pruned, after = 0, ""
        while True:
            async with self._engine.transaction(ANYONE) as transaction:
                await self._take_turn(transaction)
                parameters = {"log_age": age, "after": after, "batch": BATCH}
                row = (await transaction.execute(self._prune_logs, parameters))[0]
            if row["last"] is None:
                return pruned
            pruned, after = pruned + row["events"], row["last"]

    async def _workflows(self, age: timedelta) -> int:
        pruned = 0
        while True:
            async with self._engine.transaction(ANYONE) as transaction:
                await self._take_turn(transaction)
                forgotten = await dbos_rows.forget_ended(transaction, age=age, most=BATCH)
            pruned += forgotten
            if forgotten < BATCH:
                return pruned

    async def _foretold(
        self, age: timedelta | None, log_age: timedelta | None, workflow_age: timedelta
    ) -> Pruned:
        """What would go, all of it counted at one moment."""
        async with self._engine.transaction(ANYONE, isolation="REPEATABLE READ") as transaction:
            row = (await transaction.execute(self._count_sessions, {"age": age}))[0]
            known = await dbos_rows.count(transaction, row["workflows"], ended_for=workflow_age)
            foretold, after = _pruned(row, known), ""
            while log_age is not None:
                parameters = {"age": age, "log_age": log_age, "after": after, "batch": BATCH}
                row = (await transaction.execute(self._count_logs, parameters))[0]
                if row["last"] is None:
                    break
                foretold, after = foretold + Pruned(events=row["events"]), row["last"]
        return foretold

    async def _take_turn(self, transaction: Transaction) -> None:
        await transaction.execute(_TURN, {"key": self._turn})


def _pruned(row: RowMapping, forgotten: int) -> Pruned:
    return Pruned(row["sessions"], row["runs"], row["events"], row["approvals"], forgotten)
