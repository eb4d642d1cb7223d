"""Accepting a run: one statement that finds or makes its session, writes its row and reads what it needs.

No row comes back, and nothing has been written, when the session isn't the owner's or isn't the runnable's.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, RowMapping, TextClause

from agentos.db.base import Accepted, RunRequest
from agentos.db.columns import OBJECT, PAYLOAD, TEXTS, Content
from agentos.db.conditions import bounded
from agentos.db.rows import run_row
from agentos.db.tables import Tables
from agentos.run.messages import Message
from agentos.run.records import Memory, RunOutput

MAX_MEMORIES: Final = 50
"""How many of a user's memories a run is given, the newest."""

MAX_TITLE: Final = 80
"""Characters of the first message that make a session's title."""

# The defaults go under the stored state and the caller's values over it. A state that neither changes is left
# where it is: rewriting a big one costs.
_ACCEPT: Final = """
WITH session AS (
    INSERT INTO $sessions AS s (session_id, kind, runnable_id, user_id, title, session_state)
    VALUES (:session_id, :kind, :runnable_id, :user_id, :title, :defaults || :state)
    ON CONFLICT (session_id) DO UPDATE SET
        runnable_id = excluded.runnable_id,
        title = coalesce(s.title, excluded.title),
        session_state = CASE
            WHEN s.session_state ?& :default_keys AND :state = '{}' THEN s.session_state
            ELSE :defaults || s.session_state || :state
        END,
        updated_at = now()
    WHERE (:anyone OR s.user_id = :owner)
        AND s.kind = excluded.kind
        AND coalesce(s.runnable_id, excluded.runnable_id) = excluded.runnable_id
    RETURNING user_id, session_state
), run AS (
    INSERT INTO $runs (
        run_id, session_id, kind, runnable_id, user_id, parent_run_id, status, created_at,
        input, messages, details
    )
    SELECT
        :run_id, :session_id, :kind, :runnable_id, user_id, :parent_run_id, :status, :created_at,
        :input, :messages, :details
    FROM session
)
SELECT
    user_id,
    session_state,
    (
        SELECT json_agg(messages ORDER BY position)
        FROM (
            SELECT messages, position FROM $runs
            WHERE session_id = :session_id AND status = 'COMPLETED' AND parent_run_id IS NULL
            ORDER BY position DESC LIMIT :history_runs
        ) AS last
    ) AS history,
    (
        SELECT json_agg(newest)
        FROM (
            SELECT m.* FROM $memories AS m
            WHERE m.user_id = session.user_id
            ORDER BY updated_at DESC LIMIT :memories
        ) AS newest
    ) AS memories
FROM session
"""


def acceptance(tables: Tables) -> TextClause:
    """The statement; it takes `parameters`, and fails on a `run_id` that is taken."""
    return tables.sql(
        _ACCEPT,
        title=Content(),
        defaults=OBJECT,
        default_keys=TEXTS,
        state=OBJECT,
        input=PAYLOAD,
        messages=PAYLOAD,
        details=PAYLOAD,
        created_at=BigInteger,
        history_runs=BigInteger,
        memories=BigInteger,
    )


def parameters(request: RunRequest) -> dict[str, Any]:
    """What the statement needs to know of a request."""
    return run_row(request.run) | {
        "title": _title(request.run),
        "defaults": request.session_defaults,
        "default_keys": list(request.session_defaults),
        "state": request.session_state,
        "history_runs": bounded(max(request.history_runs, 0)),
        "memories": MAX_MEMORIES if request.memories else 0,
    }


def accepted(row: RowMapping) -> Accepted:
    """What the statement's row says."""
    runs: list[list[dict[str, Any]]] = row["history"] or []
    return Accepted(
        user_id=row["user_id"],
        session_state=row["session_state"],
        history=[Message.model_validate(message | {"from_history": True}) for run in runs for message in run],
        memories=[Memory.model_validate(memory) for memory in row["memories"] or ()],
    )


def _title(run: RunOutput) -> str | None:
    beginning = run.input.input_content[: 10 * MAX_TITLE] if run.input else ""
    return " ".join(beginning.split())[:MAX_TITLE] or None
