"""The audit in Postgres. The server's role may only insert rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Table, select
from sqlalchemy.exc import IntegrityError

from agentos.db.connection.engine import Engine
from agentos.db.contracts.audit import BEGINNING, AuditEntry, AuditQuery, AuditRecord, Link
from agentos.db.contracts.pages import Page
from agentos.db.encoding import dump
from agentos.db.filters import bounded, same
from agentos.db.schema.tables import Tables
from agentos.db.stores.store import Store, read_page
from agentos.errors import ConflictError
from agentos.run.owner import ANYONE

_FIELDS: Final = tuple(field.name for field in fields(AuditRecord))


class AuditStore(Store):
    """Append-only rows, each chained to the previous one (`os.audit.chain`).

    They belong to the deployment, not to a user: these methods take no `owner`.
    """

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._append_audit = self._statement("append_audit")

    async def audit_head(self) -> Link:
        """The last row, or the start of the chain."""
        table = self._tables.audit
        last = select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1)
        rows = await self._engine.execute(last)
        return Link(**rows[0]) if rows else BEGINNING

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Appends all rows or none: ConflictError if another process has appended in the meantime."""
        rows = [
            asdict(entry.record)
            | {"time": entry.record.time.isoformat(), "seq": entry.seq, "hash": entry.hash}
            for entry in entries
        ]
        try:
            await self._engine.execute(self._append_audit, {"rows": dump(rows)})
        except IntegrityError as error:
            raise ConflictError("Another process has appended to the audit.") from error

    async def read_audit(self, *, after: int, limit: int) -> list[AuditEntry]:
        """The rows with a greater `seq`, in order."""
        table = self._tables.audit
        following = select(table).where(table.c.seq > bounded(after)).order_by(table.c.seq).limit(limit)
        return [_entry(row) for row in await self._engine.execute(following)]

    async def list_audit(self, query: AuditQuery) -> Page[AuditEntry]:
        """A page of the audit, newest first."""
        table = self._tables.audit
        matching = select(table).where(*_conditions(table, query))
        reach = self._reach(ANYONE)
        order = [table.c.seq.desc()]
        rows, total = await read_page(reach, matching, order, limit=query.limit, page=query.page)
        return Page(rows=[_entry(row) for row in rows], total=total)


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
