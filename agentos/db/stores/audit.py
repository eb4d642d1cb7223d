"""The audit in Postgres. Transactions may only insert rows; pruning needs the role that owns the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any, Final

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import BigInteger, ColumnElement, Interval, RowMapping, Table, select
from sqlalchemy.exc import IntegrityError, ProgrammingError

from agentos.db.connection.engine import Engine
from agentos.db.contracts.audit import BEGINNING, AuditEntry, AuditQuery, AuditRecord, Link
from agentos.db.contracts.pages import Page
from agentos.db.encoding import dump
from agentos.db.filters import bounded, same
from agentos.db.schema.tables import Tables
from agentos.db.stores.pages import Order, read_page
from agentos.db.stores.store import Store
from agentos.errors import ConfigurationError, ConflictError
from agentos.run.owner import ANYONE

BATCH: Final = 5000
"""Rows that one transaction prunes."""
_FIELDS: Final = tuple(field.name for field in fields(AuditRecord))


class AuditStore(Store):
    """Append-only rows, each chained to the previous one (`os.audit.chain`).

    They belong to the deployment, not to a user: these methods take no `owner`.
    """

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._append_audit = self._statement("append_audit")
        types = {"age": Interval, "keep": BigInteger, "batch": BigInteger}
        self._prunable_audit = self._statement("prunable_audit", **types)
        self._count_audit = self._statement("count_audit", **types)
        self._cut_audit = self._statement("cut_audit")

    async def audit_head(self) -> Link:
        """The last row, or the start of the chain."""
        table = self._tables.audit
        last = select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1)
        rows = await self._engine.execute(last)
        return Link(**rows[0]) if rows else BEGINNING

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Appends all rows or none: ConflictError if another process has appended in the meantime."""
        try:
            await self._engine.execute(self._append_audit, _parameters(entries))
        except IntegrityError as error:
            raise ConflictError("Another process has appended to the audit.") from error

    async def prunable_audit(self, *, older_than: timedelta | None, keep: int | None) -> Link | None:
        """The last row of the next batch to delete, by age or beyond the latest `keep` rows, or None."""
        rows = await self._engine.execute(self._prunable_audit, _limits(older_than, keep, BATCH))
        return Link(**rows[0]) if rows else None

    async def count_prunable_audit(self, *, older_than: timedelta | None, keep: int | None) -> int:
        """How many rows are old, as for `prunable_audit`."""
        rows = await self._engine.execute(self._count_audit, _limits(older_than, keep, None))
        return rows[0]["rows"]

    async def cut_audit(self, last: Link, mark: AuditEntry) -> int:
        """Deletes the rows up to `last` and appends `mark`, in one transaction; returns how many it deleted.

        Acts as the login role, which must own the table, because the role of other transactions may only
        append: otherwise ConfigurationError. ConflictError if another process has appended or pruned.
        """
        try:
            async with self._engine.transaction(ANYONE) as transaction, transaction.as_login():
                await transaction.execute(self._append_audit, _parameters([mark]))
                gone = await transaction.execute(self._cut_audit, {"seq": last.seq, "hash": last.hash})
                if not gone:
                    raise ConflictError("Another process has pruned the audit.")
        except IntegrityError as error:
            raise ConflictError("Another process has appended to the audit.") from error
        except ProgrammingError as error:
            if not isinstance(error.orig, InsufficientPrivilege):
                raise
            raise ConfigurationError(
                "The role in db_url may not prune the audit: run `agentos db prune --audit-older-than=…` with"
                " the role that owns the tables."
            ) from error
        return len(gone)

    async def read_audit(self, *, after: int, limit: int) -> list[AuditEntry]:
        """The rows with a greater `seq`, in order."""
        table = self._tables.audit
        following = select(table).where(table.c.seq > bounded(after)).order_by(table.c.seq).limit(limit)
        return [_entry(row) for row in await self._engine.execute(following)]

    async def list_audit(self, query: AuditQuery) -> Page[AuditEntry]:
        """A page of the audit, newest first."""
        table = self._tables.audit
        matching = select(table).where(*_conditions(table, query))
        order = Order("audit", "seq", [table.c.seq], descending=True)
        return (await read_page(self._reach(ANYONE), matching, order, query)).map(_entry)


def _parameters(entries: Sequence[AuditEntry]) -> dict[str, Any]:
    rows = [
        asdict(entry.record) | {"time": entry.record.time.isoformat(), "seq": entry.seq, "hash": entry.hash}
        for entry in entries
    ]
    return {"rows": dump(rows)}


def _limits(older_than: timedelta | None, keep: int | None, batch: int | None) -> dict[str, Any]:
    return {"age": older_than, "keep": keep, "batch": batch}


def _conditions(table: Table, query: AuditQuery) -> list[ColumnElement[bool]]:
    wanted = {
        "decision": query.decision,
        "principal": query.principal,
        "method": query.method,
        "route": query.route,
        "resource_id": query.resource_id,
        "request_id": query.request_id,
    }
    conditions = [same(table.c[name], value) for name, value in wanted.items() if value is not None]
    if query.since is not None:
        conditions.append(table.c.time >= query.since)
    if query.until is not None:
        conditions.append(table.c.time < query.until)
    return conditions


def _entry(row: RowMapping) -> AuditEntry:
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    return AuditEntry(row["seq"], AuditRecord(**values), row["hash"])
