"""Deletes old data, and all data of a user.

Old data are inactive sessions and the event logs of finished runs. They are deleted in batches, so that locks
are short; processes that prune at once take turns. Rows that others have locked are left for the next time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import BigInteger, Interval, RowMapping, Text, text

from agentos.db.connection.engine import Engine
from agentos.db.connection.transaction import Transaction
from agentos.db.contracts.deletion import Pruned, Receipt, user_hash
from agentos.db.encoding import check_ids
from agentos.db.schema.columns import TEXTS
from agentos.db.schema.tables import Tables
from agentos.db.schema.upgrade import lock_key
from agentos.db.stores import dbos_rows
from agentos.db.stores.store import Store
from agentos.errors import InvalidInputError
from agentos.run.owner import ANYONE

BATCH: Final = 200
"""Sessions or runs per transaction."""
PATIENCE: Final = timedelta(seconds=10)
"""How long a user's live runs have to end before they are deleted."""
LOOK_SECONDS: Final = 0.2
"""Seconds between two looks at them."""

_TURN: Final = text("SELECT pg_advisory_xact_lock(:key)")


class DeletionStore(Store):
    """Maintenance and deletion of users: calls by the operator, on everyone's rows."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        types = {"age": Interval, "batch": BigInteger}
        log_types = {"log_age": Interval, "batch": BigInteger, "after": Text}
        self._count_sessions = self._statement("count_sessions", age=Interval)
        self._prune_sessions = self._statement("prune_sessions", **types)
        self._count_logs = self._statement("count_logs", age=Interval, **log_types)
        self._prune_logs = self._statement("prune_logs", **log_types)
        self._cancel_runs_of_user = self._statement("cancel_runs_of_user")
        self._lock_sessions = self._statement("lock_sessions_of_user")
        self._lock_runs = self._statement("lock_runs_of_user", session_ids=TEXTS)
        self._erase = self._statement("erase", session_ids=TEXTS, run_ids=TEXTS)
        self._turn = lock_key(f"prune {tables.names.schema}.{tables.names.sessions}")

    async def prune(
        self,
        *,
        older_than: timedelta | None = None,
        events_older_than: timedelta | None = None,
        dry_run: bool = False,
    ) -> Pruned:
        """Deletes old data.

        `older_than`: whole sessions, with their runs, events and approvals, that haven't changed for that
        long and have no live or paused run. `events_older_than`: the event logs of runs that finished that
        long ago; the runs and their messages are kept.

        Works in batches, each in its own transaction, in one process at a time. The audit is pruned
        apart, since its rows are chained. `dry_run` only counts.
        """
        ages = [age for age in (older_than, events_older_than) if age is not None]
        if not ages or min(ages) < timedelta(0):
            raise InvalidInputError("Give a maximum age of 0 or more.", field="older_than")
        if dry_run:
            return await self._foretold(older_than, events_older_than)
        pruned = Pruned()
        if older_than is not None:
            pruned += await self._sessions(older_than)
        if events_older_than is not None:
            pruned += Pruned(events=await self._logs(events_older_than))
        return pruned

    async def delete_user(self, user_id: str, *, patience: timedelta = PATIENCE) -> Receipt:
        """Cancels the user's live runs, then deletes all data of the user in one transaction.

        Waits at most `patience` for the runs to end. Those that don't, and those that the user starts
        meanwhile, are deleted as well: neither their outcome nor their events are stored any more. Rows that
        the user adds later are kept, as are the user's rows in the audit. If it is interrupted, nothing is
        deleted; call it again.
        """
        check_ids(user_id=user_id)
        await self._cancel_runs(user_id, patience)
        async with self._engine.transaction(ANYONE) as transaction:
            sessions = await transaction.execute(self._lock_sessions, {"user_id": user_id})
            session_ids = [row["session_id"] for row in sessions]
            theirs = {"user_id": user_id, "session_ids": session_ids}
            runs = await transaction.execute(self._lock_runs, theirs)
            await transaction.execute(self._cancel_runs_of_user, {"user_id": user_id})  # told at the commit
            theirs["run_ids"] = [row["run_id"] for row in runs]
            counts: dict[str, int] = dict((await transaction.execute(self._erase, theirs))[0])
            workflow_ids = [workflow_id for row in runs for workflow_id in row["workflows"]]
            counts["workflows"] = await dbos_rows.forget(transaction, workflow_ids)
        return Receipt(
            receipt_id=uuid4().hex, time=datetime.now(UTC), user_hash=user_hash(user_id), counts=counts
        )

    async def _cancel_runs(self, user_id: str, patience: timedelta) -> None:
        """Returns once no run of the user executes, or `patience` is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience.total_seconds()):
                while True:
                    async with self._engine.transaction(ANYONE) as transaction:
                        (row,) = await transaction.execute(self._cancel_runs_of_user, {"user_id": user_id})
                    if not row["live"]:
                        return
                    await asyncio.sleep(LOOK_SECONDS)

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

    async def _foretold(self, age: timedelta | None, log_age: timedelta | None) -> Pruned:
        """What would be deleted, counted in one snapshot."""
        async with self._engine.transaction(ANYONE, isolation="REPEATABLE READ") as transaction:
            row = (await transaction.execute(self._count_sessions, {"age": age}))[0]
            known = await dbos_rows.count(transaction, row["workflows"])
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
