WITH events AS (
    DELETE FROM ai.agentos_run_events WHERE run_id = ANY (:run_ids) RETURNING 1
), approvals AS (
    DELETE FROM ai.agentos_approvals WHERE run_id = ANY (:run_ids) OR user_id = :user_id RETURNING 1
), runs AS (
    DELETE FROM ai.agentos_runs WHERE run_id = ANY (:run_ids) RETURNING 1
), sessions AS (
    DELETE FROM ai.agentos_sessions WHERE session_id = ANY (:session_ids) RETURNING 1
), memories AS (
    DELETE FROM ai.agentos_memories WHERE user_id = :user_id RETURNING 1
)
SELECT
    (SELECT count(*) FROM events) AS events,
    (SELECT count(*) FROM approvals) AS approvals,
    (SELECT count(*) FROM runs) AS runs,
    (SELECT count(*) FROM sessions) AS sessions,
    (SELECT count(*) FROM memories) AS memories
