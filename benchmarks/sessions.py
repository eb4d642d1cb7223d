"""Ten thousand conversations, and what fifty runs leave in each."""

from __future__ import annotations

import psycopg

from agentos.db.postgres import PostgresDb

SESSIONS, RUNS = 10_000, 50

_EMPTY = """
INSERT INTO ai.agentos_sessions (session_id, kind, runnable_id, user_id, title, created_at, updated_at)
SELECT
    gen_random_uuid(), 'agent', 'research-agent', %(user)s, 'Conversation ' || n,
    now() - n * interval '1 minute', now() - n * interval '1 minute'
FROM generate_series(1, %(sessions)s) AS n
"""

# What one real run has left is what every other leaves.
_RUNS = """
INSERT INTO ai.agentos_runs (
    run_id, session_id, kind, runnable_id, user_id, status, created_at, input, messages, details
)
SELECT
    gen_random_uuid(), s.session_id, r.kind, r.runnable_id, r.user_id, r.status, r.created_at,
    r.input, r.messages, r.details
FROM ai.agentos_sessions AS s, ai.agentos_runs AS r, generate_series(1, %(runs)s)
"""

_SUMS = """
UPDATE ai.agentos_sessions SET session_state = real.session_state, metrics = real.metrics
FROM ai.agentos_runs JOIN ai.agentos_sessions AS real USING (session_id)
"""


def fill(url: str, user: str) -> None:
    """Makes the tables, and conversations in which nothing has been said."""
    PostgresDb(url).schema.upgrade()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(_EMPTY, {"user": user, "sessions": SESSIONS})
        connection.execute("VACUUM ANALYZE")


def talk(url: str) -> None:
    """Puts runs into every conversation there is, all like the single one that must be there."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(_SUMS)
        connection.execute(_RUNS, {"runs": RUNS})
        connection.execute("VACUUM ANALYZE")
