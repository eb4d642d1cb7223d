"""Deleting everything that belongs to a user, in one transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from agentos.db.connection.engine import Engine
from agentos.db.contracts.erasure import Receipt, user_hash
from agentos.db.encoding import check_ids
from agentos.db.schema.columns import TEXTS
from agentos.db.schema.tables import Tables
from agentos.db.stores import dbos_rows
from agentos.db.stores.store import Store
from agentos.errors import ConflictError
from agentos.run.owner import ANYONE


class ErasureStore(Store):
    """Deleting a user."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._lock_sessions = self._statement("lock_sessions_of_user")
        self._lock_runs = self._statement("lock_runs_of_user", session_ids=TEXTS)
        self._erase = self._statement("erase", session_ids=TEXTS, run_ids=TEXTS)

    async def delete_user(self, user_id: str) -> Receipt:
        """Deletes everything that belongs to a user, at once or not at all. What they do meanwhile stays.

        ConflictError while runs of theirs are live: cancel them first. What the audit says of the user stays.
        """
        check_ids(user_id=user_id)
        async with self._engine.transaction(ANYONE) as transaction:
            sessions = await transaction.execute(self._lock_sessions, {"user_id": user_id})
            session_ids = [row["session_id"] for row in sessions]
            theirs = {"user_id": user_id, "session_ids": session_ids}
            runs = await transaction.execute(self._lock_runs, theirs)
            live = sum(row["is_live"] for row in runs)
            if live:
                raise ConflictError(f"{live} of the user's runs are live: cancel them first, or wait.")
            theirs["run_ids"] = [row["run_id"] for row in runs]
            counts: dict[str, int] = dict((await transaction.execute(self._erase, theirs))[0])
            workflow_ids = [workflow_id for row in runs for workflow_id in row["workflows"]]
            counts["workflows"] = await dbos_rows.forget(transaction, workflow_ids)
        return Receipt(
            receipt_id=uuid4().hex, time=datetime.now(UTC), user_hash=user_hash(user_id), counts=counts
        )
