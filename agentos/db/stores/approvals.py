"""Approvals in Postgres. Expiry and cancellation are computed on reading, with the database's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from sqlalchemy import (
    Case,
    ColumnElement,
    Label,
    RowMapping,
    and_,
    case,
    delete,
    extract,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from agentos.db.connection.engine import Engine
from agentos.db.contracts.approvals import Approval, ApprovalQuery, Resolution
from agentos.db.contracts.pages import Page
from agentos.db.encoding import check_ids
from agentos.db.filters import among, same
from agentos.db.schema.columns import PAYLOAD, TEXTS
from agentos.db.schema.tables import NOW, Tables
from agentos.db.stores.pages import AnySelect, Order, read_page
from agentos.db.stores.store import Store
from agentos.errors import ConflictError, NotFoundError
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import Json, RunStatus

_FIELDS: Final = tuple(field.name for field in fields(Approval) if field.name not in {"status", "run_status"})
_OVER: Final = [status.value for status in RunStatus if status.is_final]


class ApprovalStore(Store):
    """Approvals. A pending one reads as expired after its time, and as cancelled once its run has ended."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        self._create_approvals = self._statement("create_approvals", rows=PAYLOAD, run_ids=TEXTS)
        self._status = _status(tables)
        given = func.coalesce(tables.runs.c.given_session_id, tables.approvals.c.session_id)
        self._session_id: Label[str] = given.label("session_id")

    async def create_approvals(self, approvals: Sequence[Approval], *, owner: Owner) -> None:
        """Stores the new ones. NotFoundError("Run") if a run isn't the owner's."""
        for approval in approvals:
            check_ids(id=approval.id, run_id=approval.run_id, resolved_by=approval.resolved_by)
        run_ids = sorted({approval.run_id for approval in approvals})
        rows = [asdict(approval) for approval in approvals]
        try:
            found = await self._reach(owner).execute(
                self._create_approvals, {"rows": rows, "run_ids": run_ids}
            )
        except IntegrityError as error:  # deleted between the look and the write
            raise NotFoundError("Run") from error
        if len(found) < len(run_ids):
            raise NotFoundError("Run")

    async def get_approval(self, approval_id: str, *, owner: Owner) -> Approval | None:
        """An approval, or None."""
        rows = await self._reach(owner).execute(
            self._seen(owner).where(same(self._tables.approvals.c.id, approval_id))
        )
        return _approval(rows[0]) if rows else None

    async def list_approvals(self, query: ApprovalQuery, *, owner: Owner) -> Page[Approval]:
        """A page of approvals."""
        table = self._tables.approvals
        matching = self._seen(owner).where(*self._conditions(query))
        order = Order("approvals", "created_at", [table.c.created_at, table.c.id], descending=True)
        return (await read_page(self._reach(owner), matching, order, query)).map(_approval)

    async def count_approvals(
        self, *, owner: Owner, user_id: str | None = None, session_id: str | None = None
    ) -> int:
        """The number of pending approvals."""
        query = ApprovalQuery(status="pending", user_id=user_id, session_id=session_id)
        matching = self._seen(owner).where(*self._conditions(query)).subquery()
        rows = await self._reach(owner).execute(select(func.count().label("total")).select_from(matching))
        return rows[0]["total"]

    async def approvals_of(self, run_ids: Sequence[str], *, owner: Owner) -> list[Approval]:
        """All approvals of these runs, oldest first."""
        table = self._tables.approvals
        matching = self._seen(owner).where(among(table.c.run_id, run_ids))
        rows = await self._reach(owner).execute(matching.order_by(table.c.created_at, table.c.id))
        return [_approval(row) for row in rows]

    async def resolve_approval(
        self,
        approval_id: str,
        *,
        status: Resolution,
        resolved_by: str | None,
        resolution_data: Json | None = None,
        owner: Owner,
    ) -> Approval | None:
        """Decides a pending approval, once; None if it doesn't exist. ConflictError if it isn't pending.

        The caller must check that `resolved_by` may decide.
        """
        check_ids(resolved_by=resolved_by)
        table, runs = self._tables.approvals, self._tables.runs
        reach = self._reach(owner)
        # Of two at once the second waits for the first, and then finds that it isn't pending.
        decided = await reach.execute(
            update(table)
            .where(same(table.c.id, approval_id), reach.covers(table))
            .where(table.c.run_id == runs.c.run_id, self._status == "pending")
            .values(
                status=status,
                resolved_by=resolved_by,
                resolution_data=resolution_data,
                resolved_at=NOW,
                updated_at=NOW,
            )
            .returning(table.c.id)
        )
        found = await self.get_approval(approval_id, owner=owner)
        if found is not None and not decided:
            raise ConflictError(f"Approval is already {found.status!r} and cannot be resolved")
        return found

    async def expire_approvals(self) -> int:
        """Stores the computed status of expired and cancelled approvals; returns how many."""
        table, runs = self._tables.approvals, self._tables.runs
        closing = (
            update(table)
            .where(table.c.status == "pending", table.c.run_id == runs.c.run_id, self._status != "pending")
            .values(status=self._status, updated_at=NOW)
            .returning(table.c.id)
        )
        return len(await self._reach(ANYONE).execute(closing))

    async def delete_approval(self, approval_id: str, *, owner: Owner) -> bool:
        """Deletes an approval; returns whether it existed."""
        table = self._tables.approvals
        reach = self._reach(owner)
        statement = delete(table).where(same(table.c.id, approval_id), reach.covers(table))
        return bool(await reach.execute(statement.returning(table.c.id)))

    def _seen(self, owner: Owner) -> AnySelect:
        table, runs = self._tables.approvals, self._tables.runs
        apart = {table.c.status, table.c.session_id}
        columns = [self._session_id, *(column for column in table.c if column not in apart)]
        return (
            select(*columns, self._status.label("status"), runs.c.status.label("run_status"))
            .join(runs, table.c.run_id == runs.c.run_id)
            .where(self._reach(owner).covers(table))
        )

    def _conditions(self, query: ApprovalQuery) -> list[ColumnElement[bool]]:
        table = self._tables.approvals
        ids = {
            "runnable_id": query.runnable_id,
            "user_id": query.user_id,
            "run_id": query.run_id,
        }
        words = {
            "kind": query.kind,
            "approval_type": query.approval_type,
            "pause_type": query.pause_type,
        }
        conditions = [same(table.c[name], value) for name, value in ids.items() if value is not None]
        conditions += [table.c[name] == value for name, value in words.items() if value is not None]
        if query.session_id is not None:
            conditions.append(same(self._session_id, query.session_id))
        if query.status is not None:
            conditions.append(self._status == query.status)
        if query.status == "pending":
            conditions.append(table.c.status == "pending")  # has an index
        return conditions


def _status(tables: Tables) -> Case[Any]:
    """Current status. A pending one ends when it expires or when its run ends, whichever is first."""
    table, runs = tables.approvals, tables.runs
    ended = extract("epoch", runs.c.updated_at)
    in_time = or_(table.c.expires_at.is_(None), ended < table.c.expires_at)
    return case(
        (table.c.status != "pending", table.c.status),
        (and_(runs.c.status.in_(_OVER), in_time), "cancelled"),
        (table.c.expires_at <= extract("epoch", func.now()), "expired"),
        else_="pending",
    )


def _approval(row: RowMapping) -> Approval:
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    return Approval(**values, status=row["status"], run_status=RunStatus(row["run_status"]))
