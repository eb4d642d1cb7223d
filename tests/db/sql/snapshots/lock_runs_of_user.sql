SELECT run_id, status IN ('PENDING', 'RUNNING') AS is_live, ARRAY(
    SELECT run_id || ':' || number FROM generate_series(0, segment) AS number WHERE durable
) AS workflows
FROM ai.agentos_runs
WHERE session_id = ANY (:session_ids) OR user_id = :user_id
FOR UPDATE
