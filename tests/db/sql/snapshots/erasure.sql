-- cancel_runs_of_user
WITH found AS (
    SELECT run_id FROM ai.agentos_runs
    WHERE parent_run_id IS NULL
        AND status = 'RUNNING'
        AND (user_id = :user_id OR session_id IN (SELECT session_id FROM ai.agentos_sessions WHERE user_id = :user_id))
    ORDER BY run_id
    FOR NO KEY UPDATE
), changed AS (
    UPDATE ai.agentos_runs AS r
    SET cancelling = coalesce(r.cancelling, 'cancel'), updated_at = now()
    FROM found
    WHERE r.run_id = found.run_id
), news AS (
    SELECT 'cancel' AS kind, run_id FROM found
)
SELECT (SELECT count(*) FROM found) AS live, (
    SELECT count(pg_notify('ai.agentos_runs', json_build_object(kind, ids)::text))
    FROM (
        SELECT kind, json_agg(run_id) AS ids
        FROM (
            SELECT kind, run_id, sum(octet_length(to_json(run_id)::text)) OVER (ORDER BY run_id) / 6000 AS part
            FROM (SELECT DISTINCT kind, run_id FROM news) AS distinct_news
        ) AS parts
        GROUP BY kind, part
    ) AS messages
) AS told

-- lock_sessions_of_user
SELECT session_id FROM ai.agentos_sessions WHERE user_id = :user_id FOR UPDATE

-- lock_runs_of_user
SELECT run_id, ARRAY(
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
