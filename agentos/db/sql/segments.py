"""What happens to a run between its acceptance and its end: opened elsewhere, continued, asked to end."""

from __future__ import annotations

from string import Template
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, RowMapping, Text, TextClause

from agentos.db.contracts.workers import OpenedRun
from agentos.db.filters import bounded
from agentos.db.rows import run_of, run_row
from agentos.db.schema.columns import OBJECT, PAYLOAD, TEXTS
from agentos.db.schema.tables import Tables
from agentos.db.sql.acceptance import HISTORY, MAX_MEMORIES, MEMORIES, history_of, memories_of
from agentos.db.sql.notifications import QUEUE, tell
from agentos.run.records import Json, RunOutput

# The defaults go under the stored state, as when a run is accepted; a state that has them all is left alone.
_OPEN: Final = Template("""
WITH run AS (
    SELECT * FROM $runs WHERE run_id = :run_id AND executor_id = :executor_id AND status = 'RUNNING'
), changed AS (
    UPDATE $sessions AS s
    SET session_state = :defaults || s.session_state
    FROM run
    WHERE s.session_id = run.session_id AND NOT s.session_state ?& :default_keys
    RETURNING s.session_state
), session AS (
    SELECT s.user_id, coalesce((SELECT session_state FROM changed), s.session_state) AS current_state
    FROM $sessions AS s JOIN run USING (session_id)
)
SELECT
    run.*,
    current_state,
    coalesce((SELECT max(seq) FROM $events AS e WHERE e.run_id = run.run_id), 0) AS last_seq,
    $history,
    $memories_read
FROM run, session
""").safe_substitute(
    history=HISTORY.safe_substitute(
        session="run.session_id", before="AND position < coalesce(run.history_before, run.position)"
    ),
    memories_read=MEMORIES,
)

# Whoever has read the run before somebody else continued it knows fewer messages. Runs that wait for their
# turn may have been accepted during the pause, so the run counts as awaited. The arguments keep their order.
_REOPEN: Final = Template("""
WITH found AS (
    SELECT run_id, status, json_array_length(messages) AS messages FROM $runs
    WHERE run_id = :run_id AND (:anyone OR user_id = :owner)
    FOR NO KEY UPDATE
), run AS (
    UPDATE $runs AS r
    SET
        status = CASE WHEN :executor_id IS NULL THEN 'PENDING' ELSE 'RUNNING' END,
        executor_id = :executor_id,
        segment = r.segment + 1,
        background = r.background OR :executor_id IS NULL,
        awaited = true,
        durable = r.durable AND :recorded,
        details = :details,
        arguments = (
            SELECT json_object_agg(key, value)
            FROM (
                SELECT * FROM json_each(r.arguments) WHERE key <> ALL (:argument_keys)
                UNION ALL
                SELECT * FROM json_each(:arguments)
            ) AS argument
        ),
        updated_at = now()
    FROM found
    WHERE r.run_id = found.run_id AND found.status = 'PAUSED' AND found.messages = :messages
    RETURNING r.status, r.segment
)
SELECT segment, (SELECT $queue FROM run WHERE status = 'PENDING') AS queue
FROM found LEFT JOIN run ON true
""").safe_substitute(queue=QUEUE)

# A run that a script executes has no executor: nobody can reach the script, or tell whether it lives.
_CANCEL: Final = Template("""
WITH found AS (
    SELECT
        run_id,
        CASE WHEN status = 'RUNNING' AND executor_id IS NULL THEN 'PENDING' ELSE status END AS status
    FROM $runs
    WHERE run_id = :run_id AND (:anyone OR user_id = :owner)
    FOR NO KEY UPDATE
), changed AS (
    UPDATE $runs AS r
    SET
        status = 'RUNNING',
        executor_id = CASE WHEN found.status = 'RUNNING' THEN r.executor_id ELSE :executor_id END,
        cancelling = coalesce(r.cancelling, :how),
        updated_at = now()
    FROM found
    WHERE r.run_id = found.run_id AND found.status IN ('PENDING', 'RUNNING', 'PAUSED')
)
SELECT status, CASE WHEN status = 'RUNNING' THEN $telling END AS told
FROM found
""").safe_substitute(telling=tell("cancel", "found"))


class Segments:
    """The statements."""

    def __init__(self, tables: Tables) -> None:
        self.open: TextClause = tables.sql(
            _OPEN, defaults=OBJECT, default_keys=TEXTS, history_runs=BigInteger, memories=BigInteger
        )
        self.reopen: TextClause = tables.sql(
            _REOPEN,
            executor_id=Text,
            details=PAYLOAD,
            arguments=PAYLOAD,
            argument_keys=TEXTS,
            messages=BigInteger,
            recorded=Boolean,
        )
        self.cancel: TextClause = tables.sql(_CANCEL)


def opening(defaults: Json, *, history_runs: int, memories: bool) -> dict[str, Any]:
    """What opening needs to know besides the run."""
    return {
        "defaults": defaults,
        "default_keys": list(defaults),
        "history_runs": bounded(max(history_runs, 0)),
        "memories": MAX_MEMORIES if memories else 0,
    }


def opened(row: RowMapping) -> OpenedRun:
    """What the row of a run that was opened says."""
    return OpenedRun(
        run=run_of(row),
        arguments=row["arguments"] or {},
        segment=row["segment"],
        durable=row["durable"],
        last_seq=row["last_seq"],
        session_state=row["current_state"],
        history=history_of(row),
        memories=memories_of(row),
    )


def reopening(run: RunOutput, arguments: Json) -> dict[str, Any]:
    """What reopening needs to know of a run and its new arguments."""
    row = run_row(run)
    return {
        "run_id": run.run_id,
        "details": row["details"],
        "messages": len(row["messages"]),
        "arguments": arguments,
        "argument_keys": list(arguments),
    }
