"""Accepted runs: storing their outcome, and reading them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    RowMapping,
    Table,
    Text,
    cast,
    func,
    literal,
    select,
)

from agentos.db.connection.engine import Engine
from agentos.db.contracts.events import LoggedEvent
from agentos.db.contracts.runs import NestedRuns, RunQuery, StateChange
from agentos.db.encoding import check_ids, id_or_none
from agentos.db.filters import among, bounded, same
from agentos.db.rows import run_of, run_row
from agentos.db.schema.columns import OBJECT, PAYLOAD, TEXTS
from agentos.db.schema.tables import Tables
from agentos.db.stores.events import lines
from agentos.db.stores.media import KEPT, keeping
from agentos.db.stores.states import StateStore, versions_of
from agentos.errors import InvalidInputError, NotFoundError, RunLostError, StateTooLargeError
from agentos.run.messages import Metrics
from agentos.run.owner import Owner
from agentos.run.records import Json, RunOutput, RunStatus
from agentos.run.text import mended

_ONCE: Final = {"time_to_first_token"}
"""Metrics that aren't summed: the first run's value is the session's, as in `Metrics`."""


class RunStore(StateStore):
    """Runs, one row each."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        super().__init__(engine, tables)
        outcome: dict[str, Any] = {
            "input": PAYLOAD,
            "messages": PAYLOAD,
            "details": PAYLOAD,
            "worker_id": Text,
            "replaces": Text,
            "first": OBJECT,
            "more": OBJECT,
            "lines": PAYLOAD,
            "reason": PAYLOAD,
            "is_logged": Boolean,
            "model": Text,
            "steps": PAYLOAD,
            "time_to_first_token": Double,
            "input_tokens": BigInteger,
            "output_tokens": BigInteger,
            "total_tokens": BigInteger,
        }
        self._finish_run = self._statement("finish_run", **outcome)
        outcome |= KEPT | {"put": OBJECT, "removed": TEXTS}
        self._finish_run_with_state = self._statement("finish_run_with_state", **outcome)
        self._finish_run_with_merges = self._statement("finish_run_with_merges", merged=OBJECT, **outcome)

    async def finish_run(
        self,
        run: RunOutput,
        change: StateChange,
        *,
        owner: Owner,
        worker_id: str | None = None,
        earlier: Metrics | None = None,
        replaces: str | None = None,
        events: Sequence[LoggedEvent] = (),
    ) -> Json:
        """Stores the run's outcome or pause, its session's state and its metrics, in one round trip.

        `earlier`: the part of the run's metrics that the session already includes; a nested run adds nothing,
        since its tokens are included in its root's. `replaces`: the run that becomes REGENERATED if this one
        is COMPLETED. `events` are logged and sent to all processes in the same transaction: the outcome and
        the run's last event are stored together or not at all. Unfinished nested runs end with it.

        Returns the values of the keys that were merged. StateTooLargeError if these exceed a limit.

        A finished run stays unchanged, so the call may be repeated. A run that is to be rolled back, and is
        CANCELLED, is deleted. RunLostError if the run belongs to another worker, NotFoundError("Run") if it
        no longer exists.
        """
        check_ids(run_id=run.run_id, session_id=run.session_id)
        async with keeping(run) as media:
            outcome = run_row(run) | {
                "worker_id": worker_id,
                "replaces": replaces and id_or_none(replaces),
                "put": dict(change.put),
                "merged": dict(change.merged),
                "removed": [mended(key) for key in change.removed],
                "lines": lines(run.run_id, events),
                "is_logged": bool(events),
                "reason": {
                    "content": run.content,
                    "content_type": "str",
                    "error_type": run.error_type,
                    "error_id": run.error_id,
                },
                **_sums(run.metrics or Metrics(), earlier or Metrics()),
                **media,
            }
            # A cancelled run may be rolled back, which changes the state too.
            is_undone = run.status is RunStatus.CANCELLED
            has_more = bool(change.put or change.removed or media["media_keys"]) or is_undone
            statement = self._finish_run_with_state if has_more else self._finish_run
            if change.merged:
                statement = self._finish_run_with_merges
                outcome |= {"max_state": self.max_state_bytes, "max_keys": StateTooLargeError.max_keys}
            turn = self._session_turn(run)
            rows = await self._reach(owner).execute(statement, outcome, turns=[turn])
            if not rows:
                raise NotFoundError("Run", run.run_id)
            if rows[0].get("is_refused"):
                raise StateTooLargeError(self.max_state_bytes)
            if not (rows[0]["is_stored"] or rows[0]["is_over"]):
                raise RunLostError(f"Another process executes the run {run.run_id!r}.")
            return rows[0].get("merged") or {}

    async def get_run(self, run_id: str, *, owner: Owner, session_id: str | None = None) -> RunOutput | None:
        """The whole run; None if it doesn't exist, or not in that session."""
        table = self._tables.runs
        reach = self._reach(owner)
        statement = select(table).where(same(table.c.run_id, run_id), reach.covers(table))
        if session_id is not None:
            statement = statement.where(self._is_inside(table, session_id, owner))
        rows = await reach.execute(statement)
        return (await self._runs_of(rows, owner))[0] if rows else None

    async def run_status(self, run_id: str, *, owner: Owner) -> RunStatus | None:
        """The status of a run, without reading the rest of it; None if it doesn't exist."""
        table, reach = self._tables.runs, self._reach(owner)
        statement = select(table.c.status).where(same(table.c.run_id, run_id), reach.covers(table))
        rows = await reach.execute(statement)
        return RunStatus(rows[0]["status"]) if rows else None

    async def list_runs(
        self,
        session_id: str,
        query: RunQuery | None = None,
        *,
        owner: Owner,
        messages: bool = True,
        nested: bool = False,
    ) -> list[RunOutput]:
        """A session's runs, oldest first.

        Without `messages`, which are the largest part of a run, they aren't read. `nested` includes nested
        runs.
        """
        query = query or RunQuery()
        table, reach = self._tables.runs, self._reach(owner)
        conditions = [self._is_inside(table, session_id, owner), reach.covers(table)]
        if not nested:
            conditions.append(table.c.parent_run_id.is_(None))
        if query.before is not None:
            later = table.alias()
            place = select(later.c.position).where(same(later.c.run_id, query.before))
            conditions.append(table.c.position < place.scalar_subquery())
        columns = [column for column in table.c if messages or column is not table.c.messages]
        statement = select(*columns).where(*conditions, *_conditions(table, query))
        if query.limit is None:
            return await self._runs_of(await reach.execute(statement.order_by(table.c.position)), owner)
        newest = statement.order_by(table.c.position.desc()).limit(bounded(query.limit))
        rows = await reach.execute(newest)
        if not rows and query.before is not None and await self.run_status(query.before, owner=owner) is None:
            raise InvalidInputError("cursor names no run: begin again without it.", field="cursor")
        return await self._runs_of(rows[::-1], owner)

    async def list_nested(
        self, run_id: str, *, owner: Owner, limit: int = 256, max_bytes: int = 1024 * 1024
    ) -> NestedRuns:
        """The runs below a run, with their messages: at most `limit`, and none after `max_bytes` of JSON."""
        table, reach = self._tables.runs, self._reach(owner)
        below = _below(table, run_id)
        payloads = (table.c.input, table.c.messages, table.c.details)
        size = sum((func.coalesce(func.octet_length(cast(each, Text)), 0) for each in payloads), literal(0))
        first = (
            select(table.c.run_id, table.c.position, size.label("bytes"))
            .where(table.c.run_id.in_(select(below.c.run_id)), reach.covers(table))
            .order_by(table.c.position)
            .limit(bounded(limit))
            .subquery()
        )
        so_far = func.sum(first.c.bytes).over(order_by=first.c.position) - first.c.bytes
        read = select(first.c.run_id, so_far.label("before")).subquery()
        count = select(func.count()).select_from(below).scalar_subquery()
        rows = await reach.execute(
            select(table, count.label("found"))
            .join(read, read.c.run_id == table.c.run_id)
            .where(read.c.before < bounded(max_bytes), reach.covers(table))
            .order_by(table.c.position)
        )
        return NestedRuns(await self._runs_of(rows, owner), rows[0]["found"] - len(rows) if rows else 0)

    async def _runs_of(self, rows: Sequence[RowMapping], owner: Owner) -> list[RunOutput]:
        """Runs with the states that their session had after them."""
        states = await self._states(versions_of(rows), self._reach(owner))
        runs = [run_of(row) for row in rows]
        for run in runs:
            run.session_state = states.get(run.run_id, run.session_state)
        return runs


def _below(table: Table, run_id: str) -> CTE:
    """The ids of all runs below a run. Only its session is searched, which has an index."""
    top, child = table.alias(), table.alias()
    session = select(top.c.session_id).where(same(top.c.run_id, run_id)).scalar_subquery()
    direct = select(child.c.run_id).where(child.c.session_id == session, same(child.c.parent_run_id, run_id))
    below = direct.cte("below", recursive=True)
    next_level = select(table.c.run_id).join(below, table.c.parent_run_id == below.c.run_id)
    return below.union_all(next_level.where(table.c.session_id == session))


def _conditions(table: Table, query: RunQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.of is not None:
        root = table.alias()
        theirs = select(root.c.run_id).where(
            root.c.run_id == func.coalesce(table.c.root_run_id, table.c.run_id),
            root.c.kind == query.of.kind,
            root.c.runnable_id == query.of.id,
        )
        conditions.append(theirs.exists())
    if query.statuses:
        conditions.append(among(table.c.status, [status.value for status in query.statuses]))
    if query.created_after is not None:
        conditions.append(table.c.created_at >= literal(bounded(query.created_after), BigInteger))
    if query.created_before is not None:
        conditions.append(table.c.created_at <= literal(bounded(query.created_before), BigInteger))
    return conditions


def _sums(metrics: Metrics, earlier: Metrics) -> dict[str, Any]:
    """The amounts to add to the session's metrics, and the values to set only if they are absent."""
    now, before = metrics.model_dump(exclude_none=True), earlier.model_dump(exclude_none=True)
    more = {name: value - before.get(name, 0) for name, value in now.items() if name not in _ONCE}
    return {"first": {name: value for name, value in now.items() if name in _ONCE}, "more": more}
