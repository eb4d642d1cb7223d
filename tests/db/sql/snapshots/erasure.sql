-- lock_sessions_of_user
SELECT session_id FROM ai.agentos_sessions WHERE user_id = :user_id FOR UPDATE

-- lock_runs_of_user
SELECT run_id, parent_run_id IS NULL AND status IN ('PENDING', 'RUNNING') AS is_live, ARRAY(
    SELECT run_id || ':' || number FROM generate_series(0, segment) AS number WHERE durable
) AS workflows
FROM ai.agentos_runs
WHERE session_id = ANY (:session_ids) OR user_id = :user_id
FOR UPDATE

-- erase
WITH events AS (
    DELETE FROM ai.agentos_run_events WHERE run_id = ANY (:run_ids) RETURNING 1
), approvals AS (
    DELETE FROM ai.agentos_approvals WHERE run_id = ANY (:run_ids) OR user_id = :user_id RETURNING 1
), runs AS (
    DELETE FROM ai.agentos_runs WHERE run_id = ANY (:run_ids) RETURNING 1
), state_changes AS (
    DELETE FROM ai.agentos_state_changes WHERE session_id = ANY (:session_ids) RETURNING 1
), media AS (
    DELETE FROM ai.agentos_media WHERE session_id = ANY (:session_ids) RETURNING 1
), sessions AS (
    DELETE FROM ai.agentos_sessions WHERE session_id = ANY (:session_ids) RETURNING 1
), memories AS (
    DELETE FROM ai.agentos_memories WHERE user_id = :user_id RETURNING 1
)
SELECT
    (SELECT count(*) FROM events) AS events,
    (SELECT count(*) FROM approvals) AS approvals,
    (SELECT count(*) FROM runs) AS runs,
    (SELECT count(*) FROM state_changes) AS state_changes,
    (SELECT count(*) FROM media) AS media,
    (SELECT count(*) FROM sessions) AS sessions,
    (SELECT count(*) FROM memories) AS memories
