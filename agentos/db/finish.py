"""Finishing a run: one statement that stores its outcome and adds it to its session.

State and sums are changed where they are, so runs that end at the same time don't lose each other's.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import TextClause

from agentos.db.base import StateChange
from agentos.db.columns import OBJECT, PAYLOAD, TEXTS
from agentos.db.rows import run_row
from agentos.db.tables import Tables
from agentos.run.messages import Metrics
from agentos.run.records import RunOutput
from agentos.run.text import mended

# The session is locked before the run, as when a session is deleted: the other way round, finishing and
# deleting could wait for each other.
_FINISH: Final = """
WITH held AS (
    SELECT session_id FROM $sessions WHERE session_id = :session_id FOR NO KEY UPDATE
), run AS (
    UPDATE $runs AS r
    SET status = :status, input = :input, messages = :messages, details = :details, updated_at = now()
    FROM held
    WHERE r.run_id = :run_id
        AND r.session_id = held.session_id
        AND r.status NOT IN ('COMPLETED', 'CANCELLED', 'ERROR')
        AND (:anyone OR r.user_id = :owner)
    RETURNING r.session_id
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
SELECT run_id FROM $runs WHERE run_id = :run_id AND (:anyone OR user_id = :owner)
"""

_ONCE: Final = {"time_to_first_token"}
"""What isn't summed: the first run's is the session's, as `Metrics` adds up."""


def outcome(tables: Tables) -> TextClause:
    """The statement; it takes `parameters`, and returns a row if there is such a run, ended or not."""
    return tables.sql(
        _FINISH,
        input=PAYLOAD,
        messages=PAYLOAD,
        details=PAYLOAD,
        put=OBJECT,
        removed=TEXTS,
        first=OBJECT,
        more=OBJECT,
    )


def parameters(run: RunOutput, change: StateChange) -> dict[str, Any]:
    """What the statement needs to know of a run that has ended."""
    metrics = (run.metrics or Metrics()).model_dump(exclude_none=True)
    return run_row(run) | {
        "put": dict(change.put),
        "removed": [mended(key) for key in change.removed],
        "first": {name: value for name, value in metrics.items() if name in _ONCE},
        "more": {name: value for name, value in metrics.items() if name not in _ONCE},
    }
