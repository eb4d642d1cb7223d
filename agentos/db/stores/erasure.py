"""Deleting everything that belongs to a user, in one transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from agentos.db.connection.engine import Engine
from agentos.db.contracts.retention import Receipt, user_hash
from agentos.db.encoding import check_ids
from agentos.db.schema.columns import TEXTS
from agentos.db.schema.tables import Tables
from agentos.db.stores import dbos_rows
from agentos.db.stores.store import Store
from agentos.errors import ConflictError
from agentos.run.owner import ANYONE

# A session is locked before its runs, as everywhere.
_SESSIONS: Final = "SELECT session_id FROM $sessions WHERE user_id = :user_id FOR UPDATE"
_RUNS: Final = """
SELECT run_id, status IN ('PENDING', 'RUNNING') AS is_live, ARRAY(
    SELECT run_id || ':' || number FROM generate_series(0, segment) AS number WHERE durable
) AS workflows
FROM $runs
WHERE session_id = ANY(:session_ids) OR user_id = :user_id
FOR UPDATE
"""
_DELETE: Final = {
    "events": "$events WHERE run_id = ANY(:run_ids)",
    "approvals": "$approvals WHERE run_id = ANY(:run_ids) OR user_id = :user_id",
    "runs": "$runs WHERE run_id = ANY(:run_ids)",
    "sessions": "$sessions WHERE session_id = ANY(:session_ids)",
    "memories": "$memories WHERE user_id = :user_id",
}
"""What goes of each table whose rows have an owner; first what hangs on others, to be counted."""


class ErasureStore(Store):
    """The `delete_user` of `db.keeping`."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._users_sessions = tables.sql(_SESSIONS)
        self._users_runs = tables.sql(_RUNS, session_ids=TEXTS)
        self._users_rows = {
            name: tables.sql(
                f"WITH gone AS (DELETE FROM {which} RETURNING 1) SELECT count(*) AS total FROM gone",  # noqa: S608 - ours
                **{f"{kind}_ids": TEXTS for kind in ("run", "session") if f":{kind}_ids" in which},
            )
            for name, which in _DELETE.items()
        }

    async def delete_user(self, user_id: str) -> Receipt:
        """Deletes everything that belongs to a user, at once or not at all; see `db.keeping`.

        What the user does meanwhile stays.
        """
        check_ids(user_id=user_id)
        async with self._engine.transaction(ANYONE) as transaction:
            sessions = await transaction.execute(self._users_sessions, {"user_id": user_id})
            session_ids = [row["session_id"] for row in sessions]
            theirs = {"user_id": user_id, "session_ids": session_ids}
            runs = await transaction.execute(self._users_runs, theirs)
            live = sum(row["is_live"] for row in runs)
            if live:
                raise ConflictError(f"{live} of the user's runs are live: cancel them first, or wait.")
            theirs["run_ids"] = [row["run_id"] for row in runs]
            counts: dict[str, int] = {}
            for name, statement in self._users_rows.items():
                counts[name] = (await transaction.execute(statement, theirs))[0]["total"]
            workflow_ids = [workflow_id for row in runs for workflow_id in row["workflows"]]
            counts["workflows"] = await dbos_rows.forget(transaction, workflow_ids)
        return Receipt(
            receipt_id=uuid4().hex, time=datetime.now(UTC), user_hash=user_hash(user_id), counts=counts
        )
