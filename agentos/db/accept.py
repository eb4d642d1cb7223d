"""Accepting a run: one statement that finds or makes its session, writes its row and reads what it needs.

    WITH session AS (INSERT … ON CONFLICT DO UPDATE … WHERE it is the owner's and the runnable's RETURNING …),
         run AS (INSERT … SELECT … FROM session)
    SELECT user_id, session_state, history, memories FROM session

No row comes back when the session isn't the owner's or the runnable's, and nothing was written.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    RowMapping,
    Select,
    and_,
    case,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, array, insert

from agentos.db.base import Accepted, RunRequest
from agentos.db.conditions import bounded
from agentos.db.engine import Reach
from agentos.db.rows import run_row
from agentos.db.tables import OBJECT, PAYLOAD, Tables
from agentos.run.messages import Message
from agentos.run.records import Memory, RunOutput, RunStatus

MAX_MEMORIES: Final = 50
"""How many of a user's memories a run is given, the newest."""

MAX_TITLE: Final = 80
"""Characters of the first message that make a session's title."""


def acceptance(tables: Tables, request: RunRequest, reach: Reach) -> Select[*tuple[Any, ...]]:
    """The statement. It fails on a `run_id` that is taken."""
    session = _session(tables, request, reach)
    return select(
        session.c.user_id,
        session.c.session_state,
        _history(tables, request).label("history"),
        _memories(tables, request, session).label("memories"),
    ).add_cte(_run(tables, request.run, session))


def accepted(row: RowMapping) -> Accepted:
    """What the statement's row says."""
    runs: list[list[dict[str, Any]]] = row["history"] or []
    return Accepted(
        user_id=row["user_id"],
        session_state=row["session_state"],
        history=[Message.model_validate(message | {"from_history": True}) for run in runs for message in run],
        memories=[Memory.model_validate(memory) for memory in row["memories"] or ()],
    )


def _session(tables: Tables, request: RunRequest, reach: Reach) -> CTE:
    table, run = tables.sessions, request.run
    new = insert(table).values(
        session_id=run.session_id,
        kind=run.kind,
        runnable_id=run.runnable_id,
        user_id=run.user_id,
        title=_title(run),
        session_state={**request.session_defaults, **request.session_state},
    )
    stored: dict[str, Any] = {
        "runnable_id": new.excluded.runnable_id,
        "title": func.coalesce(table.c.title, new.excluded.title),
        "updated_at": func.now(),
    }
    if request.session_defaults or request.session_state:
        stored["session_state"] = _state(table.c.session_state, request)
    same_runnable = and_(
        table.c.kind == new.excluded.kind,
        or_(table.c.runnable_id.is_(None), table.c.runnable_id == new.excluded.runnable_id),
    )
    return (
        new.on_conflict_do_update(
            index_elements=[table.c.session_id], set_=stored, where=and_(same_runnable, reach.covers(table))
        )
        .returning(table.c.user_id, table.c.session_state)
        .cte("session")
    )


def _state(state: ColumnElement[Any], request: RunRequest) -> ColumnElement[Any]:
    """The stored state between the runnable's defaults and the caller's values."""
    if request.session_defaults:
        filled = literal(request.session_defaults, OBJECT).concat(state)
        # A state that has them all is left where it is: rewriting a big one costs.
        has_all = state.has_all(array(request.session_defaults))
        state = case((has_all, state), else_=filled)
    return state.concat(literal(request.session_state, OBJECT)) if request.session_state else state


def _title(run: RunOutput) -> str | None:
    beginning = run.input.input_content[: 10 * MAX_TITLE] if run.input else ""
    return " ".join(beginning.split())[:MAX_TITLE] or None


def _run(tables: Tables, run: RunOutput, session: CTE) -> CTE:
    table = tables.runs
    row: dict[str, ColumnElement[Any]] = {
        name: literal(value, table.c[name].type) for name, value in run_row(run).items()
    }
    row["user_id"] = session.c.user_id
    return insert(table).from_select(list(row), select(*row.values()).select_from(session)).cte("run")


def _history(tables: Tables, request: RunRequest) -> ColumnElement[Any]:
    """The messages of the last completed runs, a list for each, the oldest first."""
    if request.history_runs < 1:
        return null()
    table = tables.runs
    last = (
        select(table.c.messages, table.c.position)
        .where(
            table.c.session_id == request.run.session_id,
            table.c.status == RunStatus.COMPLETED.value,
            table.c.parent_run_id.is_(None),
        )
        .order_by(table.c.position.desc())
        .limit(bounded(request.history_runs))
        .subquery()
    )
    messages = aggregate_order_by(last.c.messages, last.c.position)
    return select(func.json_agg(messages, type_=PAYLOAD)).scalar_subquery()


def _memories(tables: Tables, request: RunRequest, session: CTE) -> ColumnElement[Any]:
    if not request.memories:
        return null()
    table = tables.memories
    newest = (
        select(table)
        .where(table.c.user_id == session.c.user_id)
        .order_by(table.c.updated_at.desc())
        .limit(MAX_MEMORIES)
        .correlate(session)
        .subquery()
    )
    return select(func.json_agg(newest.table_valued(), type_=PAYLOAD)).scalar_subquery()
