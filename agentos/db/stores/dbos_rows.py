"""Deletes what DBOS recorded of runs: rows in the schema `dbos`.

DBOS's public calls delete in their own transactions, and only in a process that runs DBOS. Here the rows are
deleted in one transaction with their runs, so that a user's data is deleted completely or not at all, also
from the command line. The login role created them and deletes them. A segment of a run is one workflow,
`run_id:segment`. All other deletions in that schema are in `runner.durable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, text

from agentos.db.connection.transaction import Transaction
from agentos.db.schema.columns import TEXTS
from agentos.errors import ConfigurationError

# Not all of them reference the last one, whose deletion cascades.
_TABLES: Final = ("workflow_input", "workflow_output", "operation_outputs", "workflow_status")
_IDS: Final = bindparam("ids", type_=TEXTS)

_FOUND: Final = text("""
SELECT
    c.relname AS name,
    has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
        AND has_table_privilege(c.oid, 'DELETE') AS permitted
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'dbos' AND c.relname = ANY(:tables)
""").bindparams(bindparam("tables", type_=TEXTS))

_COUNT: Final = text("""
SELECT count(*) AS total FROM dbos.workflow_status WHERE workflow_uuid = ANY(:ids)
""").bindparams(_IDS)


async def forget(transaction: Transaction, workflow_ids: Sequence[str]) -> int:
    """Deletes the records of these workflows and returns how many existed.

    ConfigurationError if the login role lacks the privilege, so that nothing is left behind silently.
    """
    if not workflow_ids:
        return 0
    async with transaction.as_login():
        tables = await _found(transaction)
        if not all(tables.values()):
            raise ConfigurationError(
                "The role in db_url may not delete from the tables in the schema dbos, where durable runs "
                "are recorded: use the role that the server uses."
            )
        return await _delete(transaction, list(tables), workflow_ids)


async def count(transaction: Transaction, workflow_ids: Sequence[str]) -> int:
    """The number of workflows that `forget` would delete."""
    if not workflow_ids:
        return 0
    async with transaction.as_login():
        tables = await _found(transaction)
        if not tables or not all(tables.values()):
            return 0
        return (await transaction.execute(_COUNT, {"ids": list(workflow_ids)}))[0]["total"]


async def _found(transaction: Transaction) -> dict[str, bool]:
    """The existing tables in order of deletion, and whether deleting from each is permitted."""
    rows = await transaction.execute(_FOUND, {"tables": list(_TABLES)})
    permitted = {row["name"]: bool(row["permitted"]) for row in rows}
    return {name: permitted[name] for name in _TABLES if name in permitted}


async def _delete(transaction: Transaction, tables: Sequence[str], workflow_ids: Sequence[str]) -> int:
    deleted = 0
    for table in tables:
        statement = text(
            f"DELETE FROM dbos.{table} WHERE workflow_uuid = ANY(:ids) RETURNING 1 AS one"  # noqa: S608 - ours
        )
        deleted = len(await transaction.execute(statement.bindparams(_IDS), {"ids": list(workflow_ids)}))
    return deleted
