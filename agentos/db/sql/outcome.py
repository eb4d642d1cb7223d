"""Finishing a run: one statement that stores its outcome and adds it to its session.

State and sums are changed where they are, so runs that end at the same time don't lose each other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Template
from typing import Any, Final

from sqlalchemy import RowMapping, TextClause

from agentos.db.base import StateChange
from agentos.db.rows import run_row
from agentos.db.schema.columns import OBJECT, PAYLOAD, TEXTS
from agentos.db.schema.tables import Tables
from agentos.db.sql.notifications import QUEUE, tell
from agentos.errors import NotFoundError, RunLostError
from agentos.run.messages import Metrics
from agentos.run.records import RunOutput
from agentos.run.text import mended

# The session is locked before the run, as when a session is deleted: the other way round, finishing and
# deleting could wait for each other. What was done to either meanwhile is seen once it is locked: a run that
# is to be cancelled doesn't pause, somebody has to end it. The arguments, perhaps keys to other services, are
# of no use to a run that is over.
_FINISH: Final = Template("""
WITH held AS (
    SELECT session_id FROM $sessions WHERE session_id = :session_id FOR NO KEY UPDATE
), found AS (
    SELECT r.run_id, r.status, r.executor_id, r.cancelling, r.awaited, r.background
    FROM $runs AS r JOIN held USING (session_id)
    WHERE r.run_id = :run_id AND (:anyone OR r.user_id = :owner)
    FOR NO KEY UPDATE OF r
), mine AS (
    SELECT *, coalesce(cancelling = 'rollback', false) AND :status = 'CANCELLED' AS is_undone
    FROM found
    WHERE status IN ('PENDING', 'RUNNING') AND executor_id IS NOT DISTINCT FROM :executor_id
), undone AS (
    DELETE FROM $runs AS r
    USING mine
    WHERE mine.is_undone
        AND r.session_id = :session_id
        AND (r.run_id = mine.run_id OR r.parent_run_id = mine.run_id)
), run AS (
    UPDATE $runs AS r
    SET
        status = CASE WHEN :status = 'PAUSED' AND mine.cancelling <> '' THEN 'PENDING' ELSE :status END,
        input = :input,
        messages = :messages,
        details = :details,
        executor_id = CASE WHEN :status = 'PAUSED' THEN NULL ELSE r.executor_id END,
        arguments = CASE WHEN :status = 'PAUSED' THEN r.arguments END,
        updated_at = now()
    FROM mine
    WHERE r.run_id = mine.run_id AND NOT mine.is_undone
    RETURNING r.run_id, r.session_id
), replaced AS (
    UPDATE $runs AS r
    SET status = 'REGENERATED', updated_at = now()
    FROM run
    WHERE r.run_id = :replaces
        AND r.session_id = run.session_id
        AND r.status = 'COMPLETED'
        AND :status = 'COMPLETED'
), logged AS (
    INSERT INTO $events (run_id, seq, name, text)
    SELECT run_id, seq, name, text
    FROM run JOIN json_to_recordset(:lines) AS line (run_id text, seq integer, name text, text text)
        USING (run_id)
    ON CONFLICT DO NOTHING
), session AS (
    UPDATE $sessions AS s
    SET session_state = CASE
            WHEN :put = '{}' AND :removed = '{}' THEN s.session_state
            ELSE (s.session_state - :removed) || :put
        END,
        metrics = :first || s.metrics || (
            SELECT jsonb_object_agg(key, value::numeric + coalesce((s.metrics ->> key)::numeric, 0))
            FROM jsonb_each_text(:more)
        ),
        updated_at = now()
    FROM run
    WHERE s.session_id = run.session_id
)
SELECT
    EXISTS (SELECT FROM mine) AS is_stored,
    CASE status
        WHEN 'PAUSED' THEN :status = 'PAUSED'
        ELSE status NOT IN ('PENDING', 'RUNNING') AND executor_id IS NOT DISTINCT FROM :executor_id
    END AS is_over,
    CASE WHEN :is_logged THEN $telling END AS told,
    (SELECT $queue FROM mine WHERE awaited OR background OR cancelling <> '') AS queue
FROM found
""").safe_substitute(telling=tell("events", "mine"), queue=QUEUE)

_ONCE: Final = {"time_to_first_token"}
"""What isn't summed: the first run's is the session's, as `Metrics` adds up."""


def outcome(tables: Tables) -> TextClause:
    """The statement; it takes `parameters`, and returns a row, for `check`, if there is such a run."""
    return tables.sql(
        _FINISH,
        input=PAYLOAD,
        messages=PAYLOAD,
        details=PAYLOAD,
        put=OBJECT,
        removed=TEXTS,
        first=OBJECT,
        more=OBJECT,
        lines=PAYLOAD,
    )


def parameters(run: RunOutput, change: StateChange, earlier: Metrics | None) -> dict[str, Any]:
    """What the statement needs to know of a run that has ended, or paused."""
    metrics = (run.metrics or Metrics()).model_dump(exclude_none=True)
    counted = (earlier or Metrics()).model_dump(exclude_none=True)
    return run_row(run) | {
        "put": dict(change.put),
        "removed": [mended(key) for key in change.removed],
        "first": {name: value for name, value in metrics.items() if name in _ONCE},
        "more": {name: value - counted.get(name, 0) for name, value in metrics.items() if name not in _ONCE},
    }


def check(run_id: str, rows: Sequence[RowMapping]) -> None:
    """Whether the outcome, or one before it, is stored."""
    if not rows:
        raise NotFoundError("Run", run_id)
    if not (rows[0]["is_stored"] or rows[0]["is_over"]):
        raise RunLostError(f"Another process executes the run {run_id!r}.")
