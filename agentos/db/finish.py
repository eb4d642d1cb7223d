"""Finishing a run: one statement that stores its outcome and adds it to its session.

    WITH held AS (SELECT … FROM sessions … FOR NO KEY UPDATE),
         run AS (UPDATE runs … FROM held WHERE the run hasn't ended RETURNING …),
         session AS (UPDATE sessions … FROM run)
    SELECT run_id FROM runs

State and sums are changed where they are, so runs that end at the same time don't lose each other's.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, ColumnElement, Numeric, Select, cast, func, literal, select, update

from agentos.db.base import StateChange
from agentos.db.conditions import same, texts
from agentos.db.engine import Reach
from agentos.db.rows import run_row
from agentos.db.tables import OBJECT, Tables
from agentos.db.values import mended
from agentos.run.messages import Metrics
from agentos.run.records import RunOutput, RunStatus

_FINAL = [status.value for status in RunStatus if status.is_final]
_ONCE = {"time_to_first_token"}
"""What isn't summed: the first run's is the session's."""


def outcome(tables: Tables, run: RunOutput, change: StateChange, reach: Reach) -> Select[*tuple[Any, ...]]:
    """The statement; it returns a row if there is such a run, ended or not."""
    runs = tables.runs
    ended = _run(tables, run, reach)
    session = _session(tables, run, change, ended)
    found = select(runs.c.run_id).where(same(runs.c.run_id, run.run_id), reach.covers(runs))
    return found.add_cte(session)


def _run(tables: Tables, run: RunOutput, reach: Reach) -> CTE:
    table, sessions = tables.runs, tables.sessions
    # The session first, as whoever deletes it does: the other way round the two could wait for each other.
    held = (
        select(sessions.c.session_id)
        .where(same(sessions.c.session_id, run.session_id))
        .with_for_update(key_share=True)
        .cte("held")
    )
    row = run_row(run)
    new = {name: row[name] for name in ("status", "input", "messages", "details")}
    return (
        update(table)
        .where(
            table.c.session_id == held.c.session_id,
            same(table.c.run_id, run.run_id),
            table.c.status.not_in(_FINAL),
            reach.covers(table),
        )
        .values(**new, updated_at=func.now())
        .returning(table.c.session_id)
        .cte("run")
    )


def _session(tables: Tables, run: RunOutput, change: StateChange, ended: CTE) -> CTE:
    table = tables.sessions
    new: dict[str, Any] = {"updated_at": func.now()}
    if run.metrics is not None:
        new["metrics"] = _sum(table.c.metrics, run.metrics)
    state: ColumnElement[Any] = table.c.session_state
    if change.removed:
        state = state.op("-", return_type=OBJECT)(texts([mended(key) for key in change.removed]))
    if change.put:
        state = state.op("||", return_type=OBJECT)(literal(dict(change.put), OBJECT))
    if change.removed or change.put:
        new["session_state"] = state
    return update(table).where(table.c.session_id == ended.c.session_id).values(new).cte("session")


def _sum(stored: ColumnElement[Any], more: Metrics) -> ColumnElement[Any]:
    """`stored + more`, as `Metrics` adds up."""
    parts: list[ColumnElement[Any]] = []
    for name, value in more:
        if value is None:
            continue
        first = func.coalesce(stored[name], literal(value, OBJECT))
        parts += [literal(name), first if name in _ONCE else _plus(stored[name].astext, value)]
    return stored.op("||", return_type=OBJECT)(func.jsonb_build_object(*parts))


def _plus(stored: ColumnElement[Any], more: float) -> ColumnElement[Any]:
    return func.coalesce(cast(stored, Numeric), 0) + literal(more, Numeric)
