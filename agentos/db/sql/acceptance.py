"""Accepting a run: one statement that finds or makes its session, writes its row and reads what it needs.

No row comes back, and nothing has been written, when the session isn't the owner's or isn't the runnable's.
"""

from __future__ import annotations

from string import Template
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, RowMapping, TextClause

from agentos.db.base import Accepted, RunRequest
from agentos.db.filters import bounded
from agentos.db.rows import run_row
from agentos.db.schema.columns import OBJECT, PAYLOAD, TEXTS, Content
from agentos.db.schema.tables import Tables
from agentos.run.messages import Message
from agentos.run.records import Memory, RunOutput, RunStatus

MAX_MEMORIES: Final = 50
"""How many of a user's memories a run is given, the newest."""

MAX_TITLE: Final = 80
"""Characters of the first message that make a session's title."""

# The defaults go under the stored state and the caller's values over it. A state that neither changes is left
# where it is: rewriting a big one costs.
SESSION: Final = Template("""session AS (
    INSERT INTO $sessions AS s (session_id, kind, runnable_id, user_id, title, session_state)
    SELECT :session_id, :kind, :runnable_id, :user_id, :title, :defaults || :state
    $allowed
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
)""")

RUN: Final = Template("""run AS (
    INSERT INTO $runs (
        run_id, session_id, kind, runnable_id, user_id, parent_run_id, status, created_at,
        input, messages, details, executor_id, durable, arguments$more
    )
    SELECT
        :run_id, :session_id, :kind, :runnable_id, user_id, :parent_run_id, $status, :created_at,
        :input, :messages, :details, :executor_id, :durable, :arguments$values
    FROM session
    $returning
)""")

MEMORIES: Final = """(
    SELECT json_agg(newest)
    FROM (
        SELECT m.* FROM $memories AS m
        WHERE m.user_id = session.user_id
        ORDER BY updated_at DESC LIMIT :memories
    ) AS newest
) AS memories"""

# A run that branched off from another one has that one's messages, as far as they count, itself: before it
# come the runs from before the place where it branched off.
HISTORY: Final = Template("""(
    WITH RECURSIVE last AS (
        (
            SELECT messages, position, coalesce(history_before, position) AS behind, 1 AS number FROM $runs
            WHERE session_id = $session AND status = 'COMPLETED' AND parent_run_id IS NULL $before
            ORDER BY position DESC LIMIT least(:history_runs, 1)
        )
        UNION ALL
        SELECT earlier.* FROM last, LATERAL (
            SELECT messages, position, coalesce(history_before, position), last.number + 1 FROM $runs
            WHERE session_id = $session AND status = 'COMPLETED' AND parent_run_id IS NULL
                AND position < last.behind
            ORDER BY position DESC LIMIT 1
        ) AS earlier
        WHERE last.number < :history_runs
    )
    SELECT json_agg(messages ORDER BY position) FROM last
) AS history""")

_PLAIN: Final = Template("""
WITH $session, $run
SELECT user_id, session_state, :status AS status, $history, $memories_read
FROM session
""").safe_substitute(
    session=SESSION.safe_substitute(allowed=""),
    run=RUN.safe_substitute(status=":status", more="", values="", returning=""),
    history=HISTORY.safe_substitute(session=":session_id", before=""),
    memories_read=MEMORIES,
)


def acceptance(tables: Tables) -> TextClause:
    """The statement; it takes `parameters`, and fails on a `run_id` that is taken."""
    return prepared(tables, _PLAIN)


def prepared(tables: Tables, template: str, **types: Any) -> TextClause:
    """A statement that takes `parameters`; `types` are those of further ones."""
    return tables.sql(
        template,
        title=Content(),
        defaults=OBJECT,
        default_keys=TEXTS,
        state=OBJECT,
        input=PAYLOAD,
        messages=PAYLOAD,
        details=PAYLOAD,
        arguments=PAYLOAD,
        durable=Boolean,
        created_at=BigInteger,
        history_runs=BigInteger,
        memories=BigInteger,
        **types,
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
        "executor_id": request.executor_id,
        "durable": request.durable,
        "arguments": request.arguments or None,
    }


def accepted(run_id: str, row: RowMapping) -> Accepted:
    """What the statement's row says."""
    return Accepted(
        run_id=run_id,
        status=RunStatus(row["status"]),
        is_new=True,
        user_id=row["user_id"],
        session_state=row["session_state"],
        history=history_of(row),
        memories=memories_of(row),
    )


def history_of(row: RowMapping) -> list[Message]:
    """The messages of earlier runs, marked as such."""
    runs: list[list[dict[str, Any]]] = row["history"] or []
    return [Message.model_validate(message | {"from_history": True}) for run in runs for message in run]


def memories_of(row: RowMapping) -> list[Memory]:
    """What is remembered about the user, the newest first."""
    return [Memory.model_validate(memory) for memory in row["memories"] or ()]


def _title(run: RunOutput) -> str | None:
    beginning = run.input.input_content[: 10 * MAX_TITLE] if run.input else ""
    return " ".join(beginning.split())[:MAX_TITLE] or None
